package operator_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/operator"
)

// say writes to the door as no client would, and reads the answer: read tells
// what of it must be there.
func (d *door) say(t testing.TB, text string, half bool, read func(testing.TB, *http.Response, string) answer) answer {
	t.Helper()
	c, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	if half {
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	return read(t, response, "POST")
}

func TestABodyThatDoesNotArriveWhole(t *testing.T) {
	d := open(t, nil)
	head := "POST /v1/subjects/read HTTP/1.1\r\nHost: fraudcheck.test\r\n" + asAnalyst + "\r\n"
	a := d.say(t, head+"Content-Length: 100\r\n\r\n{\"per\":", true, read)
	requireProblem(t, a, 400, "body_invalid", "")
	a = d.say(t, head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n", true, read)
	requireProblem(t, a, 400, "body_invalid", "")
}

// A slow listener's connections give what is sent in the first read, then time out.
type slowListener struct{ net.Listener }

type slowConn struct {
	net.Conn
	heard atomic.Bool
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &slowConn{Conn: c}, err
}

func (c *slowConn) Read(b []byte) (int, error) {
	if c.heard.Swap(true) {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(b)
}

func TestABodyThatDoesNotArriveInTime(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	template := open(t, nil)
	d := &door{Door: operator.New(template.Settings), closed: make(chan struct{})}
	d.serve(t, slowListener{ln})
	a := d.say(t, "POST /v1/subjects/read HTTP/1.1\r\nHost: fraudcheck.test\r\n"+asAnalyst+"\r\nContent-Length: 100\r\n\r\n{\"per\":", false, read)
	requireProblem(t, a, 408, "body_invalid", "")
}

// What is refused before there is a request is answered by net/http, in its words.
func TestHeadersOf16KiBAreTooMany(t *testing.T) {
	d := open(t, nil)
	request := "GET /healthz HTTP/1.1\r\nHost: fraudcheck.test\r\nCookie: " + strings.Repeat("x", 16<<10) + "\r\n\r\n"
	a := d.say(t, request, false, func(t testing.TB, r *http.Response, _ string) answer {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return answer{status: r.StatusCode, body: string(body)}
	})
	require.Equal(t, 431, a.status)
	assert.NotContains(t, a.body, "xxx")
	assert.Empty(t, d.log.all())
}

// Who stands before us may go by the length, and take for a body what we take for
// the next request.
func TestNothingIsReadAfterABodyInChunks(t *testing.T) {
	d := open(t, nil)
	c, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, "POST /v1/logout HTTP/1.1\r\nHost: fraudcheck.test\r\nContent-Length: 70\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: fraudcheck.test\r\n\r\n")
	require.NoError(t, err)
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(all), "HTTP/1.1 "), "answers")
	assert.Contains(t, string(all), "Connection: close")
}

func TestAnswersOfOneConnectionDoNotMix(t *testing.T) {
	d := open(t, nil)
	d.show(t, "203.0.113.1", 1)
	d.show(t, "203.0.113.2", 2)
	c, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	var all strings.Builder
	for _, path := range []string{"203.0.113.1", "203.0.113.2", "localhost", "203.0.113.1"} {
		all.WriteString("GET /v1/addresses/" + path + " HTTP/1.1\r\nHost: fraudcheck.test\r\n" + asAnalyst + "\r\nX-Request-ID: of-" + path + "\r\n\r\n")
	}
	_, err = io.WriteString(c, all.String())
	require.NoError(t, err)
	r := bufio.NewReader(c)
	for _, want := range []struct{ subject, count string }{{"203.0.113.1", "1"}, {"203.0.113.2", "2"}, {"localhost", ""}, {"203.0.113.1", "1"}} {
		response, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		a := read(t, response, "GET")
		assert.Equal(t, "of-"+want.subject, a.header.Get("X-Request-Id"))
		if want.count == "" {
			requireProblem(t, a, 400, "field_invalid", "ip")
			continue
		}
		assert.Equal(t, want.subject, a.json["subject"])
		assert.Equal(t, []string{"cards_per_ip=" + want.count}, a.counts(t))
	}
}
