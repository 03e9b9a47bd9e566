package wire

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"fraudcheck/internal/velocity"
)

// A Problem is an answer that refuses: RFC 9457, with a code that programs can
// rely on and the field that is at fault.
type Problem struct {
	Status int
	Code   string
	Field  string // empty when no field is at fault
	Detail string
	After  time.Duration // when to try again; 0: see RetryAfter
}

// The problems that are always the same.
var (
	NotFound = &Problem{Status: 404, Code: "not_found", Detail: "there is nothing at this path"}
	NoMethod = &Problem{Status: 405, Code: "method", Detail: "this path takes other methods, see Allow"}
	TooLarge = &Problem{Status: 413, Code: "body_too_large", Detail: "expected a body of at most 8 KiB"}
	NoMedia  = &Problem{Status: 415, Code: "media_type", Detail: "expected application/json or application/x-www-form-urlencoded, not compressed"}
	TooSlow  = &Problem{Status: 408, Code: "too_slow", Detail: "the request did not arrive in time"}
	NotEmpty = &Problem{Status: 400, Code: "body_invalid", Detail: "expected no body"}
	Draining = &Problem{Status: 503, Code: "overloaded", Detail: "stopping, ask another instance"}
	Internal = &Problem{Status: 500, Code: "internal", Detail: "a fault of this service, it was logged"}
)

// MaxBody is how long the body of a request may be, in bytes.
const MaxBody = 8 << 10

// RetryAfter is the value of the header of that name, in whole seconds; empty for
// no header. Every 503 has one.
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

// Error makes a problem an error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Refused is the problem of a request whose fields could not be taken: err is a
// *DecodeError, a *velocity.FieldError or a *Problem.
func Refused(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	var undecoded *DecodeError
	if errors.As(err, &undecoded) {
		return &Problem{Status: 400, Code: undecoded.Code, Field: undecoded.Field, Detail: undecoded.Detail}
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

// Append appends the problem as JSON.
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
