package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const root = "../.."

// The pages: all Markdown files, but for those of the tools, which name other things.
func pages(t *testing.T) (pages []string) {
	t.Helper()
	testbed.SkipRace(t, "reads pages")
	for _, pattern := range []string{"*.md", "docs/*.md", "bench/*/*.md", "client/*.md", "client/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.NotEmpty(t, pages)
	return pages
}

var (
	pageLink   = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^):]*))?\)`)                                                // [text](file#part)
	pageFile   = regexp.MustCompile("`((?:client|cmd|internal|docs|examples|bench|loadtest|k6)/[a-zA-Z0-9_./-]+)`") // `cmd/file.go`
	pageTarget = regexp.MustCompile("`make ([a-z0-9-]+)`")
	noteFile   = regexp.MustCompile(`[(, ]([a-z_0-9]+\.go)\b`) // "(file.go)" in a comment
)

func TestPagesNameOnlyWhatIsThere(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range pageLink.FindAllStringSubmatch(string(text), -1) {
			linked := filepath.Join(filepath.Dir(page), m[1])
			if m[1] == "" {
				linked = page
			}
			if assert.FileExists(t, orFolder(linked), "linked by %s", page) && m[2] != "" {
				assert.Contains(t, headings(t, linked), m[2], "%s, linked by %s", linked, page)
			}
		}
		for _, m := range pageFile.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[1], "NAME") {
				assert.FileExists(t, orFolder(filepath.Join(root, m[1])), "named by %s", page)
			}
		}
		for _, m := range pageTarget.FindAllStringSubmatch(string(text), -1) {
			assert.Contains(t, string(makefile), "\n"+m[1]+":", "a target of make, named by %s", page)
		}
	}
}

// headings are the names of the page's headings, as a link spells them.
func headings(t *testing.T, page string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if heading, found := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); found && strings.HasPrefix(line, "#") {
			names = append(names, strings.Map(func(c rune) rune {
				switch {
				case c == ' ':
					return '-'
				case c == '-', c == '_', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
					return c
				}
				return -1
			}, strings.ToLower(strings.TrimSpace(heading))))
		}
	}
	return names
}

// orFolder is the path, or a file in it where it is a folder.
func orFolder(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if entries, err := os.ReadDir(path); err == nil {
			for _, e := range entries {
				if !e.IsDir() {
					return filepath.Join(path, e.Name())
				}
			}
		}
	}
	return path
}

// The comments of a package send their reader to files: of that folder, or of another
// one where the comment says which.
func TestCommentsNameOnlyFilesThatAreThere(t *testing.T) {
	names := map[string]bool{}
	var sources []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			names[d.Name()] = true
			sources = append(sources, path)
		}
		return err
	}))
	for _, path := range sources {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			_, comment, found := strings.Cut(line, "// ")
			if !found || strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, m := range noteFile.FindAllStringSubmatch(" "+comment, -1) {
				assert.True(t, names[m[1]], "%s: %s", path, m[1])
			}
		}
	}
}
