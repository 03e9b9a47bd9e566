package server

import (
	"github.com/valyala/fasthttp"

	"fraudcheck/internal/wire"
)

var (
	crowded = &wire.Problem{Status: 503, Code: "overloaded", Detail: "too many requests in flight, try again"}

	// What fasthttp refuses before there is a request.
	headerTooLarge = &wire.Problem{Status: 431, Code: "body_too_large", Detail: "expected request line and headers of at most 8 KiB"}
	chunksTooLarge = &wire.Problem{Status: 413, Code: wire.TooLarge.Code, Detail: wire.TooLarge.Detail}
	notHTTP        = &wire.Problem{Status: 400, Code: "body_invalid", Detail: "expected a well-formed HTTP request"}
)

// refuse answers with the problem.
func (q *request) refuse(p *wire.Problem) {
	q.problem = p
	r := &q.ctx.Response
	r.SetStatusCode(p.Status)
	r.Header.SetContentType(wire.ProblemType)
	if after := p.RetryAfter(); after != "" {
		r.Header.Set(fasthttp.HeaderRetryAfter, after)
	}
	q.body = p.Append(q.body[:0], q.id)
	r.SetBody(q.body)
}
