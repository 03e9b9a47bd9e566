package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/testbed"
)

// longDrain makes a stop that waits for its bound fail exitCode.
const longDrain = "drain: 1h\n"

// A drain under load lasts to its end: callers that call at drainPace keep it from ending
// before. Of loadedDrain half a second is left for the last requests,
// listener.LastRequests, which a busy machine needs.
const (
	loadedDrain = "drain: 2s\n"
	drainPace   = 20 * time.Millisecond
)

// A call is a request on a connection of its own, sent in two parts.
type call struct {
	conn net.Conn
	rest string
}

// begin sends all but the last half of the body, on a connection of its own.
func begin(t *testing.T, p *program) *call {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // the other side may have been first
	require.NoError(t, conn.SetDeadline(time.Now().Add(prompt)))
	c := &call{conn: conn}
	c.again(t, p)
	return c
}

// again begins one more request on the connection.
func (c *call) again(t *testing.T, p *program) {
	t.Helper()
	body := attempt("203.0.113.7", "4242")
	half := len(body) / 2
	_, err := fmt.Fprintf(c.conn, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		p.addr, basic("checkout", password), len(body), body[:half])
	require.NoError(t, err)
	c.rest = body[half:]
}

// awaitAccepted waits until the program has accepted all connections so far: it accepts
// them in turn, and this one is the last.
func (p *program) awaitAccepted(t *testing.T) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: prompt}
	response, err := client.Get("http://" + p.addr + "/healthz")
	require.NoError(t, err)
	a, err := readAnswer(response)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status)
}

func (c *call) finish(t *testing.T) answer {
	t.Helper()
	_, err := c.conn.Write([]byte(c.rest))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
	require.NoError(t, err)
	a, err := readAnswer(response)
	require.NoError(t, err)
	return a
}

// awaitClosed waits until the callers' port refuses connections.
func (p *program) awaitClosed(t *testing.T) {
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
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, kept := range []bool{false, true} {
			p := start(t, guarded+longDrain)
			require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
			if !kept {
				p.client.CloseIdleConnections()
			}
			p.signal(t, sig)
			code, _ := p.exitCode(t)
			assert.Equal(t, 0, code, "%s, a connection kept open: %t", sig, kept)
			assert.Regexp(t, "Stopping .*"+sig.String(), p.stderr.String())
			assert.Contains(t, p.stderr.String(), "Stopped (1 record in memory, 0 forgotten ")
		}
	}
}

func TestStopAnswersTheRequestInFlight(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+longDrain)
	early, late, used := begin(t, p), begin(t, p), begin(t, p)
	assert.Equal(t, http.StatusOK, used.finish(t).status)
	used.again(t, p)
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.await(t, p.stderr, "Stopping .*terminated")
	for _, c := range []*call{early, late, used} {
		a := c.finish(t)
		assert.Equal(t, http.StatusOK, a.status, a.body)
		assert.Equal(t, "allow", a.Decision)
		assert.True(t, a.last, "the caller is asked to close")
		if c == early {
			p.awaitClosed(t) // the others come when no further ones are taken
		}
	}
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
}

// Who was connected before the signal does not know of it, even if the program
// had no time yet to take the connection.
func TestStopAnswersConnectionsOfBefore(t *testing.T) {
	testbed.SkipShort(t, "starts and stops the program five times")
	for range 5 {
		p := start(t, guarded)
		p.signal(t, syscall.SIGSTOP)
		c := begin(t, p)
		p.signal(t, syscall.SIGTERM)
		p.signal(t, syscall.SIGCONT)
		p.await(t, p.stderr, "Stopping .*terminated")
		assert.Equal(t, http.StatusOK, c.finish(t).status)
		code, _ := p.exitCode(t)
		assert.Equal(t, 0, code)
	}
}

// The operators' door is the last to close.
func TestStopCanBeWatched(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+longDrain)
	c := begin(t, p)
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.await(t, p.stderr, "Stopping .*terminated")
	p.awaitClosed(t)
	for path, status := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 503} {
		a, err := p.try(p.operators, "GET", path, "")
		require.NoError(t, err)
		assert.Equal(t, status, a.status, path)
	}
	assert.Equal(t, http.StatusOK, c.finish(t).status)
	code, _ := p.exitCode(t)
	assert.Equal(t, 0, code)
}

// A connection on which nothing was asked is nothing in flight.
func TestStopDoesNotWaitForConnectionsWithoutRequest(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"callers", "operators"} {
		p := start(t, guarded+longDrain)
		conn, err := net.Dial("tcp", map[string]string{"callers": p.addr, "operators": p.operators}[door])
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		p.awaitAccepted(t)
		_, err = p.try(p.operators, "GET", "/healthz", "", "Connection", "close")
		require.NoError(t, err)
		p.signal(t, syscall.SIGTERM)
		code, _ := p.exitCode(t)
		assert.Equal(t, 0, code, door)
	}
}

func TestStopWaitsForADrainAtMost(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+"drain: 1s") // closing alone takes half a second
	begin(t, p)
	p.awaitAccepted(t)
	since := time.Now()
	p.signal(t, syscall.SIGTERM)
	code, took := p.exitCode(t)
	assert.Equal(t, 0, code)
	assert.GreaterOrEqual(t, time.Since(since), time.Second)
	assert.Less(t, took, 5*time.Second, "the default")
	assert.Contains(t, p.stderr.String(), "Stopped (")
}

