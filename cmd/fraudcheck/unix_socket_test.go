package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/listener"
)

// startAtSocket starts the program at a unix socket of its own, with flags behind those
// that say so.
func startAtSocket(t *testing.T, config string, args ...string) (p *program, socket string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "sock") // short: see listener.MaxUnixPath
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket = filepath.Join(folder, "check.sock")
	return relaunch(t, config, socket, args...), socket
}

// relaunch starts a program at that socket.
func relaunch(t *testing.T, config, socket string, args ...string) *program {
	t.Helper()
	p := launch(t, config, append(args, "--listen", "unix:"+socket)...)
	p.dial(socket)
	p.await(t, p.stderr, `Listening on unix:`+socket+` \(store`)
	p.operators = p.await(t, p.stderr, `Operators on (127\.0\.0\.1:\d+)["\n]`)[1]
	return p
}

// dial makes the program's client connect to the socket.
func (p *program) dial(socket string) {
	p.addr = "localhost"
	p.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
}

func TestProgramAnswersAtAUnixSocketAndRemovesItAtTheStop(t *testing.T) {
	t.Parallel()
	p, socket := startAtSocket(t, guarded)
	info, err := os.Lstat(socket)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSocket|0o660, info.Mode())
	for n, want := range []string{"allow", "allow", "allow", "review", "review", "block"} {
		assert.Equal(t, want, p.decide(t, "203.0.113.7", fmt.Sprintf("%04d", n)))
	}
	p.await(t, p.stderr, `INFO +\[unix-[A-Za-z0-9_-]{6}\] +Response: 200 block `)
	p.client.CloseIdleConnections()
	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Zero(t, code)
	assert.NoFileExists(t, socket)
}

func TestAStopAtAUnixSocketLosesNoCall(t *testing.T) {
	t.Parallel()
	p, _ := startAtSocket(t, guarded+loadedDrain)
	var answered, refused atomic.Int64
	var calling sync.WaitGroup
	for caller := range 4 {
		calling.Go(func() {
			pace := time.NewTicker(drainPace)
			defer pace.Stop()
			for n := 0; ; n++ {
				<-pace.C
				a, err := p.try(p.addr, "POST", "/v1/check", attempt("203.0.113.7", fmt.Sprintf("%04d", n%10_000)), "Connection", "close")
				switch {
				case err == nil && a.status == http.StatusOK:
					if answered.Add(1); caller == 0 && n == 50 {
						assert.NoError(t, p.Signal(syscall.SIGTERM))
					}
				case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
					refused.Add(1)
					return
				default:
					assert.NoError(t, err)
					assert.Equal(t, http.StatusOK, a.status, a.body)
					return
				}
			}
		})
	}
	calling.Wait()
	assert.EqualValues(t, 4, refused.Load(), "each was answered until it was refused")
	code, _ := p.exitCode(t)
	assert.Zero(t, code)
}

func TestAUnixSocketIsTakenOverFromTheDeadAlone(t *testing.T) {
	p, socket := startAtSocket(t, guarded)
	second := launch(t, guarded, "--listen", "unix:"+socket)
	code, _ := second.exitCode(t)
	assert.Equal(t, 1, code)
	assert.Equal(t, "fraudcheck: --listen: listen: address already in use\n", second.stderr.String())
	assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"), "the first goes on")

	p.Kill()
	assert.FileExists(t, socket)
	p = relaunch(t, guarded, socket)
	assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))

	// A start that fails later leaves no socket.
	other := socket + "2"
	last := launch(t, guarded+"log: {path: "+writeFile(t, "a-file", "")+"/log}", "--listen", "unix:"+other)
	code, _ = last.exitCode(t)
	assert.Equal(t, 1, code)
	assert.NoFileExists(t, other)
}

