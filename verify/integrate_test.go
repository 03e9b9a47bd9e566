package verify

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A block of a page: the file that the comment before it names, if there is one,
// its language, and its lines.
type block struct {
	file, language string
	lines          []string
}

var blockStart = regexp.MustCompile("^( *)```([a-z]*)$")

func integratePage(t *testing.T) []block { return pageBlocks(t, "../docs/integrate.md") }

func pageBlocks(t *testing.T, page string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var b *block
	var indent, before string
	for _, line := range strings.Split(string(text), "\n") {
		start := blockStart.FindStringSubmatch(line)
		switch {
		case b == nil && start != nil:
			indent = start[1]
			file, _ := strings.CutPrefix(strings.TrimSuffix(before, " -->"), "<!-- ")
			b = &block{language: start[2]}
			if file != before {
				b.file = file
			}
		case start != nil:
			blocks = append(blocks, *b)
			b = nil
		case b != nil:
			b.lines = append(b.lines, strings.TrimPrefix(line, indent))
		}
		before = line
	}
	require.Nil(t, b)
	return blocks
}

// The code on the page is that of files which other tests run.
func TestThePageOfIntegrationShowsCodeThatRuns(t *testing.T) {
	shown := map[string]bool{}
	for _, b := range integratePage(t) {
		switch b.language {
		case "", "console", "yaml", "json":
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", b.file))
		require.NoError(t, err, b.lines)
		shown[b.language] = true
		assert.Contains(t, withoutIndent(strings.Split(string(text), "\n")), withoutIndent(b.lines), b.file)
	}
	assert.Equal(t, map[string]bool{"js": true, "python": true, "php": true, "nginx": true}, shown)
}

// withoutIndent joins the lines without what stands before them in a file or its comments.
func withoutIndent(lines []string) string {
	var joined strings.Builder
	for _, line := range lines {
		joined.WriteString(strings.TrimLeft(strings.TrimPrefix(line, " *"), " \t") + "\n")
	}
	return joined.String()
}

func TestThePageOfIntegrationShowsRequestsThatAreTaken(t *testing.T) {
	i := start(t)
	requests := 0
	for _, b := range integratePage(t) {
		if b.language != "json" {
			continue
		}
		for _, body := range b.lines {
			path, status := "/v1/check", http.StatusOK
			if strings.Contains(body, `"outcome"`) {
				path, status = "/v1/outcomes", http.StatusAccepted
			}
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+i.Addr+path, strings.NewReader(body))
			require.NoError(t, err)
			r.SetBasicAuth("checkout", "correct-horse-battery")
			r.Header.Set("Content-Type", "application/json")
			answer, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			text, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			assert.Equal(t, status, answer.StatusCode, "%s\n%s", body, text)
			requests++
		}
	}
	assert.Equal(t, 2, requests)
}

// An example is read whole by those that take it over.
func TestExamplesAreShort(t *testing.T) {
	for pattern, most := range map[string]int{"../examples/checkout/*": 79, "../examples/address/*": 79, "../examples/woocommerce/*": 200} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.LessOrEqual(t, strings.Count(string(text), "\n"), most, file)
		}
	}
}
