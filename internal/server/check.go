package server

import (
	"github.com/valyala/fasthttp"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// check answers POST /v1/check.
func (s *Server) check(q *request) *wire.Problem {
	if p := s.parse(q, wire.CheckFields); p != nil {
		return p
	}
	s.Checker.Check(&q.attempt, s.Now(q.start), q.asks.StoreWaited, &q.decision)
	q.judged = true
	q.body = wire.AppendDecision(q.body[:0], &q.decision, q.fields.Value(velocity.FieldAttemptID))
	q.ctx.Response.Header.SetContentTypeBytes(contentType)
	q.ctx.Response.SetBody(q.body)
	return nil
}

// outcome answers POST /v1/outcomes. Only a decline says something about the
// card: an error is the processor's or the network's trouble.
func (s *Server) outcome(q *request) *wire.Problem {
	if p := s.parse(q, wire.OutcomeFields); p != nil {
		return p
	}
	const expected = "approved, declined or error"
	if !q.fields.Has(velocity.FieldOutcome) {
		return wire.Refused(&velocity.FieldError{Field: velocity.FieldOutcome, Missing: true, Expected: expected})
	}
	switch q.fields.Value(velocity.FieldOutcome) {
	case "declined":
		s.Checker.Declined(&q.attempt, s.Now(q.start))
	case "approved", "error":
	default:
		return wire.Refused(&velocity.FieldError{Field: velocity.FieldOutcome, Expected: expected})
	}
	q.body = append(q.body[:0], `{"attempt_id":`...)
	q.body = append(wire.AppendString(q.body, q.fields.Value(velocity.FieldAttemptID)), '}')
	q.ctx.Response.SetStatusCode(fasthttp.StatusAccepted)
	q.ctx.Response.Header.SetContentType("application/json")
	q.ctx.Response.SetBody(q.body)
	return nil
}

// parse reads the fields from URL parameters and body, and the attempt from them.
func (s *Server) parse(q *request, allowed wire.FieldSet) *wire.Problem {
	h := &q.ctx.Request.Header
	decode := wire.DecoderFor(h.ContentType(), h.Peek(fasthttp.HeaderContentEncoding))
	if decode == nil && len(q.ctx.PostBody()) > 0 {
		return wire.NoMedia
	}
	err := q.decode(decode, allowed)
	if err == nil {
		q.attempt, err = velocity.ParseAttempt(&q.fields)
	}
	if err == nil {
		return nil
	}
	if wire.PANLike(&q.fields, err) {
		s.Events.PANLike()
	}
	return wire.Refused(err)
}

func (q *request) decode(decode wire.Decoder, allowed wire.FieldSet) error {
	if query := q.ctx.URI().QueryString(); len(query) > 0 {
		if err := wire.DecodeForm(string(query), allowed, &q.fields); err != nil {
			return err
		}
	}
	if raw := q.ctx.PostBody(); len(raw) > 0 {
		// One copy of the whole: all fields are parts of it, and none of fasthttp.
		if err := decode(string(raw), allowed, &q.fields); err != nil {
			return err
		}
	}
	if !q.fields.Has(velocity.FieldAttemptID) {
		q.body = wire.AppendID(q.body[:0], q.start)
		q.fields.Set(velocity.FieldAttemptID, string(q.body))
	}
	return nil
}
