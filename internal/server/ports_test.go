package server_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/server"
)

// What is said to both ports is answered, logged and counted alike. A request here is
// one that both have a route for, or neither.
var toBothPorts = []struct {
	name, request string
	status        int
	code          string
	closed        bool
	asked         string // the first log line; empty: there is none
	route         string // in the metrics
}{
	{"health", doortest.Raw("GET /healthz", ""), 200, "", false, "GET /healthz", "/healthz"},
	{"health, without its body", doortest.Raw("HEAD /healthz", ""), 200, "", false, "HEAD /healthz", "/healthz"},
	{"readiness, asked with a query", doortest.Raw("GET /readyz?x=203.0.113.7", ""), 200, "", false, "GET /readyz", "/readyz"},
	{"an absolute target", doortest.Raw("GET http://fraudcheck.test/healthz", ""), 200, "", false, "GET /healthz", "/healthz"},
	{"who is asking", doortest.Raw("GET /v1/me", "", doortest.AsAnalyst), 200, "", false, "GET /v1/me", "/v1/me"},
	{"a logout of nobody", doortest.Raw("POST /v1/logout", ""), 204, "", false, "POST /v1/logout", "/v1/logout"},
	{"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", 200, "", true, "GET /healthz", "/healthz"},
	{"HTTP/1.0, kept alive", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "", true, "GET /healthz", "/healthz"},

	{"no such path", doortest.Raw("GET /nowhere", ""), 404, "not_found", false, "GET (no such path)", "none"},
	{"an escaped path", doortest.Raw("GET /health%7a", ""), 404, "not_found", false, "GET (no such path)", "none"},
	{"a made-up method", doortest.Raw("BREW /healthz", ""), 405, "method", false, "(other method) /healthz", "/healthz"},
	{"a question of a browser, to no page's avail", doortest.Raw("OPTIONS /v1/me", ""), 405, "method", false, "OPTIONS /v1/me", "/v1/me"},
	{"nobody", doortest.Raw("GET /v1/me", ""), 401, "authorization_missing", false, "GET /v1/me", "/v1/me"},
	{"a wrong password", doortest.Raw("GET /v1/me", "", doortest.Basic("analyst", "lens")), 401, "credentials_invalid", false, "GET /v1/me", "/v1/me"},
	{"from elsewhere", doortest.Raw("GET /v1/me", "", doortest.AsBranch), 403, "network_refused", false, "GET /v1/me", "/v1/me"},
	{"a page of another origin", doortest.Raw("POST /v1/logout", "", doortest.AsAnalyst, "Sec-Fetch-Site: cross-site"), 403, "origin_refused", false, "POST /v1/logout", "/v1/logout"},
	{"9 KiB", doortest.Raw("POST /v1/login", nine), 413, "body_too_large", true, "POST /v1/login", "/v1/login"},
	{"9 KiB in chunks", doortest.Raw("POST /v1/login", "2400\r\n"+nine+lastChunk, chunked), 413, "body_too_large", true, "POST /v1/login", "/v1/login"},
	{"text", doortest.Raw("POST /v1/login", "x", asText), 415, "media_type", false, "POST /v1/login", "/v1/login"},
	{"no JSON", doortest.Raw("POST /v1/login", "x", asJSON), 400, "body_invalid", false, "POST /v1/login", "/v1/login"},
	{"a GET with a body", doortest.Raw("GET /healthz", "{}"), 400, "body_invalid", false, "GET /healthz", "/healthz"},
	{"a HEAD with a body", doortest.Raw("HEAD /v1/me", "{}", doortest.AsAnalyst), 400, "body_invalid", false, "HEAD /v1/me", "/v1/me"},

	{"not HTTP", "hello\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"no path", "POST HTTP/1.1\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a later version", "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 505, "version_unsupported", true, "", "none"},
	{"a word for a version", "GET /healthz SPDY\r\nHost: a\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a header without a colon", "GET /healthz HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a header without a name", "GET /healthz HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a blank before the colon", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a blank in a name", doortest.Raw("POST /v1/logout", "0\r\n\r\n", "Transfer Encoding: chunked", "Content-Length: 5"), 400, "body_invalid", true, "", "none"},
	{"a name that is no token", "GET /healthz HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a header continued", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"a line that ends without CR", "POST /v1/logout HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 0\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"no host", "GET /healthz HTTP/1.1\r\nX-A: b\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "body_invalid", true, "", "none"},
	{"two media types", doortest.Raw("POST /v1/login", "{}", asJSON, asJSON), 400, "body_invalid", true, "", "none"},
	{"two codings of the content", doortest.Raw("POST /v1/login", "{}", asJSON, "Content-Encoding: identity", "content-encoding: gzip"), 400, "body_invalid", true, "", "none"},
	{"two callers", doortest.Raw("GET /v1/me", "", doortest.AsAnalyst, doortest.AsOperator), 400, "authorization_malformed", true, "", "none"},
	{"one caller twice", doortest.Raw("GET /v1/me", "", doortest.AsAnalyst, doortest.AsAnalyst), 400, "authorization_malformed", true, "", "none"},
	{"two lengths", doortest.Raw("POST /v1/logout", "{}", "Content-Length: 2", "Content-Length: 2"), 400, "body_invalid", true, "", "none"},
	{"a length that is none", doortest.Raw("POST /v1/logout", "{}", "Content-Length: many"), 400, "body_invalid", true, "", "none"},
	{"a length below zero", doortest.Raw("POST /v1/logout", "{}", "Content-Length: -1"), 400, "body_invalid", true, "", "none"},
	{"a length with a sign", doortest.Raw("POST /v1/logout", "{}", "Content-Length: +2"), 400, "body_invalid", true, "", "none"},
	{"a length and chunks", doortest.Raw("POST /v1/logout", "0\r\n\r\n", chunked, "Content-Length: 5"), 400, "body_invalid", true, "", "none"},
	{"chunks and a length", doortest.Raw("POST /v1/logout", "0\r\n\r\n", "Content-Length: 5", chunked), 400, "body_invalid", true, "", "none"},
	{"another transfer coding", doortest.Raw("POST /v1/logout", "{}", "Transfer-Encoding: gzip"), 501, "coding_unsupported", true, "", "none"},
	{"two transfer codings", doortest.Raw("POST /v1/logout", "{}", "Transfer-Encoding: gzip, chunked"), 501, "coding_unsupported", true, "", "none"},
	{"the transfer coding that is none", doortest.Raw("POST /v1/logout", "", "Transfer-Encoding: identity"), 501, "coding_unsupported", true, "", "none"},
	{"chunks in HTTP/1.0", "POST /v1/logout HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n", 501, "coding_unsupported", true, "", "none"},
	{"no body, in chunks", doortest.Raw("POST /v1/logout", "0\r\n\r\n", chunked), 204, "", true, "POST /v1/logout", "/v1/logout"},
	{"a body in chunks", doortest.Raw("POST /v1/logout", "2;ext=1\r\n{}"+lastChunk, chunked, asJSON), 204, "", true, "POST /v1/logout", "/v1/logout"},
	{"a field behind chunks", doortest.Raw("POST /v1/logout", "0\r\nSec-Fetch-Site: same-origin\r\n\r\n", chunked), 400, "body_invalid", true, "", "none"},
	{"a chunk without a size", doortest.Raw("POST /v1/logout", "{}\r\n\r\n", chunked), 400, "body_invalid", true, "", "none"},
	{"a chunk that is too long for its size", doortest.Raw("POST /v1/logout", "2\r\n{}x\r\n\r\n", chunked), 400, "body_invalid", true, "", "none"},
	{"another expectation", doortest.Raw("POST /v1/logout", "", "Expect: the-best"), 417, "expectation_failed", true, "", "none"},
	{"another protocol beside this", doortest.Raw("GET /healthz", "", "Connection: Upgrade", "Upgrade: h2c"), 200, "", false, "GET /healthz", "/healthz"},
	{"no target", doortest.Raw("OPTIONS *", ""), 400, "body_invalid", true, "", "none"},
	{"a path with two slashes", doortest.Raw("GET //healthz", ""), 400, "body_invalid", true, "", "none"},
	{"another host's URL", doortest.Raw("GET http://other.test/healthz", ""), 400, "body_invalid", true, "", "none"},
	{"a URL of no web", doortest.Raw("POST foo://any/v1/login", ""), 400, "body_invalid", true, "", "none"},
	{"a long head", doortest.Raw("GET /healthz", "", "Cookie: "+strings.Repeat("x", 16<<10)), 431, "header_too_large", true, "", "none"},
}

func TestBothPortsAnswerLogAndCountAlike(t *testing.T) {
	var counted atomic.Value
	all := doortest.Open(t, func(s *doortest.Setup) {
		s.Events.Request = func(route string, status int, _ time.Duration) { counted.Store(fmt.Sprint(route, " ", status)) }
	})
	for _, tt := range toBothPorts {
		t.Run(tt.name, func(t *testing.T) {
			said := map[string]string{}
			for name, port := range all.Ports() {
				before := len(all.Log.Lines())
				c := port.Dial(t)
				a := c.Ask(tt.request)
				method, _, _ := strings.Cut(tt.request, " ")
				requireAnswer(t, a, method, tt.status, tt.code)
				assert.Equal(t, tt.closed, a.Close)
				if tt.closed {
					c.RequireEnd()
				} else {
					assert.Equal(t, 404, c.Ask(doortest.Raw("GET /next", "")).Status, "the connection goes on")
				}
				lines := all.Log.Lines()[before:]
				requireLines(t, lines, tt.asked, tt.status, tt.code)
				if tt.closed {
					assert.Equal(t, fmt.Sprint(tt.route, " ", tt.status), counted.Load())
				}
				said[name] = comparable(a, lines)
			}
			assert.Equal(t, said["callers"], said["operators"])
		})
	}
}

// What stands behind a request that is not believed is never read as another one.
func TestNothingIsReadAfterARequestRefusedForItsFraming(t *testing.T) {
	all := doortest.Open(t)
	probe := doortest.Raw("GET /v1/me", "", "X-Request-ID: SMUGGLED")
	for _, tt := range toBothPorts {
		if !tt.closed {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			for _, port := range all.Ports() {
				c := port.Dial(t)
				a := c.Ask(tt.request + probe)
				assert.NotEqual(t, "SMUGGLED", a.Header.Get("X-Request-Id"))
				c.RequireEnd()
			}
		})
	}
}

