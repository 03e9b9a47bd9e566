package operator_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/event"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// A stream is one that a test follows.
type stream struct {
	*doortest.Conn
	header http.Header
	body   *bufio.Reader
}

// follow asks for a stream, and reads until it has begun.
func (d *port) follow(t testing.TB, query string, headers ...string) *stream {
	t.Helper()
	c := d.Dial(t)
	c.Send(doortest.Raw("GET /v1/decisions/stream"+query, "", append(headers, doortest.AsAnalyst)...))
	return begun(t, c)
}

func begun(t testing.TB, c *doortest.Conn) *stream {
	t.Helper()
	response, err := http.ReadResponse(c.R, nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	s := begunAfter(t, c, response)
	name, _ := s.next(t)
	require.Equal(t, "", name, "a comment says that it has begun")
	return s
}

// begunAfter is a stream of which the head was read.
func begunAfter(t testing.TB, c *doortest.Conn, response *http.Response) *stream {
	t.Helper()
	return &stream{c, response.Header, bufio.NewReader(response.Body)}
}

// next returns the next event, without a name for a comment.
func (s *stream) next(t testing.TB) (name, data string) {
	t.Helper()
	for {
		line, err := s.body.ReadString('\n')
		require.NoError(t, err)
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "event":
			name = value
		case "data":
			data = value
		}
		if line == "\n" {
			return name, data
		}
	}
}

// decision requires that a decision is next.
func (s *stream) decision(t testing.TB) (d map[string]any) {
	t.Helper()
	name, data := s.next(t)
	require.Equal(t, "decision", name)
	require.NoError(t, json.Unmarshal([]byte(data), &d))
	return d
}

// requireEnd requires that the body ends as it should, and the connection behind it.
func (s *stream) requireEnd(t testing.TB) {
	t.Helper()
	_, err := io.Copy(io.Discard, s.body)
	require.NoError(t, err)
	s.RequireEnd()
}

func TestAStreamSendsDecisionsAsTheyAreMade(t *testing.T) {
	d := open(t, nil)
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`, "X-Request-ID: before")
	all, some := d.follow(t, ""), d.follow(t, "?ip=198.51.100.0/24&decision=allow", "X-Request-ID: follows")
	assert.Equal(t, "text/event-stream", some.header.Get("Content-Type"))
	assert.Equal(t, "follows", some.header.Get("X-Request-Id"))
	assert.Equal(t, "no-store", some.header.Get("Cache-Control"))
	assert.Equal(t, "nosniff", some.header.Get("X-Content-Type-Options"))
	for n, ip := range []string{"203.0.113.7", "198.51.100.1", "203.0.113.8", "198.51.100.2"} {
		d.checkOver(t, `{"ip":"`+ip+`","card_id":"a"}`, fmt.Sprintf("X-Request-ID: r%d", n))
	}
	listed := d.decisions(t, "")
	for n := range 4 {
		assert.Equal(t, listed[3-n], all.decision(t), "as in the list")
	}
	assert.Equal(t, "r1", some.decision(t)["request_id"])
	assert.Equal(t, "r3", some.decision(t)["request_id"])
}

func TestAStreamBeginsInThePastWhereItIsAskedTo(t *testing.T) {
	d := open(t, nil)
	for n := range 3 {
		d.set(time.Duration(n) * time.Second)
		d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`, fmt.Sprintf("X-Request-ID: r%d", n))
	}
	s := d.follow(t, "?since=2026-11-21T09:00:01Z")
	assert.Equal(t, "r1", s.decision(t)["request_id"])
	assert.Equal(t, "r2", s.decision(t)["request_id"])
}

func TestAStreamSaysHowManyDecisionsItMissed(t *testing.T) {
	ring := recent.NewRing(recent.RingSettings{Keep: 10, Rules: 1, Instance: "web-1", Start: velocity.TimeOf(doortest.Morning)})
	d := open(t, nil, func(s *doortest.Setup) { s.Ring = ring })
	s := d.follow(t, "")
	flood(ring, 5000) // in much less than the time between two looks
	missed := 0
	for missed == 0 {
		if name, data := s.next(t); name == "dropped" {
			_, err := fmt.Sscanf(data, `{"missed":%d}`, &missed)
			require.NoError(t, err, data)
		}
	}
	assert.Greater(t, missed, 1000)
	s.decision(t)
}

