package wire

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"fraudcheck/internal/velocity"
)

// A Problem is an answer that refuses (RFC 9457), with a code that programs can rely on
// and the field that is at fault. It is an error, so that what decodes a request can
// return it.
type Problem struct {
	Status int           // of HTTP, 400 to 599
	Code   string        // one of the documented codes, such as field_missing
	Field  string        // empty when no field is at fault
	Detail string        // for people: what was expected; it never holds input
	After  time.Duration // when to try again; 0: see RetryAfter
}

// The problems that are always the same.
var (
	NotFound         = &Problem{Status: 404, Code: "not_found", Detail: "there is nothing at this path"}
	TooLarge         = &Problem{Status: 413, Code: "body_too_large", Detail: "expected a body of at most 8 KiB"}
	UnsupportedMedia = &Problem{Status: 415, Code: "media_type", Detail: "expected application/json or application/x-www-form-urlencoded, not compressed"}
	TooSlow          = &Problem{Status: 408, Code: "too_slow", Detail: "the request did not arrive in time"}
	BodyNotAllowed   = &Problem{Status: 400, Code: "body_invalid", Detail: "expected no body"}
	Draining         = &Problem{Status: 503, Code: "overloaded", Detail: "stopping, ask another instance"}
	Internal         = &Problem{Status: 500, Code: "internal", Detail: "a fault of this service, it was logged"}
)

// MethodNotAllowed is the problem of a request with another method than the path takes;
// allowed are those, as the Allow field lists them.
func MethodNotAllowed(allowed string) *Problem {
	return &Problem{Status: 405, Code: "method", Detail: "this path takes " + allowed + " only"}
}

// MaxBody is how long the body of a request may be, in bytes. A check with every field at
// its longest is about 1.5 KiB of ASCII.
const MaxBody = 8 << 10

// RetryAfter is the value of the header Retry-After: After in whole seconds, rounded up;
// empty for no header. Every 503 has one, of at least a second, so that callers do not
// all come back at once.
func (p *Problem) RetryAfter() string {
	seconds := int64((p.After + time.Second - 1) / time.Second)
	if seconds == 0 && p.Status == 503 {
		seconds = 1
	}
	if seconds == 0 {
		return ""
	}
	return strconv.FormatInt(seconds, 10)
}

// Error returns code and detail.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// ProblemOf is the problem of a request whose fields could not be taken. err must be a
// *DecodeError, a *velocity.FieldError or a *Problem, which is returned as it is: a fault
// of any other type is a fault of the program, and panics.
func ProblemOf(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	var decodeErr *DecodeError
	if errors.As(err, &decodeErr) {
		return &Problem{Status: 400, Code: decodeErr.Code, Field: decodeErr.Field, Detail: decodeErr.Detail}
	}
	var wrong *velocity.FieldError
	errors.As(err, &wrong)
	code := "field_invalid"
	if wrong.Missing {
		code = "field_missing"
	}
	return &Problem{Status: 400, Code: code, Field: wrong.Field.String(), Detail: "expected " + wrong.Expected}
}

// Content-Types of answers.
const (
	JSON        = "application/json"
	ProblemType = "application/problem+json"
)

// Append appends the problem as a JSON object, with the id of the request, which has no
// character that JSON would escape.
func (p *Problem) Append(b, requestID []byte) []byte {
	b = append(b, `{"type":"about:blank","title":"`...)
	b = append(b, http.StatusText(p.Status)...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	b = append(b, `,"detail":`...)
	b = AppendString(b, p.Detail)
	b = append(b, `,"code":"`...)
	b = append(b, p.Code...)
	b = append(b, '"')
	if p.Field != "" {
		b = append(b, `,"field":`...)
		b = AppendString(b, p.Field)
	}
	b = append(b, `,"request_id":"`...)
	b = append(b, requestID...)
	return append(b, `"}`...)
}
