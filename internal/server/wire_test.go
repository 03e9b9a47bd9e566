package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/server"
)

// blink is a bound that a test waits to see passed.
const blink = 50 * time.Millisecond

func TestHeadersOver8KiBAreRefused(t *testing.T) {
	d := open(t)
	tests := []struct{ name, request string }{
		{"one long header", raw("POST /v1/check", someCard, asCheckout, "Cookie: "+strings.Repeat("x", 9<<10))},
		{"many headers", raw("POST /v1/check", someCard, append(slices.Repeat([]string{"X-A: b"}, 2<<10), asCheckout)...)},
		{"a long request line", raw("POST /v1/check?cart="+strings.Repeat("x", 9<<10), "", asCheckout)},
		{"headers that never end", "GET /healthz HTTP/1.1\r\nX-A: " + strings.Repeat("x", 64<<10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.dial(t)
			a := l.ask(tt.request)
			requireProblem(t, a, 431, "body_too_large", "")
			assert.True(t, a.close)
			l.requireEnd()
		})
	}
	assert.Equal(t, 200, d.ask(t, raw("POST /v1/check", someCard, asCheckout, "Cookie: "+strings.Repeat("x", 7<<10))).status)
}

func TestARequestThatStallsIsAnswered408(t *testing.T) {
	d := open(t, func(s *server.Settings) { s.Read = blink })
	whole := check("203.0.113.7", 1)
	tests := []struct{ name, before, part string }{
		{"in the request line", "", "POST /v1/ch"},
		{"in the headers", "", "POST /v1/check HTTP/1.1\r\nHost: fraudcheck.test\r\nX-A"},
		{"before the body", "", whole[:strings.Index(whole, "\r\n\r\n")+4]},
		{"in the body", "", whole[:len(whole)-1]},
		{"in a chunk", "", raw("POST /v1/check", "40\r\n{", chunked, asCheckout)},
		{"in a later request", whole, whole[:len(whole)-1]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.dial(t)
			if tt.before != "" {
				require.Equal(t, 200, l.ask(tt.before).status)
			}
			a := l.ask(tt.part)
			requireProblem(t, a, 408, "body_invalid", "")
			assert.True(t, a.close)
			l.requireEnd()
		})
	}
}

func TestAnIdleConnectionIsClosedWithoutAWord(t *testing.T) {
	d := open(t, func(s *server.Settings) { s.Read, s.Idle = time.Hour, blink })
	l := d.dial(t)
	require.Equal(t, 200, l.ask(check("203.0.113.7", 1)).status)
	l.requireEnd()
	assert.Len(t, d.log.all(), 2, "nor is there a line in the log")
}

func TestACallerThatLeavesIsNoEvent(t *testing.T) {
	d := open(t)
	l := d.dial(t)
	require.NoError(t, l.Conn.(*net.TCPConn).CloseWrite())
	l.requireEnd()
	l = d.dial(t)
	require.Equal(t, 200, l.ask(raw("GET /healthz", "")).status)
	require.NoError(t, l.Conn.(*net.TCPConn).CloseWrite())
	l.requireEnd()
	assert.Len(t, d.log.all(), 2)
}

func TestWhatIsNotHTTPIsRefused(t *testing.T) {
	d := open(t)
	const end = "\r\n\r\n"
	body := fmt.Sprintf("Content-Length: %d", len(someCard))
	tests := []struct{ name, request string }{
		{"one word", "hello" + end},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + end},
		{"no path", "POST HTTP/1.1" + end},
		{"a header without a colon", "GET /healthz HTTP/1.1\r\nHost: a\r\nnonsense" + end},
		{"a blank before the colon", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A : b" + end},
		{"a header without a name", "GET /healthz HTTP/1.1\r\nHost: a\r\n: b" + end},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b" + end},
		{"two lengths", raw("POST /v1/check", someCard, asCheckout, body, body)},
		{"a length that is none", raw("POST /v1/check", someCard, asCheckout, "Content-Length: many")},
		{"a length below zero", raw("POST /v1/check", someCard, asCheckout, "Content-Length: -1")},
		{"a length with a sign", raw("POST /v1/check", someCard, asCheckout, "Content-Length: +2")},
		{"another framing", raw("POST /v1/check", someCard, asCheckout, "Transfer-Encoding: gzip")},
		{"two framings", raw("POST /v1/check", someCard, asCheckout, "Transfer-Encoding: gzip, chunked")},
		{"a chunk without a size", raw("POST /v1/check", "{}"+end, asCheckout, chunked)},
		{"a chunk that is too long for its size", raw("POST /v1/check", "2\r\n{}x"+end, asCheckout, chunked)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.dial(t)
			a := l.ask(tt.request)
			requireProblem(t, a, 400, "body_invalid", "")
			assert.True(t, a.close, "nobody knows where the next request begins")
			l.requireEnd()
		})
	}
}