// sentOf reads until that many decisions were sent or said to be dropped, and returns how many
// were sent.
func (s *stream) sentOf(t testing.TB, decisions int) (sent int) {
	for missed := 0; sent+missed < decisions; {
		switch name, data := s.next(t); name {
		case "decision":
			sent++
		case "dropped":
			var dropped struct{ Missed int }
			require.NoError(t, json.Unmarshal([]byte(data), &dropped))
			missed += dropped.Missed
		}
	}
	return sent
}

// However fast decisions come, a stream costs no more, and says what it left out.
func TestAStreamSendsAHundredDecisionsASecondAtMost(t *testing.T) {
	t.Parallel()
	ring := recent.NewRing(recent.RingSettings{Keep: 10_000, Rules: 1, Instance: "web-1", Start: velocity.TimeOf(doortest.Morning)})
	d := open(t, nil, func(s *doortest.Setup) { s.Ring = ring })
	all, one := d.follow(t, ""), d.follow(t, "?ip=10.0.3.7")
	began := time.Now()
	const decisions = 1000
	flood(ring, decisions)
	sent := all.sentOf(t, decisions)
	assert.GreaterOrEqual(t, sent, 100)
	assert.LessOrEqual(t, float64(sent), 100+100*time.Since(began).Seconds())
	assert.Equal(t, "10.0.3.7", one.decision(t)["ip"], "what a filter takes is sent, and nothing else is missing")
	past := d.follow(t, "?since=2026-11-21T09:00:00Z")
	for range decisions {
		past.decision(t) // what is asked for is sent whole
	}
}

// flood notes that many decisions at once.
func flood(ring *recent.Ring, n int) {
	e := &event.Event{Time: velocity.TimeOf(doortest.Morning), Attempt: new(velocity.Attempt), Decision: new(velocity.Decision), RequestID: []byte("x"), Caller: &auth.Caller{Name: strings.Repeat("x", 4000)}}
	for i := range n {
		e.Attempt.Address = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		ring.Watch(e)
	}
}

// Their caller hears it at once, and a place that is left is taken again.
func TestStreamsAreBounded(t *testing.T) {
	d := open(t, nil)
	var streams []*stream
	for range 64 {
		streams = append(streams, d.follow(t, ""))
	}
	const path = "/v1/decisions/stream"
	doortest.RequireProblem(t, d.ask(t, "GET", path, ""), 503, "streams_exhausted", "")
	assert.Equal(t, 200, d.ask(t, "HEAD", path, "").Status, "which is none")
	require.NoError(t, streams[7].Close())
	var again *doortest.Conn
	require.Eventually(t, func() bool {
		again = d.Dial(t)
		again.Send(doortest.Raw("GET "+path, "", doortest.AsAnalyst))
		status, err := again.R.Peek(len("HTTP/1.1 200"))
		return err == nil && strings.HasSuffix(string(status), "200")
	}, doortest.Patience, 20*time.Millisecond)
	begun(t, again)
}

func TestAStreamEndsWithItsCallersRights(t *testing.T) {
	t.Parallel()
	guard := auth.NewGuard(doortest.NewPolicy(t, nil, nil))
	d := open(t, nil, func(s *doortest.Setup) { s.Guard = guard })
	s := d.follow(t, "")
	guard.Replace(doortest.NewPolicy(t, nil, nil))
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	s.decision(t)
	began := time.Now()
	guard.Replace(doortest.NewPolicy(t, []string{"192.0.2.0/24"}, nil)) // where nobody asks from
	s.requireEnd(t)
	assert.Less(t, time.Since(began), 2*time.Second)
}

func TestAStopEndsStreams(t *testing.T) {
	d := open(t, nil)
	s := d.follow(t, "")
	require.NoError(t, d.Drain(doortest.Patience))
	s.requireEnd(t)
	d.RequireClosed(t)
}

