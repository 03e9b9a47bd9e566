package server

import (
	"encoding/json"
	"strconv"

	"github.com/valyala/fasthttp"
)

// A problem is an answer that is not a decision: RFC 9457, with a code that
// programs can rely on and the field that is at fault.
type problem struct {
	status int
	code   string
	field  string
	detail string
}

var (
	notFound = &problem{status: 404, code: "not_found", detail: "there is nothing at this path"}
	noMethod = &problem{status: 405, code: "method", detail: "this path takes other methods, see Allow"}
	noRole   = &problem{status: 403, code: "role_missing", detail: "the caller lacks the role that this path needs"}
	tooLarge = &problem{status: 413, code: "body_too_large", detail: "expected a body of at most 8 KiB"}
	noMedia  = &problem{status: 415, code: "media_type", detail: "expected application/json or application/x-www-form-urlencoded, not compressed"}
	notEmpty = &problem{status: 400, code: "body_invalid", detail: "expected no body"}
	crowded  = &problem{status: 503, code: "overloaded", detail: "too many requests in flight, try again"}
	draining = &problem{status: 503, code: "overloaded", detail: "stopping, ask another instance"}
	internal = &problem{status: 500, code: "internal", detail: "a fault of this service, it was logged"}

	// What fasthttp refuses before there is a request.
	headerTooLarge = &problem{status: 431, code: "body_too_large", detail: "expected request line and headers of at most 8 KiB"}
	tooSlow        = &problem{status: 408, code: "body_invalid", detail: "the request did not arrive in time"}
	notHTTP        = &problem{status: 400, code: "body_invalid", detail: "expected a well-formed HTTP request"}
)

// refuse answers with the problem.
func (q *request) refuse(p *problem) {
	q.problem = p
	r := &q.ctx.Response
	r.SetStatusCode(p.status)
	r.Header.SetContentType("application/problem+json")
	if p.status == 503 {
		r.Header.Set("Retry-After", "1")
	}
	b := append(q.body[:0], `{"type":"about:blank","title":"`...)
	b = append(b, fasthttp.StatusMessage(p.status)...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, p.detail)
	b = append(b, `,"code":"`...)
	b = append(b, p.code...)
	b = append(b, '"')
	if p.field != "" {
		b = append(b, `,"field":`...)
		b = appendString(b, p.field)
	}
	b = append(b, `,"request_id":"`...)
	b = append(b, q.id...)
	b = append(b, `"}`...)
	q.body = b
	r.SetBody(b)
}

// appendString appends a JSON string.
func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a string always can be
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
