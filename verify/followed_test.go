//go:build verify

package verify

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A followed page: its commands are run in their order, in one bash, and print what it says.
type followed struct {
	page    string
	folder  string            // where they run
	ports   []string          // those of the page, in place of which free ones are taken
	instead map[string]string // commands that take another form here, such as what a reader leaves running in a second terminal
	before  string            // what the page takes for granted
	again   string            // what standard error says where a busy machine is at fault
}

var (
	heredoc = regexp.MustCompile(`<<'?(\w+)'?`)
	leftOut = regexp.MustCompile(`[\w\\-]*\\\.\\\.\\\.`) // a word that a page cuts short with "...", once quoted
	// What differs from run to run, and what bash says of jobs.
	differs = regexp.MustCompile(`(clears_in_seconds|expires_in)":\d+|Retry-After: \d+` +
		`|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}|\[127\.0\.0\.1-[\w-]{6}\]|\(\d+ms\)|(request|attempt)=\w+|(?m:^\[\d+\].*\n)|\r`)
)

// commands are those of the page, with what it shows below each.
func (f followed) commands(t *testing.T) (commands, prints []string) {
	t.Helper()
	for _, b := range pageBlocks(t, f.page) {
		if b.language != "console" {
			continue
		}
		end := ""
		for _, line := range b.lines {
			command, found := strings.CutPrefix(line, "$ ")
			switch last := len(commands) - 1; {
			case found:
				commands, prints = append(commands, command), append(prints, "")
			case end != "" || strings.HasPrefix(line, "> "):
				line = strings.TrimPrefix(line, "> ")
				commands[last] += "\n" + line
			default:
				prints[last] += line + "\n"
			}
			if m := heredoc.FindStringSubmatch(line); m != nil {
				end = m[1]
			} else if line == end {
				end = ""
			}
		}
	}
	return commands, prints
}

func (f followed) follow(t *testing.T) {
	t.Helper()
	commands, prints := f.commands(t)
	require.NotEmpty(t, commands)
	script := "set -m\n" + f.before
	for n, command := range commands {
		if other, found := f.instead[command]; found {
			command = other
			delete(f.instead, commands[n])
		}
		script += fmt.Sprintf("echo @%d@\n%s\n", n, command)
	}
	require.Empty(t, f.instead, "no command of the page")
	var replace []string
	for _, port := range f.ports {
		addr, err := testbed.FreeAddr()
		require.NoError(t, err)
		_, free, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		replace = append(replace, port, free)
	}
	freePorts := strings.NewReplacer(replace...)
	nginx := filepath.Join(f.folder, "examples/checkout/nginx.conf")
	if text, err := os.ReadFile(nginx); err == nil {
		require.NoError(t, os.WriteFile(nginx, []byte(freePorts.Replace(string(text))), 0o600))
	}
	var p *testbed.Process
	for range 5 {
		require.NoError(t, os.RemoveAll(filepath.Join(f.folder, "local")))
		bash := exec.Command("bash", "-c", freePorts.Replace(script)+"echo @end@\nkill $(jobs -p)\nexit 0\n")
		bash.Dir = f.folder
		bash.Env = []string{freePorts.Replace("FRAUDCHECK_LISTEN=127.0.0.1:8080"), freePorts.Replace("FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:8081")}
		p = testbed.StartProcess(t, bash)
		<-p.Exited()
		if f.again == "" || !strings.Contains(p.Stderr.String(), f.again) {
			break
		}
	}
	printed := p.Stdout.String()
	for n, command := range commands {
		_, after, found := strings.Cut(printed, fmt.Sprintf("@%d@\n", n))
		require.True(t, found, "%s\n%s", command, p.Stderr)
		next := fmt.Sprintf("@%d@\n", n+1)
		if n+1 == len(commands) {
			next = "@end@\n"
		}
		own, _, found := strings.Cut(after, next)
		require.True(t, found, "after %s\n%s", command, p.Stderr)
		same := leftOut.ReplaceAllString(regexp.QuoteMeta(f.asShown(prints[n], freePorts)), `[^\n]*`)
		assert.Regexp(t, `\A`+same+`\z`, f.asShown(own, freePorts), "%s\n%s", command, p.Stderr)
	}
}

// asShown is a text without what differs from run to run.
func (f followed) asShown(text string, ports *strings.Replacer) string {
	return strings.TrimSpace(differs.ReplaceAllString(ports.Replace(text), ""))
}

// copyOfTree copies the files of this tree into a folder of their own.
func copyOfTree(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	copied := exec.CommandContext(t.Context(), "sh", "-c", "git ls-files -z -co --exclude-standard | tar --null -T - -c | tar -x -C "+folder)
	copied.Dir = ".."
	out, err := copied.CombinedOutput()
	require.NoError(t, err, string(out))
	return folder
}

// untilOpen waits in bash until all ports are listened on.
func untilOpen(ports ...string) string {
	return "for port in " + strings.Join(ports, " ") + "; do until (: < /dev/tcp/127.0.0.1/$port) 2> /dev/null; do sleep 0.1; done; done"
}

func TestThePageOfIntegrationCanBeFollowed(t *testing.T) {
	followed{
		page: "../docs/integrate.md", folder: copyOfTree(t), ports: []string{"8080", "8081", "8000", "9000"},
		instead: map[string]string{"sleep 1": untilOpen("8080", "8000", "9000")}, // a busy machine may need more
		again:   "not checked: timeout",                                          // a check may fail open
	}.follow(t)
}

func TestTheREADMECanBeFollowed(t *testing.T) {
	testbed.NeedMemcached(t)
	const run = "./fraudcheck --config local/fraudcheck.yaml"
	const second = run + " --listen 127.0.0.1:8180 --operator-listen 127.0.0.1:8181"
	const memcached = "memcached -u nobody -l 127.0.0.1 -p 11311 &"
	stop := "kill $PROGRAM; wait $PROGRAM\n" // Ctrl-C
	followed{
		page: "../README.md", folder: copyOfTree(t), ports: []string{"8080", "8081", "8180", "8181", "11311"},
		instead: map[string]string{
			"go run ./cmd/fraudcheck":                             testbed.Program(t) + " > made & PROGRAM=$!; " + untilOpen("8080", "8081") + "; sed -E 's/[A-Z2-7]{26}/QSHTRNPLQ6YYN5TYOSHYFODN5O/' made",
			"export CALLER=fraudcheck:QSHTRNPLQ6YYN5TYOSHYFODN5O": "export CALLER=fraudcheck:$(sed -n 's/^  password  //p' made)",
			run:       stop + run + " & PROGRAM=$!; " + untilOpen("8080", "8081"),
			memcached: stop + memcached + " " + untilOpen("11311"),
			second:    second + " & " + untilOpen("8080", "8081", "8180", "8181"),
		},
	}.follow(t)
}

func TestThePageOfAuthenticationCanBeFollowed(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Symlink(testbed.Program(t), filepath.Join(folder, "fraudcheck")))
	client := []byte(snippet(t, "../docs/signing.md", "python"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "signed.py"), client, 0o600))
	const serve = "serve() { kill $! 2>/dev/null; wait; fraudcheck --config $1 2> log & "
	followed{
		page: "../docs/authentication.md", folder: folder, ports: []string{"8080", "8081"},
		before: "exec 2>&1; PATH=$PWD:$PATH\n", // the page shows what both say
		instead: map[string]string{
			serve + "sleep 1; }": serve + untilOpen("8080", "8081") + "; }",
			"tail -3 log":        "until grep -q 401 log; do sleep 0.1; done; tail -3 log",
		},
	}.follow(t)
}
