package server

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

const headerRequestID = "X-Request-Id"

// As they are sent, so that nothing is spelled anew for each answer.
var (
	requestID    = []byte(headerRequestID)
	cacheControl = []byte(fasthttp.HeaderCacheControl)
	noStore      = []byte("no-store")
	contentType  = []byte("application/json")
)

// A request is the memory of one call. ctx dies with the handler, and with it
// everything borrowed from it.
type request struct {
	ctx   *fasthttp.RequestCtx
	route *route // nil: no such path
	start time.Time
	id    []byte // what X-Request-ID answers
	tag   string // who speaks, in the log; empty when nothing is logged

	preflight bool // a browser's question, before it sends a page's request

	asks   auth.Request
	caller *auth.Caller // once authenticated

	fields   velocity.Fields
	attempt  velocity.Attempt
	decision velocity.Decision
	judged   bool          // decision is this request's
	problem  *wire.Problem // why there is no decision
	body     []byte        // of the answer
	attrs    []slog.Attr   // of its log line
}

func (q *request) begin(ctx *fasthttp.RequestCtx, start time.Time) {
	q.ctx, q.start, q.route, q.problem, q.judged, q.tag, q.caller = ctx, start, nil, nil, false, "", nil
	q.fields = velocity.Fields{}
	asked := &ctx.Request.Header
	q.asks = auth.Request{
		Header: header{asked}, At: start, Peer: peerOf(ctx), Method: asked.Method(), Target: asked.RequestURI(), Host: asked.Host(),
	}
	q.id = q.id[:0]
	if given := ctx.Request.Header.Peek(headerRequestID); wire.Traceable(given) {
		q.id = append(q.id, given...)
	} else {
		q.id = wire.AppendID(q.id, start)
	}
	h := &ctx.Response.Header
	h.SetCanonical(requestID, q.id)
	h.SetCanonical(cacheControl, noStore)
}

// peerOf is the connection's other end; not valid on a unix socket.
func peerOf(ctx *fasthttp.RequestCtx) netip.Addr {
	if a, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}

// sign signs the answer, where the request was signed.
func (q *request) sign() {
	if !q.asks.Signed() {
		return
	}
	r := &q.ctx.Response
	digest, input, signature := q.asks.SignAnswer(r.StatusCode(), r.Body())
	r.Header.Set("Content-Digest", digest)
	r.Header.Set("Signature-Input", input)
	r.Header.Set("Signature", signature)
}

// header shows the guard the header of a request.
type header struct{ *fasthttp.RequestHeader }

func (h header) Values(name string) [][]byte { return h.PeekAll(name) }
