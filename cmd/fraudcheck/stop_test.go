package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A call is a request on a connection of its own, sent by and by.
type call struct {
	conn net.Conn
	rest string
}

// begin sends all but the last half of the body.
func begin(t *testing.T, p *program) *call {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // the other side may have been first
	require.NoError(t, conn.SetDeadline(time.Now().Add(prompt)))
	body := attempt("203.0.113.7", "4242")
	half := len(body) / 2
	_, err = fmt.Fprintf(conn, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		p.addr, basic("checkout", password), len(body), body[:half])
	require.NoError(t, err)
	return &call{conn, body[half:]}
}

func (c *call) finish(t *testing.T) answer {
	t.Helper()
	_, err := c.conn.Write([]byte(c.rest))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
	require.NoError(t, err)
	return readAnswer(t, response)
}

// deaf waits until nobody listens any more.
func (p *program) deaf(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, prompt, 5*time.Millisecond)
}

func TestStopWhileIdleIsQuickAndClean(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, kept := range []bool{false, true} {
			p := start(t, guarded+"drain: 1h")
			require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
			if !kept {
				p.client.CloseIdleConnections()
			}
			p.signal(t, sig)
			code, took := p.exitCode(t)
			assert.Equal(t, 0, code)
			assert.Less(t, took, 2*time.Second, "%s, a connection kept open: %t", sig, kept)
			assert.Regexp(t, "Stopping .*"+sig.String(), p.stderr.String())
			assert.Contains(t, p.stderr.String(), "Stopped (1 record let go, 0 of others ")
		}
	}
}

func TestStopAnswersTheRequestInFlight(t *testing.T) {
	p := start(t, guarded)
	early, late := begin(t, p), begin(t, p)
	p.signal(t, syscall.SIGTERM)
	p.await(t, p.stderr, "Stopping .*terminated")
	for _, c := range []*call{early, late} {
		a := c.finish(t)
		assert.Equal(t, http.StatusOK, a.status, a.body)
		assert.Equal(t, "allow", a.Decision)
		assert.Equal(t, "close", a.header.Get("Connection"))
		if c == early {
			p.deaf(t) // the other comes when no further ones are taken
		}
	}
	code, took := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.Less(t, took, 2*time.Second, "with the last answer, not with the bound")
}

// The second request of a connection is owed an answer as the first is.
func TestStopAnswersTheRequestInFlightOnAUsedConnection(t *testing.T) {
	p := start(t, guarded)
	c := begin(t, p)
	assert.Equal(t, http.StatusOK, c.finish(t).status)
	again := begin(t, p)
	body := attempt("203.0.113.7", "4242")
	_, err := fmt.Fprintf(c.conn, "POST /v1/check HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", basic("checkout", password), len(body))
	require.NoError(t, err)
	c.rest = body
	assert.Equal(t, http.StatusOK, again.finish(t).status) // by now the header has been read, too
	p.signal(t, syscall.SIGTERM)
	p.deaf(t)
	assert.Equal(t, http.StatusOK, c.finish(t).status)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
}

func TestStopWaitsForWhatNeverFinishesNoLongerThanConfigured(t *testing.T) {
	p := start(t, guarded+"drain: 200ms")
	begin(t, p)
	p.signal(t, syscall.SIGTERM)
	code, took := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.GreaterOrEqual(t, took, 150*time.Millisecond)
	assert.Less(t, took, 2*time.Second)
	assert.Contains(t, p.stderr.String(), "Stopped (")
}

func TestStopEndsAtOnceAtASecondSignal(t *testing.T) {
	for _, second := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, guarded+"drain: 1h\nlimits: {read: 1h}")
		begin(t, p)
		p.signal(t, syscall.SIGTERM)
		p.await(t, p.stderr, "Stopping .*terminated")
		p.signal(t, second)
		code, took := p.exitCode(t)
		assert.Equal(t, 1, code)
		assert.Less(t, took, 2*time.Second)
		assert.Regexp(t, `(?m)^fraudcheck: stopped by a second signal`, p.stderr.String())
		assert.NotContains(t, p.stderr.String(), "Stopped (", "that would be the clean way")
	}
}
