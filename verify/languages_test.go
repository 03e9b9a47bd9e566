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

	"fraudcheck/client/fraudchecktest"
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

// A shop whose PHP lacks curl hears of it as it makes the client, in words.
func TestThePHPClientSaysThatCurlIsMissing(t *testing.T) {
	without := "if (extension_loaded('curl')) exit('built in'); require '../client/php/fraudcheck.php'; new Fraudcheck\\Client('http://127.0.0.1:8080');"
	out, err := exec.CommandContext(t.Context(), "php", "-n", "-d", "display_errors=stderr", "-r", without).CombinedOutput()
	if string(out) == "built in" {
		t.Skip("curl is built into this PHP")
	}
	require.Error(t, err)
	assert.Contains(t, string(out), "fraudcheck: PHP's curl extension is missing; on Debian: apt-get install php-curl")
}

// Servers such as gunicorn make the client and then fork their workers.
func TestThePythonClientWorksAcrossForkAndThreads(t *testing.T) {
	i := startCounting(t, "127.0.0.1:0")
	out := run(t, "python3", "-B", "clients/fork.py", "http://"+i.Addr, "correct-horse-battery")
	assert.Equal(t, "425\n", out)
	assert.Equal(t, map[string]int{"cards": 425, "attempts": 425, "declined": 5}, counts(t, i, "203.0.113.7"))
}

// PHP has no background: outcomes are delivered once the page has been sent, and what
// cannot be is handed back.
func TestThePHPClientDeliversAfterThePage(t *testing.T) {
	page := func(s *fraudchecktest.Server) string {
		return run(t, "php", "clients/page.php", s.URL, "correct-horse-battery")
	}
	s := fraudchecktest.New()
	defer s.Close()
	out := page(s)
	assert.NotContains(t, out, "correct-horse")
	assert.NotContains(t, out, "203.0.113")
	_, end, _ := strings.Cut(out, "page\n")
	assert.Equal(t, "somebody else's end\npage sent\n", end)
	assert.Len(t, s.Requests(), 2)
	s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Status: 503})
	_, end, _ = strings.Cut(page(s), "page\n")
	assert.Equal(t, "somebody else's end\npage sent\nundelivered order-2 with its time\n", end)
	assert.Len(t, s.Requests(), 4)
}

// processShop is a shop in another language: a process that reads commands, a line each,
// and writes a line for each answer.
func processShop(name string, args ...string) func(t *testing.T) shop {
	return func(t *testing.T) shop {
		_, err := exec.LookPath(name)
		require.NoError(t, err, "make verify needs it")
		cmd := exec.Command(name, args...)
		// Pipes of our own: those of exec are closed as the process is waited for.
		// That of the input is the kernel's, which tells when the process has ended.
		inRead, in, err := os.Pipe()
		require.NoError(t, err)
		outRead, outWrite := io.Pipe()
		cmd.Stdin, cmd.Stdout = inRead, outWrite
		p := testbed.StartProcess(t, cmd)
		require.NoError(t, inRead.Close())
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
