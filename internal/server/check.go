package server

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/velocity"
)

// check answers POST /v1/check.
func (s *Server) check(q *request) *problem {
	if p := q.parse(checkFields); p != nil {
		return p
	}
	s.Checker.Check(&q.attempt, s.Now(q.start), &q.decision)
	q.judged = true
	q.body = appendDecision(q.body[:0], &q.decision, q.fields.Value(velocity.FieldAttemptID))
	q.ctx.Response.Header.SetContentType("application/json")
	q.ctx.Response.SetBody(q.body)
	return nil
}

// outcome answers POST /v1/outcomes. Only a decline says something about the
// card: an error is the processor's or the network's trouble.
func (s *Server) outcome(q *request) *problem {
	if p := q.parse(outcomeFields); p != nil {
		return p
	}
	const expected = "approved, declined or error"
	if !q.fields.Has(velocity.FieldOutcome) {
		return fieldProblem(&velocity.FieldError{Field: velocity.FieldOutcome, Missing: true, Expected: expected})
	}
	switch q.fields.Value(velocity.FieldOutcome) {
	case "declined":
		s.Checker.Declined(&q.attempt, s.Now(q.start))
	case "approved", "error":
	default:
		return fieldProblem(&velocity.FieldError{Field: velocity.FieldOutcome, Expected: expected})
	}
	q.body = append(q.body[:0], `{"attempt_id":`...)
	q.body = append(appendString(q.body, q.fields.Value(velocity.FieldAttemptID)), '}')
	q.ctx.Response.SetStatusCode(fasthttp.StatusAccepted)
	q.ctx.Response.Header.SetContentType("application/json")
	q.ctx.Response.SetBody(q.body)
	return nil
}

// parse reads the fields from URL parameters and body, and the attempt from them.
func (q *request) parse(allowed FieldSet) *problem {
	raw, decode := q.ctx.PostBody(), decoderFor(&q.ctx.Request.Header)
	if len(raw) > 0 && decode == nil {
		return noMedia
	}
	if query := q.ctx.URI().QueryString(); len(query) > 0 {
		if err := DecodeForm(string(query), allowed, &q.fields); err != nil {
			return decodeProblem(err)
		}
	}
	if len(raw) > 0 {
		// One copy of the whole: all fields are parts of it, and none of fasthttp.
		if err := decode(string(raw), allowed, &q.fields); err != nil {
			return decodeProblem(err)
		}
	}
	if !q.fields.Has(velocity.FieldAttemptID) {
		q.fields.Set(velocity.FieldAttemptID, string(newID(q.start)))
	}
	var err error
	if q.attempt, err = velocity.ParseAttempt(&q.fields); err != nil {
		var wrong *velocity.FieldError
		errors.As(err, &wrong)
		return fieldProblem(wrong)
	}
	return nil
}

type decodeFunc func(string, FieldSet, *velocity.Fields) error

// decoderFor chooses by Content-Type; JSON where there is none.
func decoderFor(h *fasthttp.RequestHeader) decodeFunc {
	if coding := h.Peek(fasthttp.HeaderContentEncoding); len(coding) > 0 && !isWord(coding, "identity") {
		return nil
	}
	media, _, _ := bytes.Cut(h.ContentType(), []byte(";"))
	switch media = bytes.TrimSpace(media); {
	case len(media) == 0, isWord(media, "application/json"):
		return DecodeJSON
	case isWord(media, "application/x-www-form-urlencoded"):
		return DecodeForm
	}
	return nil
}

// isWord compares ASCII words without regard to case. Only the length keeps
// Unicode's look-alikes out, which are all longer.
func isWord(b []byte, word string) bool {
	return len(b) == len(word) && bytes.EqualFold(b, []byte(word))
}

func decodeProblem(err error) *problem {
	var wrong *DecodeError
	errors.As(err, &wrong)
	return &problem{status: 400, code: wrong.Code, field: wrong.Field, detail: wrong.Detail}
}

func fieldProblem(err *velocity.FieldError) *problem {
	code := "field_invalid"
	if err.Missing {
		code = "field_missing"
	}
	return &problem{status: 400, code: code, field: err.Field.String(), detail: "expected " + err.Expected}
}

func appendDecision(b []byte, d *velocity.Decision, attemptID string) []byte {
	b = append(b, `{"decision":"`...)
	b = append(b, d.Outcome.String()...)
	b = append(b, `","reasons":[`...)
	for i, reason := range d.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, reason)
	}
	b = append(b, `],"rules":[`...)
	for i := range d.Rules {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendResult(b, &d.Rules[i])
	}
	b = append(b, `],"degraded":`...)
	b = strconv.AppendBool(b, d.Degraded)
	b = append(b, `,"attempt_id":`...)
	return append(appendString(b, attemptID), '}')
}

func appendResult(b []byte, r *velocity.RuleResult) []byte {
	number := func(name string, n int) {
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = strconv.AppendInt(b, int64(n), 10)
	}
	b = append(append(b, `{"name":"`...), r.Rule.Name...)
	b = append(append(b, `","outcome":"`...), r.Outcome.String()...)
	b = append(append(append(b, `","mode":"`...), r.Rule.Mode...), '"')
	number("count", r.Count)
	number("review_over", r.Rule.ReviewOver)
	number("block_over", r.Rule.BlockOver)
	number("window_seconds", int(r.Rule.Window.Seconds()))
	number("clears_in_seconds", r.ClearsIn)
	return append(b, '}')
}
