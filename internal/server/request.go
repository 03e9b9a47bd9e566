package server

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

const headerRequestID = "X-Request-Id"

// A request is the memory of one call. ctx dies with the handler, and with it
// everything borrowed from it.
type request struct {
	ctx   *fasthttp.RequestCtx
	route *route // nil: no such path
	start time.Time
	id    []byte // what X-Request-ID answers
	tag   string // who speaks, in the log; empty when nothing is logged

	asks   auth.Request
	caller *auth.Caller // once authenticated

	fields   velocity.Fields
	attempt  velocity.Attempt
	decision velocity.Decision
	judged   bool          // decision is this request's
	problem  *wire.Problem // why there is no decision
	body     []byte        // of the answer
}

func (q *request) begin(ctx *fasthttp.RequestCtx, start time.Time) {
	q.ctx, q.start, q.route, q.problem, q.judged, q.tag, q.caller = ctx, start, nil, nil, false, "", nil
	q.asks = auth.Request{
		Header: header{&ctx.Request.Header}, Now: start, TLS: ctx.IsTLS(), Method: ctx.Method(), Host: ctx.Request.Header.Host(),
	}
	if peer, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		q.asks.Peer = peer.AddrPort().Addr()
	}
	q.fields = velocity.Fields{}
	q.id = q.id[:0]
	if given := ctx.Request.Header.Peek(headerRequestID); wire.Traceable(given) {
		q.id = append(q.id, given...)
	} else {
		q.id = append(q.id, wire.NewID(start)...)
	}
	h := &ctx.Response.Header
	h.SetBytesV(headerRequestID, q.id)
	h.Set(fasthttp.HeaderCacheControl, "no-store")
}

// header shows the guard the header of a request.
type header struct{ *fasthttp.RequestHeader }

func (h header) Values(name string) [][]byte { return h.PeekAll(name) }