func TestWhoMayAskOverAUnixSocket(t *testing.T) {
	const proxied = "X-Forwarded-For"
	for _, tt := range []struct {
		name, networks, header string
		status                 int
	}{
		{"anybody who can connect", "", "", 200},
		{"nobody once there is a list", "networks: [0.0.0.0/0, '::/0']", "", 403},
		{"nor where the list only excludes", "networks: ['!203.0.113.0/24']", "", 403},
		{"whatever a proxy says", "networks: [198.51.100.0/24]", "198.51.100.7", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := strings.Replace(guarded, "  basic:", "  "+tt.networks+"\n  basic:", 1) + "trusted_proxies: [0.0.0.0/0, '::/0', 127.0.0.1]\n"
			p, _ := startAtSocket(t, config)
			a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), proxied, tt.header)
			assert.Equal(t, tt.status, a.status, a.body)
			assert.Equal(t, tt.status == 403, strings.Contains(a.body, "a caller over a unix socket has no IP address"), "it says why")
		})
	}
}

func TestTheCommandToTryNamesTheSocket(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl to paste the command to")
	}
	p, _ := startAtSocket(t, "")
	curl := p.await(t, p.stdout, `(?s)\n  (curl --unix-socket .*/v1/check)\n\n`)[1]
	pasted, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output()
	require.NoError(t, err)
	assert.Contains(t, string(pasted), `"decision":"allow"`)
}

func TestAUnixSocketsPathFollowsTheRuleOfFileNames(t *testing.T) {
	const names = listener.MaxUnixPath - len("unix:")
	file := writeFile(t, "fraudcheck.yaml", guarded+"#")
	setListen := func(to string) {
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(guarded, "127.0.0.1:0", to, 1)), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(filepath.Dir(file), "run"), 0o700))
	t.Chdir(filepath.Dir(file))
	setListen("unix:run/check.sock")
	out, _, code := configCheck(t, "--config", file)
	require.Zero(t, code)
	assert.Contains(t, out, "listen: unix:"+filepath.Join(filepath.Dir(file), "run/check.sock")+"\n", "relative to the file")
	out, _, code = configCheck(t, "--config", file, "--listen", "unix:run/check.sock")
	require.Zero(t, code)
	assert.Contains(t, out, "listen: unix:run/check.sock\n", "relative to the current folder")
	assert.NotContains(t, out, "warning: listen is not on loopback")

	for _, wrong := range []string{"unix:", "unix:@abstract", "unix:/" + strings.Repeat("x", listener.MaxUnixPath), "unix:/a\tb"} {
		_, err, code := configCheck(t, "--listen", wrong)
		assert.Equal(t, 1, code)
		assert.Contains(t, err, "--listen: listen: wrong value; expected unix: and the path of a socket, at most 107 bytes with its folder")
	}
	_, err, code := configCheck(t, "--listen", "unix:/tmp/"+strings.Repeat("x", listener.MaxUnixPath-len("/tmp/")))
	assert.Zero(t, code, err)
	setListen("unix:" + strings.Repeat("x", names))
	_, err, code = configCheck(t, "--config", file)
	assert.Equal(t, 1, code, "the folder makes it too long")
	assert.Contains(t, err, "fraudcheck.yaml:2: listen: wrong value; expected unix: and the path")
	_, err, code = configCheck(t, "--operator-listen", "unix:/run/operators.sock")
	assert.Equal(t, 1, code)
	assert.Contains(t, err, "--operator-listen: operator_listen: wrong value; expected host:port, such as 127.0.0.1:8081; a unix socket is for listen alone")
}

// Every user of the group may open the socket, and speak plain HTTP to it.
func TestPlainHTTPAtAUnixSocketThatSpeaksTLSEndsNothing(t *testing.T) {
	config, _ := withTLS(t, newIdentity(t, "first", tomorrow()))
	p, socket := startAtSocket(t, config)
	for range 2 {
		c, err := net.Dial("unix", socket)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(prompt)))
		_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		said, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Contains(t, string(said), "This port speaks TLS")
	}
	p.await(t, p.stderr, `WARNING .*TLS: a handshake failed callers plain_text unix `)
}
