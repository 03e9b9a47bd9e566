package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A notifySocket hears what a service manager would.
type notifySocket struct {
	*net.UnixConn
	path string
}

func newNotifySocket(t *testing.T) *notifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &notifySocket{conn, path}
}

// next returns the next message, each assignment by its name; nil when none comes in time.
func (n *notifySocket) next(t *testing.T, within time.Duration) map[string]string {
	t.Helper()
	require.NoError(t, n.SetReadDeadline(time.Now().Add(within)))
	buffer := make([]byte, 4096)
	size, err := n.Read(buffer)
	if err != nil {
		require.ErrorContains(t, err, "timeout")
		return nil
	}
	said := map[string]string{}
	for line := range strings.SplitSeq(string(buffer[:size]), "\n") {
		name, value, found := strings.Cut(line, "=")
		require.True(t, found, line)
		said[name] = value
	}
	return said
}

// skip returns the next message that is not from the watchdog.
func (n *notifySocket) skip(t *testing.T) map[string]string {
	t.Helper()
	for {
		said := n.next(t, prompt)
		if require.NotNil(t, said, "no message"); said["WATCHDOG"] == "" {
			return said
		}
	}
}

func TestTheServiceManagerIsToldOfEachStep(t *testing.T) {
	t.Parallel()
	n := newNotifySocket(t)
	certain := guarded + "drain_delay: 200ms\ndrain: 3s\n"
	file := writeFile(t, "fraudcheck.yaml", certain)
	cmd := exec.Command(testbed.Program(t), "--config", file)
	cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0", "NOTIFY_SOCKET=" + n.path, "WATCHDOG_USEC=400000"}
	p := &reloading{launchCommand(t, cmd), t, file}

	require.Equal(t, map[string]string{"READY": "1"}, n.next(t, prompt))
	p.awaitPorts(t)
	for _, port := range []string{p.addr, p.operators} {
		a, err := p.try(port, "GET", "/readyz", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.status, "it was told to be ready")
	}
	require.Equal(t, map[string]string{"WATCHDOG": "1"}, n.next(t, prompt))

	began := map[bool]string{}
	for _, good := range []bool{true, false} {
		p.replace(map[bool]string{true: certain + rules("4"), false: "lisen: 1\n"}[good])
		// One change may be noticed twice, by the signal and by the watch of the file.
		for answered := false; !answered; {
			said := n.skip(t)
			require.Equal(t, "1", said["RELOADING"], said)
			began[good] = said["MONOTONIC_USEC"]
			said = n.skip(t)
			require.Equal(t, "1", said["READY"], said)
			answered = good == (said["STATUS"] == "Configuration reloaded")
		}
	}
	assert.Regexp(t, `^[1-9]\d*$`, began[true])
	assert.NotEqual(t, began[true], began[false], "each reload has a time of its own")

	p.signal(t, syscall.SIGTERM)
	said := n.skip(t)
	for said["RELOADING"] != "" || said["READY"] != "" {
		said = n.skip(t)
	}
	assert.Equal(t, map[string]string{"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "63200000", "STATUS": "Stopping"}, said)
	require.NotNil(t, n.next(t, prompt), "the watchdog hears of a process that drains")
	code, _ := p.exitCode(t)
	assert.Zero(t, code, p.stderr)
}

// The watchdog hears of answers, not of a timer.
func TestTheWatchdogHearsOnlyOfPortsThatAnswer(t *testing.T) {
	n := newNotifySocket(t)
	t.Setenv("NOTIFY_SOCKET", n.path)
	asked, answers := make(chan struct{}), make(chan error)
	m := &manager{log: slog.New(slog.DiscardHandler), watchdog: 4 * time.Millisecond, alive: func(context.Context) error {
		asked <- struct{}{}
		return <-answers
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() { m.run(ctx); close(ended) }()
	answer := func(err error) { <-asked; answers <- err }

	refused := errors.New("refused")
	answer(refused)
	answer(refused)
	<-asked // what the answer before led to has been said
	assert.Nil(t, n.next(t, time.Millisecond), "a port does not answer: it is not ready")
	answers <- nil
	assert.Equal(t, map[string]string{"READY": "1"}, n.next(t, prompt))
	answer(nil)
	assert.Equal(t, map[string]string{"WATCHDOG": "1"}, n.next(t, prompt))
	for range 3 {
		answer(refused)
	}
	<-asked
	assert.Nil(t, n.next(t, time.Millisecond), "a port did not answer")
	answers <- nil
	assert.Equal(t, map[string]string{"WATCHDOG": "1"}, n.next(t, prompt))

	go func() { // questions may be under way
		for {
			select {
			case <-asked:
				answers <- refused
			case <-ended:
				return
			}
		}
	}()
	m.tellStopping(time.Second, time.Second)
	assert.Equal(t, "62000000", n.skip(t)["EXTEND_TIMEOUT_USEC"])
	m.reloading()(true)
	assert.Equal(t, map[string]string{"WATCHDOG": "1"}, n.next(t, prompt), "a reload says nothing while it stops")
	cancel()
	<-ended
}

// Both ports have to answer, on a unix socket and with TLS too.
func TestAPortThatDoesNotAnswerIsNotAlive(t *testing.T) {
	answering := func(status int) net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "/healthz", r.URL.Path)
			w.WriteHeader(status)
		})}
		go func() { _ = server.Serve(ln) }()
		t.Cleanup(func() { _ = server.Close() })
		return ln
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	good, bad := answering(http.StatusOK), answering(http.StatusInternalServerError)
	for _, c := range []struct {
		callers, operators net.Listener
		alive              bool
	}{{good, good, true}, {good, bad, false}, {bad, good, false}, {good, silent, false}, {silent, good, false}} {
		s := &service{policy: &policy{}, callersListen: c.callers, operatorsListen: c.operators}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if c.alive {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), prompt)
		}
		err := s.alive(ctx)
		cancel()
		assert.Equal(t, c.alive, err == nil, fmt.Sprint(err))
	}
}
