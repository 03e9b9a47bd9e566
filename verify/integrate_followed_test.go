//go:build verify

package verify

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// The commands of docs/integrate.md are run in their order, in a copy of this tree, and
// print what the page says. Only the ports are others, as those may be in use.
func TestThePageOfIntegrationCanBeFollowed(t *testing.T) {
	folder := t.TempDir()
	copied := exec.CommandContext(t.Context(), "sh", "-c", "git ls-files -z -co --exclude-standard | tar --null -T - -c | tar -x -C "+folder)
	copied.Dir = ".."
	out, err := copied.CombinedOutput()
	require.NoError(t, err, string(out))

	ports := map[string]string{}
	var replace []string
	for _, port := range []string{"8080", "8081", "8000", "9000"} {
		addr, err := testbed.FreeAddr()
		require.NoError(t, err)
		_, ports[port], err = net.SplitHostPort(addr)
		require.NoError(t, err)
		replace = append(replace, ":"+port, ":"+ports[port])
	}
	// Where the page waits a second, for shop and proxy to start, a busy machine may need more.
	replace = append(replace, "\nsleep 1\n", fmt.Sprintf("\nfor port in %s %s %s; do until (: < /dev/tcp/127.0.0.1/$port) 2> /dev/null; do sleep 0.1; done; done\n", ports["8080"], ports["8000"], ports["9000"]))
	freePorts := strings.NewReplacer(replace...)
	nginx := filepath.Join(folder, "examples/checkout/nginx.conf")
	text, err := os.ReadFile(nginx)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(nginx, []byte(freePorts.Replace(string(text))), 0o600))

	script := "set -m\n"
	var commands, prints []string
	for _, b := range integratePage(t) {
		if b.language != "console" {
			continue
		}
		for _, line := range b.lines {
			if command, found := strings.CutPrefix(line, "$ "); found {
				script += fmt.Sprintf("echo @%d@\n%s\n", len(commands), command)
				commands, prints = append(commands, command), append(prints, "")
			} else if more, found := strings.CutPrefix(line, "> "); found {
				script += more + "\n"
			} else {
				prints[len(prints)-1] += line + "\n"
			}
		}
	}
	var p *testbed.Process
	for range 5 { // on a busy machine a check may fail open
		require.NoError(t, os.RemoveAll(filepath.Join(folder, "local")))
		bash := exec.Command("bash", "-c", freePorts.Replace(script))
		bash.Dir = folder
		bash.Env = []string{"FRAUDCHECK_LISTEN=127.0.0.1:" + ports["8080"], "FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:" + ports["8081"]}
		p = testbed.StartProcess(t, bash)
		<-p.Exited()
		if !strings.Contains(p.Stderr.String(), "not checked: timeout") {
			break
		}
	}
	printed := p.Stdout.String()
	for n := range commands {
		_, after, found := strings.Cut(printed, fmt.Sprintf("@%d@\n", n))
		require.True(t, found, "%s\n%s", commands[n], p.Stderr)
		own, _, _ := strings.Cut(after, fmt.Sprintf("@%d@\n", n+1))
		assert.Equal(t, prints[n], own, "%s\n%s", commands[n], p.Stderr)
	}
}