// A second request hidden in the framing of a first must never be served.
func TestNoRequestIsSmuggled(t *testing.T) {
	d := open(t)
	hidden := raw("GET /healthz", "")
	tests := []struct{ name, request string }{
		{"in chunks, beside a length", raw("POST /v1/check", "0\r\n\r\n"+hidden, asCheckout, chunked, "Content-Length: 5")},
		{"behind a length, beside chunks", raw("POST /v1/check", "0\r\n\r\n"+hidden, asCheckout, "Content-Length: 4", chunked)},
		{"behind a body in chunks", raw("POST /v1/check", "2\r\n{}"+lastChunk+hidden, asCheckout, chunked)},
		{"in a body too large", raw("POST /v1/check", hidden+strings.Repeat("x", 9<<10), asCheckout)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.dial(t)
			a := l.ask(tt.request)
			assert.GreaterOrEqual(t, a.status, 400)
			assert.True(t, a.close)
			l.requireEnd()
		})
	}
	for _, line := range []string{"GET /healthz", "HEAD /healthz", "DELETE /v1/check"} {
		l := d.dial(t)
		a := l.ask(raw(line, hidden, asCheckout))
		assert.GreaterOrEqual(t, a.status, 400, "a body of %s is a body", line)
		require.Equal(t, 404, l.ask(raw("GET /next", "")).status, "and nothing else")
	}
}

func TestABodyInChunksIsRead(t *testing.T) {
	l := open(t).dial(t)
	body := fmt.Sprintf("1\r\n{\r\n%x;ext=1\r\n%s%s", len(someCard)-1, someCard[1:], lastChunk)
	a := l.ask(raw("POST /v1/check", body, chunked, asCheckout))
	assert.Equal(t, 200, a.status, a.body)
	assert.True(t, a.close, "no later request on a connection that had chunks")
	l.requireEnd()
}

func TestACallerMayAskBeforeItSends(t *testing.T) {
	l := open(t).dial(t)
	request := raw("POST /v1/check", someCard, asCheckout, "Expect: 100-continue")
	l.send(strings.TrimSuffix(request, someCard))
	response, err := http.ReadResponse(l.r, nil)
	require.NoError(t, err)
	require.Equal(t, 100, response.StatusCode)
	l.send(someCard)
	assert.Equal(t, 200, l.next("POST").status)
}

func TestHTTP10IsAnsweredAndClosed(t *testing.T) {
	l := open(t).dial(t)
	a := l.ask(strings.Replace(check("203.0.113.7", 1), "HTTP/1.1", "HTTP/1.0", 1))
	assert.Equal(t, 200, a.status)
	l.requireEnd()
}

// Requests of two callers, about several addresses each, are sent down several
// connections without waiting; every answer must be that of its own request.
func TestPipelinedAnswersAreNeverMixedUp(t *testing.T) {
	const connections, requests = 8, 120
	d := open(t)
	var wg sync.WaitGroup
	for i := range connections {
		l := d.dial(t)
		wg.Go(func() {
			var sending strings.Builder
			for j := range requests {
				sending.WriteString(pipelined(i, j))
			}
			sent := make(chan error, 1)
			go func() {
				_, err := io.WriteString(l, sending.String())
				sent <- err
			}()
			for j := range requests {
				response, err := http.ReadResponse(l.r, nil)
				if !assert.NoError(t, err) {
					return
				}
				body, err := io.ReadAll(response.Body)
				assert.NoError(t, err)
				assertOwnAnswer(t, i, j, response, string(body))
			}
			assert.NoError(t, <-sent)
		})
	}
	wg.Wait()
}

// pipelined is request j of connection i: of each four, one is refused.
func pipelined(i, j int) string {
	user, id := asCheckout, "X-Request-ID: "+pipelinedID(i, j)
	if j%2 == 1 {
		user = asPayments
	}
	if j%4 == 3 {
		return raw("POST /v1/check", strings.Repeat(" ", j), "Authorization: Basic !", id)
	}
	body := fmt.Sprintf(`{"ip":"10.%d.%d.1","card_id":"card %d","attempt_id":%q}`, i, j%4, j/4, pipelinedID(i, j))
	return raw("POST /v1/check", body, user, id)
}

// pipelinedID has many lengths, so that memory used again would show.
func pipelinedID(i, j int) string {
	return fmt.Sprintf("id-%d-%d-%s", i, j, strings.Repeat("x", (i*7+j*13)%40))
}

func assertOwnAnswer(t *testing.T, i, j int, response *http.Response, body string) {
	t.Helper()
	id := pipelinedID(i, j)
	assert.Equal(t, id, response.Header.Get("X-Request-ID"))
	if j%4 == 3 {
		assert.Equal(t, 401, response.StatusCode)
		assert.Contains(t, body, `"request_id":"`+id+`"}`)
		return
	}
	assert.Equal(t, 200, response.StatusCode, body)
	assert.Contains(t, body, fmt.Sprintf(`"count":%d,`, min(j/4+1, 6)))
	assert.Contains(t, body, `"attempt_id":"`+id+`"}`)
}
