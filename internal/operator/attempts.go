package operator

import (
	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// readAttempt answers POST /v1/attempts/read: the short id of an attempt_id, by which
// decisions are found. An attempt_id may be the number of an order, so it is taken from the
// body, and the short id stands in URLs.
func (a *API) readAttempt(q *door.Request) *wire.Problem {
	var f velocity.Fields
	p := a.decode(q, wire.AttemptFields, &f, func() error { return velocity.RequireAttemptID(&f) })
	if p != nil {
		return p
	}
	answerJSON(q, struct {
		Attempt string `json:"attempt"`
	}{a.ShortIDs.Attempt(f.Value(velocity.FieldAttemptID)).String()})
	return nil
}

// decode reads the body's fields, and has parse judge them. It takes no parameters: a
// value in a URL is in the logs of proxies.
func (a *API) decode(q *door.Request, fields wire.FieldSet, f *velocity.Fields, parse func() error) *wire.Problem {
	if _, p := parseFilters(q.Query); p != nil {
		return p
	}
	decode := wire.DecoderFor(q.In.ContentType, q.In.ContentEncoding)
	if decode == nil && len(q.In.Body) > 0 {
		return wire.UnsupportedMedia
	}
	var err error
	if len(q.In.Body) > 0 {
		err = decode(string(q.In.Body), fields, f)
	}
	if err == nil {
		err = parse()
	}
	if wire.PANLike(f, err) {
		a.Metrics.PANLike()
	}
	if err != nil {
		return wire.ProblemOf(err)
	}
	return nil
}
