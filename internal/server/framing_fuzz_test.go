package server

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

// After a request that is believed the connection goes on. Then another reader of
// HTTP, here net/http, must have found the same request, and the next one at the same
// byte.
func FuzzAnotherReaderFindsTheSameRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n",
		"POST /v1/check HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET /next HTTP/1.1\r\n",
		"POST /v1/check?a=b HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET",
		"GET http://a/healthz HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 02\r\nContent-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\r\nhOST:a\r\nauthorization: \t Basic x \t\r\nCookie: a=b\r\nCOOKIE:c=d\r\nOrigin:\r\nsignature: \r\n\r\n",
		"DELETE /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	} {
		f.Add([]byte(seed))
	}
	d := door.New(door.Settings{Guard: auth.NewGuard(new(auth.Policy)), Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, sent []byte) {
		ours := bufio.NewReaderSize(bytes.NewReader(sent), maxHeader)
		var ctx fasthttp.RequestCtx
		ctx.Init(new(fasthttp.Request), nil, discardLogger{})
		if ctx.Request.ReadLimitBody(ours, wire.MaxBody) != nil {
			return // answered, and closed
		}
		if ctx.Request.MayContinue() && ctx.Request.ContinueReadBody(ours, wire.MaxBody) != nil {
			return
		}
		var in door.Input
		readInput(&in, &ctx)
		q := door.Request{In: in}
		if d.Serve(&q); q.Out.Close {
			return
		}
		in = q.In
		theirs := bufio.NewReaderSize(bytes.NewReader(sent), 4*maxHeader)
		request, err := http.ReadRequest(theirs)
		require.NoError(t, err)
		body, err := io.ReadAll(request.Body)
		require.NoError(t, err)
		require.Equal(t, string(in.Method), request.Method)
		require.Equal(t, string(in.Target), request.RequestURI)
		require.True(t, strings.EqualFold(string(in.Host), request.Host), "%q %q", in.Host, request.Host)
		require.Equal(t, string(in.Body), string(body))
		for _, name := range []string{"Authorization", "Content-Type", "Origin", "Sec-Fetch-Site", "Cookie", "Signature", "X-Forwarded-For"} {
			var values []string
			for _, v := range in.Header.Values(name) {
				values = append(values, string(v))
			}
			require.Equal(t, strings.Join(request.Header.Values(name), "|"), strings.Join(values, "|"), name)
		}
		left, _ := io.ReadAll(ours)
		leftThere, _ := io.ReadAll(theirs)
		require.Equal(t, string(leftThere), string(left))
	})
}
