// Package doortest serves doors for tests, over real connections, and speaks HTTP to
// them byte by byte, as no client library would. Tests of both ports use it.
package doortest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door"
	"fraudcheck/internal/server"
)

// Patience is how long a test waits for what must happen.
const Patience = 10 * time.Second

// Basic is a whole Authorization line.
func Basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Raw writes a request as HTTP: its first line without the version, its headers, and
// its body, with the length unless the headers tell another framing.
func Raw(line, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: fraudcheck.test\r\n", line)
	framed := body == ""
	for _, h := range headers {
		framed = framed || strings.HasPrefix(h, "Content-Length:") || strings.HasPrefix(h, "Transfer-Encoding:")
		b.WriteString(h + "\r\n")
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// A Port is a server of a door, on a port of its own.
type Port struct {
	Server *server.Server

	network, addr string
	closed        chan struct{} // when Serve has returned
	err           error         // what it returned, then
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

// serve serves the door. Limits of time that are not set are Patience.
func serve(ln net.Listener, d *door.Door, settings server.Settings) *Port {
	for _, limit := range []*time.Duration{&settings.Read, &settings.Write, &settings.Idle} {
		if *limit == 0 {
			*limit = Patience
		}
	}
	p := &Port{Server: server.New(d, settings), network: ln.Addr().Network(), addr: ln.Addr().String(), closed: make(chan struct{})}
	go func() {
		defer close(p.closed)
		p.err = p.Server.Serve(ln)
	}()
	return p
}

// Addr is host:port, or the path of a unix socket.
func (p *Port) Addr() string { return p.addr }

// Drain drains the server, within that time.
func (p *Port) Drain(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.Server.Drain(ctx)
}

// stop ends what a test left open, without waiting for connections to become unused.
func (p *Port) stop(t testing.TB) {
	t.Helper()
	const atOnce = time.Millisecond
	if err := p.Drain(atOnce); !errors.Is(err, context.DeadlineExceeded) {
		assert.NoError(t, err, "Drain")
	}
	p.RequireClosed(t)
}

// RequireClosed waits until Serve has returned, without an error.
func (p *Port) RequireClosed(t testing.TB) {
	t.Helper()
	select {
	case <-p.closed:
		require.NoError(t, p.err, "Serve")
	case <-time.After(Patience):
		require.FailNow(t, "Serve has not returned")
	}
}

// A Conn is one connection to a port.
type Conn struct {
	net.Conn
	R *bufio.Reader

	t testing.TB
}

// Dial connects; the connection is closed when the test ends.
func (p *Port) Dial(t testing.TB) *Conn {
	t.Helper()
	c, err := net.Dial(p.network, p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(2*Patience)))
	return &Conn{Conn: c, t: t, R: bufio.NewReader(c)}
}

// Send sends the text.
func (c *Conn) Send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// Ask sends the request and returns its answer.
func (c *Conn) Ask(request string) Answer {
	c.t.Helper()
	c.Send(request)
	method, _, _ := strings.Cut(request, " ")
	return c.Next(method)
}

// Ask asks on a connection of its own.
func (p *Port) Ask(t testing.TB, request string) Answer {
	t.Helper()
	c := p.Dial(t)
	defer c.Close()
	return c.Ask(request)
}

// An Answer is what came back, whole.
type Answer struct {
	Status int
	Phrase string // of the status line
	Header http.Header
	Close  bool // the server closes the connection
	Body   string
	JSON   map[string]any // nil when the body is no JSON object
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Next reads the answer to a request of that method, and requires of it what every
// answer has.
func (c *Conn) Next(method string) Answer {
	c.t.Helper()
	response, err := http.ReadResponse(c.R, &http.Request{Method: method})
	require.NoError(c.t, err, "there is no answer")
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	_, phrase, _ := strings.Cut(response.Status, " ")
	a := Answer{
		Status: response.StatusCode, Phrase: phrase,
		Header: response.Header, Close: response.Close, Body: string(body),
	}
	require.NoError(c.t, response.Body.Close())
	assert.Regexp(c.t, requestID, a.Header.Get("X-Request-ID"))
	kept := "no-store"
	if a.Header.Get("ETag") != "" { // the document, which is nobody's secret
		kept = "no-cache"
	}
	assert.Equal(c.t, []string{kept}, a.Header.Values("Cache-Control"))
	assert.Equal(c.t, []string{"nosniff"}, a.Header.Values("X-Content-Type-Options"))
	assert.Empty(c.t, a.Header.Get("Server"))
	if strings.Contains(a.Header.Get("Content-Type"), "json") && method != http.MethodHead {
		require.NoError(c.t, json.Unmarshal(body, &a.JSON), a.Body)
	}
	if a.JSON["code"] != nil {
		assert.Equal(c.t, a.Header.Get("X-Request-ID"), a.JSON["request_id"])
	}
	return a
}

// RequireEnd requires that the server closes the connection and says nothing more.
func (c *Conn) RequireEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.R)
	require.NoError(c.t, err)
	require.Empty(c.t, string(rest), "a stray answer")
}

// RequireProblem requires a problem with all its members and no others.
func RequireProblem(t testing.TB, a Answer, status int, code, field string) {
	t.Helper()
	require.Equal(t, status, a.Status, a.Body)
	assert.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	assert.NotEmpty(t, a.JSON["detail"])
	want := map[string]any{
		"type": "about:blank", "title": a.Phrase, "status": float64(status), "code": code,
		"detail": a.JSON["detail"], "request_id": a.Header.Get("X-Request-ID"),
	}
	if field != "" {
		want["field"] = field
	}
	assert.Equal(t, want, a.JSON)
	assert.Equal(t, status == 401, a.Header.Get("WWW-Authenticate") == `Basic realm="fraudcheck", charset="UTF-8"`)
	assert.Equal(t, status == 405, a.Header.Get("Allow") != "")
	assert.Equal(t, status == 503 || status == 429, a.Header.Get("Retry-After") != "")
}

// RequireThrottled guesses until it is told to wait, and returns how many guesses were
// refused before that. Those are 60, and one more for every five seconds that they took.
func RequireThrottled(t testing.TB, guess func() Answer) (refused int) {
	t.Helper()
	began := time.Now()
	a := guess()
	for ; a.Status != http.StatusTooManyRequests; a = guess() {
		RequireProblem(t, a, 401, "credentials_invalid", "")
		refused++
	}
	RequireProblem(t, a, 429, "too_many_failures", "")
	assert.Regexp(t, "^[1-5]$", a.Header.Get("Retry-After"))
	assert.GreaterOrEqual(t, refused, 60)
	assert.LessOrEqual(t, refused, 60+int(time.Since(began)/(5*time.Second)))
	return refused
}