func TestBothPortsAnswerExpectContinue(t *testing.T) {
	all := doortest.Open(t)
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			c := port.Dial(t)
			c.Send("POST /v1/logout HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
			response, err := http.ReadResponse(c.R, nil)
			require.NoError(t, err)
			require.Equal(t, 100, response.StatusCode)
			c.Send("{}")
			assert.Equal(t, 204, c.Next("POST").Status)

			a := c.Ask("POST /v1/logout HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
			doortest.RequireProblem(t, a, 400, "body_invalid", "")
			c.RequireEnd()

			c = port.Dial(t)
			a = c.Ask("POST /v1/logout HTTP/1.1\r\nHost: a\r\nX(A): b\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
			doortest.RequireProblem(t, a, 400, "body_invalid", "")
			c.RequireEnd()
		})
	}
}

func requireAnswer(t *testing.T, a doortest.Answer, method string, status int, code string) {
	t.Helper()
	switch {
	case code == "":
		require.Equal(t, status, a.Status, a.Body)
		assert.NotContains(t, a.Body, "code")
	case method == "HEAD":
		require.Equal(t, status, a.Status)
		assert.Empty(t, a.Body)
	default:
		doortest.RequireProblem(t, a, status, code, "")
	}
}

func requireLines(t *testing.T, lines []doortest.Line, asked string, status int, code string) {
	t.Helper()
	if asked != "" {
		require.GreaterOrEqual(t, len(lines), 2)
		assert.Equal(t, asked, lines[0].Message)
		assert.Equal(t, lines[0].Attrs["tag"], lines[1].Attrs["tag"])
		lines = lines[1:]
	}
	require.NotEmpty(t, lines)
	assert.Equal(t, "Response:", lines[0].Message)
	assert.Equal(t, fmt.Sprint(status), lines[0].Attrs["status"])
	have, there := lines[0].Attrs["code"]
	assert.Equal(t, code, have)
	assert.Equal(t, code != "", there, "what there is none of is not in the line")
	assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, lines[0].Attrs["tag"])
}

