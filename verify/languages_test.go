//go:build verify

package verify

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func init() {
	shops["Node"] = processShop("node", "clients/shop.mjs")
	shops["Python"] = processShop("python3", "-B", "clients/shop.py")
	shops["PHP"] = processShop("php", "-d", "zend.exception_ignore_args=0", "clients/shop.php")
}

// The pages of the clients, followed to the letter in a folder of their own.
func TestTheClientsPagesWork(t *testing.T) {
	for _, c := range []struct{ folder, file, language, before, run string }{
		{"node", "fraudcheck.mjs", "js", "", "node shop.mjs"},
		{"python", "fraudcheck.py", "python", "", "python3 -B shop.py"},
		{"php", "fraudcheck.php", "php", "<?php\n", "php shop.php"},
	} {
		t.Run(c.folder, func(t *testing.T) {
			i := start(t)
			shop := t.TempDir()
			client, err := os.ReadFile(filepath.Join("../client", c.folder, c.file))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(shop, c.file), client, 0o600))
			command := strings.Fields(c.run)
			text := c.before + snippet(t, filepath.Join("../client", c.folder, "README.md"), c.language)
			require.NoError(t, os.WriteFile(filepath.Join(shop, command[len(command)-1]), []byte(text), 0o600))
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Dir = shop
			cmd.Env = append(os.Environ(), "CHECK_URL=http://"+i.Addr, "CHECK_PASSWORD=correct-horse-battery")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			said, _, _ := strings.Cut(string(out), "1 outcome delivered\n") // PHP delivers after its last word
			assert.Equal(t, "allow service\n", said)
			metrics, err := i.Metrics()
			require.NoError(t, err)
			assert.EqualValues(t, 1, metrics[`fraudcheck_outcomes_total{outcome="declined",reason="invalid_number"}`])
		})
	}
}

// processShop is a shop in another language: a process that reads commands, a line each,
// and writes a line for each answer.
func processShop(name string, args ...string) func(t *testing.T) shop {
	return func(t *testing.T) shop {
		_, err := exec.LookPath(name)
		require.NoError(t, err, "make verify needs it")
		cmd := exec.Command(name, args...)
		// Pipes of our own: those of exec are closed as the process is waited for.
		inRead, in := io.Pipe()
		outRead, outWrite := io.Pipe()
		cmd.Stdin, cmd.Stdout = inRead, outWrite
		p := testbed.StartProcess(t, cmd)
		t.Cleanup(func() { _ = in.Close() })
		go func() {
			<-p.Exited()
			_ = outWrite.Close()
		}()
		out := bufio.NewReader(outRead)
		return func(t *testing.T, c command) (a answer) {
			t.Helper()
			require.NoError(t, json.NewEncoder(in).Encode(c))
			line, err := out.ReadBytes('\n')
			require.NoError(t, err, "%s %s", p.LastLines(), p.Stderr)
			require.NoError(t, json.Unmarshal(line, &a), string(line))
			return a
		}
	}
}
