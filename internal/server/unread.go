package server

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/wire"
)

// What fasthttp refuses before there is a request.
var (
	headerTooLarge = &wire.Problem{Status: 431, Code: "header_too_large", Detail: "expected request line and headers of at most 8 KiB"}
	chunksTooLarge = &wire.Problem{Status: 413, Code: wire.TooLarge.Code, Detail: wire.TooLarge.Detail}
	badCoding      = &wire.Problem{Status: 501, Code: "coding_unsupported", Detail: "expected no transfer coding but chunked, once, in HTTP/1.1"}
	notHTTP        = &wire.Problem{Status: 400, Code: "body_invalid", Detail: "expected a well-formed HTTP request"}
)

// otherVersion is how fasthttp names a version that it cannot parse, such as HTTP/2.
var otherVersion = regexp.MustCompile(`unsupported http version "HTTP/[0-9]+[0-9.]*"`)

// allowChunks lets a body in chunks grow to maxChunks, beyond what is taken: fasthttp
// forgets the header of a body that it gives up, and route and caller are to be judged
// first. A body of a declared length needs no reading to be refused. The time makes
// fasthttp call [listener.Conn.SetReadDeadline], which looks at the chunks; there is no
// other way to the connection from here.
func (s *Server) allowChunks(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if h.ContentLength() == -1 {
		c.MaxRequestBodySize, c.ReadTimeout = maxChunks, s.Read
	}
	return c
}

// checkExpectation is asked before the body of a request with Expect: 100-continue is
// read. A head with a fault of framing is answered at once; every other gets 100
// Continue, and is judged once its body is there.
func (s *Server) checkExpectation(ctx *fasthttp.RequestCtx) (status int) {
	var in door.Input
	readInput(&in, ctx)
	in.BadChunks = false // nothing was read of them yet
	if in.CheckFraming() == nil {
		return fasthttp.StatusContinue
	}
	s.serve(ctx, nil)
	return ctx.Response.StatusCode()
}

// plainHTTP is the answer to HTTP without TLS at a port that speaks TLS, with its request id.
const plainHTTP = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nX-Request-ID: %s\r\n" +
	"Connection: close\r\n\r\nThis port speaks TLS: ask it by https.\n"

// noteTLSFailure answers a caller that speaks plain HTTP, and tells the door's events.
func (s *Server) noteTLSFailure(f listener.TLSFailure) {
	if f.Plain != nil {
		_, _ = fmt.Fprintf(f.Plain, plainHTTP, door.AppendID(nil, time.Now()))
	}
	if s.door.Events.TLSFailed != nil {
		s.door.Events.TLSFailed(f.Reason, f.From, f.Err)
	}
}

// handleUnread answers what fasthttp gave up reading: too large, too slow, or no HTTP. A
// connection that was reset, or never completed its TLS handshake, gets no answer.
func (s *Server) handleUnread(ctx *fasthttp.RequestCtx, err error) {
	c, ours := ctx.Conn().(*listener.Conn)
	if errors.Is(err, syscall.ECONNRESET) || ours && c.Handshaking() {
		return // nobody could read an answer: a probe, or see noteTLSFailure
	}
	if ours {
		defer c.LingerOnClose()
	}
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		if len(ctx.Request.Header.Host()) == 0 {
			s.serve(ctx, chunksTooLarge) // the header is forgotten
			return
		}
		s.serve(ctx, wire.TooLarge)
	case errors.Is(err, fasthttp.ErrUnsupportedTransferEncoding):
		s.serve(ctx, badCoding)
	case errors.As(err, &small):
		s.serve(ctx, headerTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		s.serve(ctx, wire.TooSlow)
	case otherVersion.MatchString(err.Error()):
		s.serve(ctx, door.BadVersion)
	case ours && c.BadChunks():
		s.serve(ctx, door.BadChunks)
	default:
		s.serve(ctx, notHTTP)
	}
}
