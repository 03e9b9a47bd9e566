package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// snippet returns the first block of the language in the page.
func snippet(t *testing.T, page, language string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	require.True(t, found, page)
	block, _, _ := strings.Cut(rest, "```")
	return block
}

// The Go client's page is followed by a module that knows nothing else of this one.
func TestTheGoClientsPageWorksInAnotherModule(t *testing.T) {
	i := start(t)
	client, err := filepath.Abs("../client")
	require.NoError(t, err)
	shop := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shop, "main.go"), []byte(snippet(t, "../client/README.md", "go")), 0o600))
	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = shop
		cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod", "GOWORK=off", "GOPROXY=off", "CHECK_URL=http://"+i.Addr, "CHECK_PASSWORD=correct-horse-battery")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	run("mod", "init", "shop")
	run("mod", "edit", "-replace", "fraudcheck/client="+client)
	run("get", "fraudcheck/client")
	assert.Equal(t, "allow service\n1 outcome delivered\n", run("run", "."))
	metrics, err := i.Metrics()
	require.NoError(t, err)
	assert.EqualValues(t, 1, metrics[`fraudcheck_outcomes_total{outcome="declined",reason="invalid_number"}`])
}