// A caller that does not read is given up, and costs checks nothing meanwhile.
func TestACallerThatDoesNotReadIsGivenUp(t *testing.T) {
	ring := recent.NewRing(recent.RingSettings{Keep: 10_000, Rules: 1, Instance: "web-1", Start: velocity.TimeOf(doortest.Morning)})
	d := open(t, nil, func(s *doortest.Setup) { s.Ring, s.Server.Write = ring, 200*time.Millisecond })
	d.follow(t, "", "X-Request-ID: asleep")
	require.Eventually(t, func() bool {
		flood(ring, 1000) // in the end, more than sockets take
		for _, l := range d.all.Log.Lines() {
			if l.Message == "Response:" && l.Attrs["request"] == "asleep" {
				return true
			}
		}
		return false
	}, doortest.Patience, 50*time.Millisecond)
}

func TestAStreamLeavesOneLineAtItsEnd(t *testing.T) {
	d := open(t, nil)
	s := d.follow(t, "?ip=203.0.113.7", "X-Request-ID: follows")
	ofStream := func() (lines []doortest.Line) {
		for _, l := range d.all.Log.Lines() {
			if l.Attrs["request"] == "follows" {
				lines = append(lines, l)
			}
		}
		return lines
	}
	assert.Empty(t, ofStream())
	counted := func() bool {
		metrics := d.anonymous(t, "GET", "/metrics", "").Body
		return strings.Contains(metrics, `fraudcheck_http_requests_total{code="200",route="/v1/decisions/stream"} 1`)
	}
	assert.False(t, counted())
	require.NoError(t, s.Close())
	require.Eventually(t, func() bool { return len(ofStream()) == 1 }, doortest.Patience, 10*time.Millisecond)
	assert.Equal(t, "200", ofStream()[0].Attrs["status"])
	assert.Equal(t, "analyst", ofStream()[0].Attrs["caller"])
	require.Eventually(t, counted, doortest.Patience, 10*time.Millisecond)
}

func TestAStreamBehindOtherAnswersOfItsConnection(t *testing.T) {
	d := open(t, nil)
	c := d.Dial(t)
	assert.Equal(t, 200, c.Ask(doortest.Raw("GET /healthz", "")).Status)
	c.Send(doortest.Raw("GET /healthz", "") + doortest.Raw("GET /v1/decisions/stream", "", doortest.AsAnalyst))
	assert.Contains(t, c.Next("GET").Body, "alive", "pipelined, in its order")
	s := begun(t, c)
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	s.decision(t)
}

func TestAStreamOverHTTP10EndsWithItsConnection(t *testing.T) {
	d := open(t, nil)
	c := d.Dial(t)
	c.Send("GET /v1/decisions/stream HTTP/1.0\r\n" + doortest.AsAnalyst + "\r\n\r\n")
	s := begun(t, c)
	assert.Empty(t, s.header.Get("Transfer-Encoding"))
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	s.decision(t)
}

func TestWhoMayFollowDecisions(t *testing.T) {
	d := open(t, nil)
	const path = "/v1/decisions/stream"
	head := d.ask(t, "HEAD", path, "")
	assert.Equal(t, 200, head.Status)
	assert.Equal(t, "text/event-stream", head.Header.Get("Content-Type"))
	doortest.RequireProblem(t, d.anonymous(t, "GET", path, "", doortest.AsCheckout), 403, "role_missing", "")
	doortest.RequireProblem(t, d.anonymous(t, "GET", path, ""), 401, "authorization_missing", "")
	doortest.RequireProblem(t, d.ask(t, "GET", path+"?decision=no", ""), 400, "field_invalid", "decision")
	doortest.RequireProblem(t, d.ask(t, "GET", path+"?limit=1", ""), 400, "field_unknown", "limit")
	none := open(t, nil, func(s *doortest.Setup) { s.Ring = nil })
	doortest.RequireProblem(t, none.ask(t, "GET", path, ""), 404, "not_found", "")
}
