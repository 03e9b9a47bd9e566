//go:build verify

package verify

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// between returns the text of the page from a line on until another line.
func between(t *testing.T, page, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, from)
	require.True(t, found, from)
	text, _, found := strings.Cut(rest, to)
	require.True(t, found, to)
	return text
}

// The decision log of a real run is read by SQLite as the page says, a torn line too.
func TestSQLiteReadsTheDecisionLogAsThePageSays(t *testing.T) {
	sqlite, err := exec.LookPath("sqlite3")
	require.NoError(t, err, "make verify needs it")
	page, err := os.ReadFile("../docs/decision-log.md")
	require.NoError(t, err)
	const folder = "/var/lib/fraudcheck/decisions"
	commands := between(t, string(page), "<<'END'\n", "END\n")
	require.Contains(t, commands, folder)

	dir := t.TempDir()
	log := filepath.Join(dir, "decisions")
	line := `{"v":1,"seq":%d,"time":"2026-11-28T13:00:00.123Z","instance":"web-1","kind":"check","attempt":"k7qm2xpz","decision":"%s","reasons":[],"rules":[],"degraded":false,"subjects":{"ip":"d2igsqUIiqItGM1qOhheXg","card":"%d"},"key":"uekb4474","caller":"a \"quoted\" one"}` + "\n"
	text := fmt.Sprintf(line, 1, "allow", 1) + fmt.Sprintf(line, 2, "block", 2) + fmt.Sprintf(line, 3, "block", 2) + `{"v":1,"se` + "\n" + `{"v":1,"seq":4,"time":"2026-11-28T13:00:01.000Z","instance":"web-1","kind":"gap","lost":null}` + "\n"
	require.NoError(t, os.WriteFile(log, []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), sqlite, filepath.Join(dir, "decisions.db"))
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(commands, folder, dir))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 3, "%s", out)
	assert.Equal(t, []string{"d2igsqUIiqItGM1qOhheXg", "3", "2", "2"}, strings.Fields(lines[2]))
}

// No tool that knows them is to be had everywhere, so their form alone is tried.
func TestConfigurationsOfShippersAreYAML(t *testing.T) {
	page, err := os.ReadFile("../docs/decision-log.md")
	require.NoError(t, err)
	for shipper, keys := range map[string][]string{"Vector": {"sources", "transforms", "sinks"}, "Fluent Bit": {"parsers", "pipeline"}} {
		var settings map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(between(t, string(page), shipper+":\n\n```yml\n", "```")), &settings), shipper)
		for _, key := range keys {
			assert.Contains(t, settings, key, shipper)
		}
	}
}
