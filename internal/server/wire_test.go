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

	"fraudcheck/internal/door/doortest"
)

// blink is a bound that a test waits to see passed.
const blink = 50 * time.Millisecond

func TestHeadersOver8KiBAreRefused(t *testing.T) {
	d := open(t)
	tests := []struct{ name, request string }{
		{"one long header", doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, "Cookie: "+strings.Repeat("x", 9<<10))},
		{"many headers", doortest.Raw("POST /v1/check", someCard, append(slices.Repeat([]string{"X-A: b"}, 2<<10), doortest.AsCheckout)...)},
		{"a long request line", doortest.Raw("POST /v1/check?cart="+strings.Repeat("x", 9<<10), "", doortest.AsCheckout)},
		{"headers that never end", "GET /healthz HTTP/1.1\r\nX-A: " + strings.Repeat("x", 64<<10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.Dial(t)
			a := l.Ask(tt.request)
			doortest.RequireProblem(t, a, 431, "header_too_large", "")
			assert.True(t, a.Close)
			l.RequireEnd()
		})
	}
	assert.Equal(t, 200, d.Ask(t, doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, "Cookie: "+strings.Repeat("x", 7<<10))).Status)
}

func TestARequestThatStallsIsAnswered408(t *testing.T) {
	d := open(t, func(s *doortest.Setup) { s.Server.Read = blink })
	whole := check("203.0.113.7", 1)
	tests := []struct{ name, before, part string }{
		{"in the request line", "", "POST /v1/ch"},
		{"in the headers", "", "POST /v1/check HTTP/1.1\r\nHost: fraudcheck.test\r\nX-A"},
		{"before the body", "", whole[:strings.Index(whole, "\r\n\r\n")+4]},
		{"in the body", "", whole[:len(whole)-1]},
		{"in a chunk", "", doortest.Raw("POST /v1/check", "40\r\n{", chunked, doortest.AsCheckout)},
		{"in a later request", whole, whole[:len(whole)-1]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.Dial(t)
			for tries := 0; tt.before != "" && l.Ask(tt.before).Status != 200; tries++ {
				require.Less(t, tries, 100) // on a busy machine this test is slower than the limit
				l = d.Dial(t)
			}
			a := l.Ask(tt.part)
			doortest.RequireProblem(t, a, 408, "too_slow", "")
			assert.True(t, a.Close)
			l.RequireEnd()
		})
	}
}

func TestAnIdleConnectionIsClosedWithoutAWord(t *testing.T) {
	d := open(t, func(s *doortest.Setup) { s.Server.Read, s.Server.Idle = time.Hour, blink })
	l := d.Dial(t)
	require.Equal(t, 200, l.Ask(check("203.0.113.7", 1)).Status)
	l.RequireEnd()
	assert.Len(t, d.all.Log.Lines(), 2, "nor is there a line in the log")
}

func TestACallerThatLeavesIsNoEvent(t *testing.T) {
	d := open(t)
	l := d.Dial(t)
	require.NoError(t, l.Conn.(*net.TCPConn).CloseWrite())
	l.RequireEnd()
	l = d.Dial(t)
	require.Equal(t, 200, l.Ask(doortest.Raw("GET /healthz", "")).Status)
	require.NoError(t, l.Conn.(*net.TCPConn).CloseWrite())
	l.RequireEnd()
	assert.Len(t, d.all.Log.Lines(), 2)
}

// A second request hidden in the framing of a first must never be served.
func TestNoRequestIsSmuggled(t *testing.T) {
	d := open(t)
	hidden := doortest.Raw("GET /healthz", "")
	tests := []struct{ name, request string }{
		{"in chunks, beside a length", doortest.Raw("POST /v1/check", "0\r\n\r\n"+hidden, doortest.AsCheckout, chunked, "Content-Length: 5")},
		{"behind a length, beside chunks", doortest.Raw("POST /v1/check", "0\r\n\r\n"+hidden, doortest.AsCheckout, "Content-Length: 4", chunked)},
		{"behind a body in chunks", doortest.Raw("POST /v1/check", "2\r\n{}"+lastChunk+hidden, doortest.AsCheckout, chunked)},
		{"in a body too large", doortest.Raw("POST /v1/check", hidden+strings.Repeat("x", 9<<10), doortest.AsCheckout)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := d.Dial(t)
			a := l.Ask(tt.request)
			assert.GreaterOrEqual(t, a.Status, 400)
			assert.True(t, a.Close)
			l.RequireEnd()
		})
	}
	for _, line := range []string{"GET /healthz", "HEAD /healthz", "DELETE /v1/check"} {
		l := d.Dial(t)
		a := l.Ask(doortest.Raw(line, hidden, doortest.AsCheckout))
		assert.GreaterOrEqual(t, a.Status, 400, "a body of %s is a body", line)
		require.Equal(t, 404, l.Ask(doortest.Raw("GET /next", "")).Status, "and nothing else")
	}
}

func TestABodyInChunksIsRead(t *testing.T) {
	l := open(t).Dial(t)
	body := fmt.Sprintf("1\r\n{\r\n%x;ext=1\r\n%s%s", len(someCard)-1, someCard[1:], lastChunk)
	a := l.Ask(doortest.Raw("POST /v1/check", body, chunked, doortest.AsCheckout))
	assert.Equal(t, 200, a.Status, a.Body)
	assert.True(t, a.Close, "no later request on a connection that had chunks")
	l.RequireEnd()
}

func TestExpectContinueIsAnswered(t *testing.T) {
	l := open(t).Dial(t)
	request := doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, "Expect: 100-continue")
	l.Send(strings.TrimSuffix(request, someCard))
	response, err := http.ReadResponse(l.R, nil)
	require.NoError(t, err)
	require.Equal(t, 100, response.StatusCode)
	l.Send(someCard)
	assert.Equal(t, 200, l.Next("POST").Status)
}

func TestHTTP10IsAnsweredAndClosed(t *testing.T) {
	l := open(t).Dial(t)
	a := l.Ask(strings.Replace(check("203.0.113.7", 1), "HTTP/1.1", "HTTP/1.0", 1))
	assert.Equal(t, 200, a.Status)
	l.RequireEnd()
}

// Requests of two callers, about several addresses each, are sent down several
// connections without waiting; every answer must be that of its own request.
func TestPipelinedAnswersAreNeverMixedUp(t *testing.T) {
	const connections, requests = 8, 120
	d := open(t)
	var wg sync.WaitGroup
	for i := range connections {
		l := d.Dial(t)
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
				response, err := http.ReadResponse(l.R, nil)
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
	user, id := doortest.AsCheckout, "X-Request-ID: "+pipelinedID(i, j)
	if j%2 == 1 {
		user = doortest.AsPayments
	}
	if j%4 == 3 {
		return doortest.Raw("POST /v1/check", strings.Repeat(" ", j), "Authorization: Basic !", id)
	}
	body := fmt.Sprintf(`{"ip":"10.%d.%d.1","card_id":"card %d","attempt_id":%q}`, i, j%4, j/4, pipelinedID(i, j))
	return doortest.Raw("POST /v1/check", body, user, id)
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
