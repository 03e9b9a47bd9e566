package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// Two that wrote into one file would number and rename each other's lines.
func TestASecondInstanceIsRefusedTheLogsOfAnother(t *testing.T) {
	t.Parallel()
	for _, log := range []string{"log", "decision_log"} {
		folder := t.TempDir()
		config := guarded + "drain: 50ms\n" + log + ": {path: " + folder + "}\n"
		start(t, config)
		second := launch(t, config)
		code, _ := second.exitCode(t)
		assert.Equal(t, 1, code)
		assert.Regexp(t, `fraudcheck\.yaml:\d+: `+log+`\.path: another instance writes to this folder, and each needs one of its own\n$`, second.stderr.String())
	}
	folder := t.TempDir()
	p := start(t, guarded+"log: {path: "+folder+"}\ndecision_log: {path: "+folder+"}\n")
	p.Kill()
	<-p.Exited()
	start(t, guarded+"log: {path: "+folder+"}\ndecision_log: {path: "+folder+"}\n") // what a kill leaves keeps nobody out
}

// The ports of one that stops are free before its last line is written.
func TestAStartWaitsForTheLogsOfAnInstanceThatIsStopping(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	config := guarded + longDrain + "log: {path: " + folder + "}\ndecision_log: {path: " + folder + "}\n"
	p := start(t, config)
	p.decide(t, "203.0.113.7", "4242")
	last := begin(t, p)
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.awaitClosed(t)

	addr, err := testbed.FreeAddr()
	require.NoError(t, err)
	next := launch(t, config, "--listen", addr)
	var conn net.Conn
	require.Eventually(t, func() bool {
		conn, err = net.Dial("tcp", addr)
		return err == nil
	}, prompt, 5*time.Millisecond)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "it has its port, and waits")
	assert.Equal(t, 200, last.finish(t).status)
	next.awaitPorts(t)
	next.decide(t, "203.0.113.7", "4242")
	lines := awaitDecisions(t, folder, 4)
	for n, kind := range []string{"check", "check", "gap", "check"} {
		assert.Equal(t, kind, lines[n].Kind)
		assert.EqualValues(t, n+1, lines[n].Seq)
	}
	text, err := os.ReadFile(filepath.Join(folder, "log"))
	require.NoError(t, err)
	before, after, _ := strings.Cut(string(text), " Stopped ")
	assert.Equal(t, 1, strings.Count(before, " Listening on "))
	assert.Equal(t, 1, strings.Count(after, " Listening on "))
}