func TestStopEndsAtOnceAtASecondSignal(t *testing.T) {
	for _, second := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, guarded+longDrain+"limits: {read: 1h}")
		begin(t, p)
		p.awaitAccepted(t)
		p.signal(t, syscall.SIGTERM)
		p.await(t, p.stderr, "Stopping .*terminated")
		p.signalAgain(t, second)
		code, _ := p.exitCode(t)
		assert.Equal(t, 1, code)
		assert.Regexp(t, `(?m)^fraudcheck: stopped by a further signal, with requests in flight$`, p.stderr.String())
		assert.NotContains(t, p.stderr.String(), "Stopped (", "that would be the clean way")
	}
}

// As behind a load balancer, which sends calls on new connections until it has noticed
// that the instance is not ready.
func TestStopGoesOnAnsweringForTheDrainDelay(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+"drain_delay: 2s\ndrain: 1h")
	p.client.Transport = &http.Transport{DisableKeepAlives: true}
	kept := begin(t, p)
	assert.Equal(t, http.StatusOK, kept.finish(t).status)
	p.signal(t, syscall.SIGTERM)
	since := time.Now()
	p.await(t, p.stderr, `Unready \(terminated\), answering for another 2s; a second signal begins the drain at once`)
	for _, port := range []string{p.addr, p.operators} {
		a, err := p.try(port, "GET", "/readyz", "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, a.status)
	}
	answered := 0
	for time.Since(since) < 300*time.Millisecond {
		require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
		answered++
	}
	assert.Greater(t, answered, 1)
	kept.again(t, p)
	assert.False(t, kept.finish(t).last, "connections are kept until the drain")
	assert.NotContains(t, p.stderr.String(), "Stopping ")

	code, _ := p.exitCode(t)
	assert.Zero(t, code)
	assert.Contains(t, p.stderr.String(), "Stopped (1 record in memory")
}

func TestASecondSignalBeginsTheDrainAndAThirdEndsIt(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+"drain_delay: 1h\ndrain: 1h\nlimits: {read: 1h}")
	c := begin(t, p)
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.await(t, p.stderr, `Unready `)
	require.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"))
	p.signalAgain(t, syscall.SIGINT)
	p.await(t, p.stderr, `Stopping \(interrupt, within 1h0m0s\)`)
	p.awaitClosed(t)
	assert.True(t, c.finish(t).last)
	begunLate := start(t, guarded+"drain_delay: 1h\ndrain: 1h\nlimits: {read: 1h}")
	begin(t, begunLate)
	begunLate.awaitAccepted(t)
	for _, says := range []string{`Unready `, `Stopping `, `stopped by a further signal`} {
		begunLate.signalAgain(t, syscall.SIGTERM)
		begunLate.await(t, begunLate.stderr, says)
	}
	code, _ := begunLate.exitCode(t)
	assert.Equal(t, 1, code)
	code, _ = p.exitCode(t)
	assert.Zero(t, code)
}

func TestASignalSoonAfterAnotherIsTheSameOne(t *testing.T) {
	t.Parallel()
	var r repeats
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		after  time.Duration
		repeat bool
	}{{0, false}, {2 * time.Millisecond, true}, {97 * time.Millisecond, true}, {time.Millisecond, false}, {60 * time.Millisecond, true}, {60 * time.Millisecond, false}, {time.Hour, false}, {0, true}} {
		at = at.Add(c.after)
		assert.Equal(t, c.repeat, r.isRepeat(at), "signal %d", i)
	}
}

func TestWhatAFurtherSignalEnds(t *testing.T) {
	t.Parallel()
	assert.NoError(t, endedBySignal(draining, false), "it ends by itself")
	assert.Equal(t, errRequestsCut, endedBySignal(draining, true))
	assert.Equal(t, errNotWritten, endedBySignal(writing, false))
}

// timeout, supervisord with stopasgroup and tini -g signal the process and its group. Two
// different signals: the kernel makes one of two alike that wait.
func TestTwoSignalsAtOnceAreOneStop(t *testing.T) {
	t.Parallel()
	for _, second := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		config, file := remembering(t)
		p := start(t, config+longDrain)
		p.block(t, "203.0.113.7")
		p.signal(t, syscall.SIGTERM)
		p.signal(t, second)
		code, _ := p.exitCode(t)
		assert.Zero(t, code, p.stderr)
		assert.FileExists(t, file)
		assert.Contains(t, p.stderr.String(), "Stopped (1 record in memory")
	}
}

func TestTwoSignalsAtOnceCutNoRequest(t *testing.T) {
	t.Parallel()
	p := start(t, guarded+longDrain)
	c := begin(t, p)
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGINT)
	p.await(t, p.stderr, "Stopping ")
	assert.Equal(t, http.StatusOK, c.finish(t).status)
	code, _ := p.exitCode(t)
	assert.Zero(t, code, p.stderr)
}

// A connection that was just made keeps a drain going for half a second, though nothing
// was asked on it.
func TestAFurtherSignalLosesNothingWithNothingInFlight(t *testing.T) {
	t.Parallel()
	config, file := remembering(t)
	p := start(t, config+longDrain)
	p.block(t, "203.0.113.7")
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	p.awaitAccepted(t)
	p.signal(t, syscall.SIGTERM)
	p.await(t, p.stderr, "Stopping ")
	p.signalAgain(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Zero(t, code, p.stderr)
	assert.FileExists(t, file)
	assert.Contains(t, p.stderr.String(), "Stopped (1 record in memory")
}

func TestStopLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		// It sleeps ten seconds at a time, and ends when it wakes.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// It never ends; the first server of the process starts it.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	require.NoError(t, err)
	defer log.Close()
	said, ended := testbed.Output(path), make(chan int)
	go func() {
		ended <- run([]string{"--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}, io.Discard, log)
	}()
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "Operators on ") }, prompt, testbed.PollInterval)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	assert.Zero(t, <-ended)
	assert.Contains(t, said.String(), "Stopped (")
}