// comparable is all of an answer and its log lines but what differs each time.
func comparable(a doortest.Answer, lines []doortest.Line) string {
	header := maps.Clone(a.Header)
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
		header.Del(name)
	}
	delete(a.JSON, "request_id")
	var b strings.Builder
	fmt.Fprint(&b, a.Status, header, a.JSON, a.Close)
	for _, l := range lines {
		attrs := maps.Clone(l.Attrs)
		delete(attrs, "tag")
		delete(attrs, "request")
		delete(attrs, "took")
		fmt.Fprint(&b, l.Level, l.Message, attrs)
	}
	return b.String()
}

func TestBothPortsTakeOverRequestIDsAlike(t *testing.T) {
	all := doortest.Open(t)
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			for _, id := range []string{"a", "checkout-1.2_3", strings.Repeat("x", 64), "123456789012"} {
				for _, line := range []string{"GET /healthz", "GET /nowhere", "GET /v1/me", "GET //bad"} {
					a := port.Ask(t, doortest.Raw(line, "", "X-Request-ID: "+id))
					assert.Equal(t, []string{id}, a.Header.Values("X-Request-Id"), line)
				}
			}
			for _, id := range []string{"", "1234567890123", strings.Repeat("x", 65), "two words", "a/b", `"`} {
				a := port.Ask(t, doortest.Raw("GET /nowhere", "", "X-Request-ID: "+id))
				assert.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{26}$`, a.Header.Get("X-Request-Id"))
			}
		})
	}
}

func TestBothPortsSpeakToBrowsersAlike(t *testing.T) {
	const desk = "https://desk.example"
	cors, err := door.NewCORS([]string{desk})
	require.NoError(t, err)
	all := doortest.Open(t, func(s *doortest.Setup) { s.CORS = cors })
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			a := port.Ask(t, doortest.Raw("OPTIONS /v1/me", "", "Origin: "+desk, "Access-Control-Request-Method: GET"))
			assert.Equal(t, 204, a.Status)
			assert.Equal(t, desk, a.Header.Get("Access-Control-Allow-Origin"))
			assert.Equal(t, "GET, HEAD", a.Header.Get("Access-Control-Allow-Methods"))
			assert.Equal(t, []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}, a.Header.Values("Vary"))
			for _, line := range []string{"GET /nowhere", "GET /healthz", "GET /v1/me", "GET /metrics"} {
				a = port.Ask(t, doortest.Raw(line, "", "Origin: "+desk))
				assert.Equal(t, []string{desk}, a.Header.Values("Access-Control-Allow-Origin"), line)
				assert.Equal(t, []string{"Origin"}, a.Header.Values("Vary"), line)
			}
			a = port.Ask(t, doortest.Raw("POST /v1/logout", "", doortest.AsAnalyst, "Origin: "+desk))
			assert.Equal(t, 204, a.Status, "a page of a configured origin may write")
			a = port.Ask(t, doortest.Raw("OPTIONS /v1/me", "", "Origin: https://evil.example", "Access-Control-Request-Method: GET"))
			assert.Equal(t, 405, a.Status)
			assert.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
		})
	}
}

func TestBothPortsBoundTheTimeOfARequestAlike(t *testing.T) {
	all := doortest.Open(t, func(s *doortest.Setup) { s.Server.Read = blink })
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			for _, part := range []string{
				"POST /v1/log", "POST /v1/login HTTP/1.1\r\nHost: a\r\nX-A", "POST /v1/login HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
			} {
				c := port.Dial(t)
				a := c.Ask(part)
				doortest.RequireProblem(t, a, 408, "too_slow", "")
				c.RequireEnd()
			}
		})
	}
}

func TestBothPortsDrainAlike(t *testing.T) {
	all := doortest.Open(t)
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			used, unused := port.Dial(t), port.Dial(t)
			require.Equal(t, 200, used.Ask(doortest.Raw("GET /healthz", "")).Status)
			half := port.Dial(t)
			require.Equal(t, 200, half.Ask(doortest.Raw("GET /healthz", "")).Status)
			half.Send("GET /readyz HTTP/1.1\r\nHost: a\r\n")

			drained := make(chan error, 1)
			go func() { drained <- port.Drain(doortest.Patience) }()
			for err := error(nil); err == nil; { // until nobody is let in any more
				var c net.Conn
				if c, err = net.Dial("tcp", port.Addr()); err == nil {
					err = c.Close()
				}
			}
			half.Send("\r\n")
			a := half.Next(http.MethodGet)
			assert.True(t, a.Close)
			used.RequireEnd()
			unused.RequireEnd()
			require.NoError(t, <-drained)
			port.RequireClosed(t)
		})
	}
}

func TestConnectionsAreBoundedAtBothPorts(t *testing.T) {
	rooms := make(chan struct{}, 10)
	all := doortest.Open(t, func(s *doortest.Setup) {
		s.Server.Connections = 2
		s.Events = door.Events{Request: func(string, int, time.Duration) {}, MadeRoom: func() { rooms <- struct{}{} }}
	})
	for name, port := range all.Ports() {
		t.Run(name, func(t *testing.T) {
			silent := port.Dial(t)
			port.Dial(t).Ask(doortest.Raw("GET /healthz", ""))
			assert.Empty(t, rooms)
			assert.Equal(t, 200, port.Dial(t).Ask(doortest.Raw("GET /healthz", "")).Status)
			silent.RequireEnd()
			<-rooms
		})
	}
}

func TestADrainBeforeServeEndsIt(t *testing.T) {
	s := server.New(door.New(door.Settings{Guard: auth.NewGuard(doortest.NewPolicy(t, nil, nil))}), server.Settings{Read: time.Second, Write: time.Second, Idle: time.Second})
	require.NoError(t, s.Drain(t.Context()))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(ln))
	_, err = net.Dial("tcp", ln.Addr().String())
	require.Error(t, err)
}

// What a check looks at of the requests it says nothing of is told to the metrics.
func TestWhatHappensAtAPortIsCounted(t *testing.T) {
	all := doortest.Open(t)
	pan := `{"ip":"203.0.113.7","card_id":"4111111111111111"}`
	require.Equal(t, 400, all.Callers.Ask(t, doortest.Raw("POST /v1/check", pan, doortest.AsCheckout)).Status)
	require.Equal(t, 200, all.Callers.Ask(t, check("203.0.113.7", 1)).Status)
	require.Equal(t, 400, all.Operators.Ask(t, doortest.Raw("POST /v1/subjects/read", `{"per":"card","card_id":"4111111111111111"}`, doortest.AsAnalyst)).Status)
	metrics := all.Operators.Ask(t, doortest.Raw("GET /metrics", "")).Body
	for _, want := range []string{
		"fraudcheck_pan_like_input_total 2", `fraudcheck_checks_total{decision="allow"} 1`, "fraudcheck_check_duration_seconds_count 1",
		`fraudcheck_http_requests_total{code="200",route="/v1/check"} 1`, `fraudcheck_http_requests_total{code="400",route="/v1/subjects/read"} 1`,
		`fraudcheck_auth_total{result="ok",scheme="basic"} 3`,
	} {
		assert.True(t, slices.Contains(strings.Split(metrics, "\n"), want), want)
	}
}
