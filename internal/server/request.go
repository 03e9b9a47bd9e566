package server

import (
	"crypto/rand"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/valyala/fasthttp"

	"fraudcheck/internal/velocity"
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

	fields   velocity.Fields
	attempt  velocity.Attempt
	decision velocity.Decision
	judged   bool     // decision is this request's
	problem  *problem // why there is no decision
	body     []byte   // of the answer
}

func (q *request) begin(ctx *fasthttp.RequestCtx, start time.Time) {
	q.ctx, q.start, q.route, q.problem, q.judged, q.tag = ctx, start, nil, nil, false, ""
	q.fields = velocity.Fields{}
	q.id = q.id[:0]
	if given := ctx.Request.Header.Peek(headerRequestID); traceable(given) {
		q.id = append(q.id, given...)
	} else {
		q.id = append(q.id, newID(start)...)
	}
	h := &ctx.Response.Header
	h.SetBytesV(headerRequestID, q.id)
	h.Set(fasthttp.HeaderCacheControl, "no-store")
}

// newID is an identifier that sorts by time (ULID).
func newID(now time.Time) []byte {
	id := ulid.MustNew(ulid.Timestamp(now), rand.Reader)
	text := make([]byte, ulid.EncodedSize)
	_ = id.MarshalTextTo(text) // the size is right
	return text
}

// traceable reports whether a caller's request id may stand in logs and answers:
// [A-Za-z0-9._-]{1,64} without 13 digits in a row, as a card number has.
func traceable(id []byte) bool {
	digits := 0
	for _, c := range id {
		switch {
		case '0' <= c && c <= '9':
			if digits++; digits == 13 {
				return false
			}
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '.', c == '_', c == '-':
			digits = 0
		default:
			return false
		}
	}
	return 1 <= len(id) && len(id) <= 64
}
