package console

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheConsoleIsSmall(t *testing.T) {
	size := len(shell.text) + len(terms.text)
	for _, a := range assets {
		size += len(a.text)
	}
	assert.Less(t, size, 250_000)
}

// What a page loads is there, and is one of ours: modules import each other by relative
// names, so that the folder's hash covers them.
func TestPagesLoadOnlyWhatIsThere(t *testing.T) {
	imported := regexp.MustCompile(`(?m)^import (?:\{[^}]*\} from )?'([^']*)';$`)
	used := map[string]bool{}
	for name, a := range assets {
		require.NotEmpty(t, a.media, name)
		if path.Ext(name) != ".js" {
			continue
		}
		for line := range strings.Lines(string(a.text)) {
			if strings.HasPrefix(line, "import") {
				require.Regexp(t, imported, line, name)
			}
		}
		for _, m := range imported.FindAllStringSubmatch(string(a.text), -1) {
			file, relative := strings.CutPrefix(m[1], "./")
			require.True(t, relative, "%s imports %s", name, m[1])
			require.Contains(t, assets, file, name)
			used[file] = true
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]*)"`).FindAllStringSubmatch(string(shell.text), -1) {
		file, ours := strings.CutPrefix(m[1], "/console/a/"+folder+"/")
		require.True(t, ours, m[1])
		require.Contains(t, assets, file)
		used[file] = true
	}
	assert.Len(t, used, len(assets), "every file is used")
}

// The policy would have the browser refuse it; nothing is to be refused in the first place.
func TestScriptsMakeNoMarkupOfText(t *testing.T) {
	for name, a := range assets {
		for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "javascript:", ".style", "sessionStorage", "document.cookie"} {
			assert.NotContains(t, string(a.text), forbidden, name)
		}
	}
	assert.NotContains(t, string(shell.text), "style=")
	assert.NotRegexp(t, `<script(?: type="module")?>`, string(shell.text), "no script stands in the page")
}
