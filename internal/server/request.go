package server

import (
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
	asks  auth.Request
	tag   string // who speaks, in the log; empty when nothing is logged

	fields   velocity.Fields
	attempt  velocity.Attempt
	decision velocity.Decision
	judged   bool          // decision is this request's
	problem  *wire.Problem // why there is no decision
	body     []byte        // of the answer
}

func (q *request) begin(ctx *fasthttp.RequestCtx, start time.Time) {
	q.ctx, q.start, q.route, q.problem, q.judged, q.tag = ctx, start, nil, nil, false, ""
	q.fields, q.asks = velocity.Fields{}, auth.Request{}
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
