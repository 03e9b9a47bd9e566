// Package callers answers what is asked at the callers' port: checks and outcomes.
//
// # POST /v1/check
//
// The fields come as JSON, as a form or as URL parameters. A request that is well-formed
// gets 200 and a decision, whatever the decision is; trouble with the shared store is
// part of the decision ("degraded"), never an error.
//
// # POST /v1/outcomes
//
// The fields of the check and "outcome": approved, declined or error; with declined a
// "reason". The answer is 202 with the attempt_id. Only declined is recorded, unless the
// reason is insufficient_funds, and the card of a check that did not know it; at the time
// "at" when the issuer answered, where that was told.
//
// # Refusals
//
// A field given twice, unknown or malformed is a 400 with the field's name; an error
// never says what a field held. No header takes the place of the field "ip": the
// shopper's address is what the checkout says it is, not where the request comes from.
package callers

import (
	"net/netip"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// An API answers checks and outcomes. Its fields are set before it is used; then it may
// be used from many goroutines at once.
type API struct {
	Checker *velocity.Checker
	Now     func(time.Time) velocity.Time // the instance's time at a reading of the clock
	// Address is how the shopper's address is shown in the log (the setting log.ip);
	// empty for not at all.
	Address func(netip.Addr) string
	// AcceptNoIP: a shop may say why it has no shopper's address (accept_no_ip).
	AcceptNoIP bool
	Events     door.Events
	Watchers   []event.Watcher // of checks and outcomes
	ShortIDs   *velocity.ShortIDs
}

// Routes returns the routes of the callers' port; both need the role checker.
func (a *API) Routes() []door.Route {
	return []door.Route{
		{Methods: "POST", Path: "/v1/check", Needs: auth.Checker, Handle: a.check},
		{Methods: "POST", Path: "/v1/outcomes", Needs: auth.Checker, Handle: a.outcome},
	}
}

// scratch is the memory of one call. The request keeps it for the next one, so that a
// check allocates nothing but the strings of its body: see the allocation budgets of the
// tests.
type scratch struct {
	fields   velocity.Fields
	attempt  velocity.Attempt
	answer   velocity.IssuerAnswer // of an outcome
	decision velocity.Decision
	event    event.Event

	shortAttempt velocity.ShortID // for log and watchers
}

// scratchOf returns the memory that the request brings along from an earlier one, or new
// memory.
func scratchOf(q *door.Request) *scratch {
	s, ok := q.Scratch.(*scratch)
	if !ok {
		s = new(scratch)
		q.Scratch = s
	}
	return s
}

// check answers POST /v1/check.
func (a *API) check(q *door.Request) *wire.Problem {
	s := scratchOf(q)
	if p := a.parse(q, s, wire.CheckFields); p != nil {
		return p
	}
	now := a.Now(q.Start)
	s.attempt.Peer = q.In.Peer.Unmap()
	a.Checker.Check(&s.attempt, now, &q.Turn, &s.decision)
	q.Decision = &s.decision
	a.shortenAttempt(q, s)
	if len(a.Watchers) > 0 {
		s.event = event.Event{Kind: event.Check, Time: now, Decision: &s.decision}
		a.tell(q, s)
	}
	if reason := s.fields.Value(velocity.FieldNoIP); reason != "" && a.Events.NoIP != nil {
		a.Events.NoIP(reason)
	}
	if q.Logged {
		a.logDecision(q, s)
	}
	q.Buffer = wire.AppendDecision(q.Buffer[:0], &s.decision, s.fields.Value(velocity.FieldAttemptID))
	q.Answer(200, wire.JSON, q.Buffer)
	return nil
}

// shortenAttempt makes the short id of the attempt, where log or watchers need it.
func (a *API) shortenAttempt(q *door.Request, s *scratch) {
	if q.Logged || len(a.Watchers) > 0 {
		s.shortAttempt = a.ShortIDs.Attempt(s.fields.Value(velocity.FieldAttemptID))
	}
}

// tell tells the watchers of s.event, once it has what checks and outcomes both have.
func (a *API) tell(q *door.Request, s *scratch) {
	e := &s.event
	e.Attempt, e.AttemptID, e.RequestID, e.Caller = &s.attempt, s.fields.Value(velocity.FieldAttemptID), q.ID, q.Caller
	e.ShortCard, e.ShortAttempt = a.ShortIDs.Card(&s.attempt), s.shortAttempt
	for _, watch := range a.Watchers {
		watch(e)
	}
	*e = event.Event{} // it points into this request
}

// parse reads the fields from URL parameters and body into s.fields, and from them the
// attempt into s.attempt and the issuer's answer, if the route takes one, into s.answer. What looks like a whole card number is counted and not logged;
// where it cannot be an order's number it is refused.
func (a *API) parse(q *door.Request, s *scratch, allowed wire.FieldSet) *wire.Problem {
	s.fields = velocity.Fields{}
	decode := wire.DecoderFor(q.In.ContentType, q.In.ContentEncoding)
	if decode == nil && len(q.In.Body) > 0 {
		return wire.UnsupportedMedia
	}
	err := s.decode(q, decode, allowed)
	switch {
	case err != nil:
	case !a.AcceptNoIP && s.fields.Has(velocity.FieldNoIP):
		err = &velocity.FieldError{Field: velocity.FieldNoIP, Expected: "ip in its place: no_ip is taken where the configuration says accept_no_ip: true"}
	case allowed == wire.OutcomeFields:
		s.attempt, s.answer, err = velocity.ParseOutcome(&s.fields)
	default:
		s.attempt, err = velocity.ParseAttempt(&s.fields)
	}
	if wire.PANLike(&s.fields, err) && a.Events.PANLike != nil {
		a.Events.PANLike()
	}
	if err != nil {
		return wire.ProblemOf(err)
	}
	return nil
}

// decode reads URL parameters, then the body; a field in both counts as given twice. A
// request without an attempt_id gets one, which the answer returns.
func (s *scratch) decode(q *door.Request, decode wire.Decoder, allowed wire.FieldSet) error {
	if len(q.Query) > 0 {
		if err := wire.DecodeForm(string(q.Query), allowed, &s.fields); err != nil {
			return err
		}
	}
	if len(q.In.Body) > 0 {
		// One copy of the whole: all fields are parts of it, and none is the listener's.
		if err := decode(string(q.In.Body), allowed, &s.fields); err != nil {
			return err
		}
	}
	if !s.fields.Has(velocity.FieldAttemptID) {
		q.Buffer = door.AppendID(q.Buffer[:0], q.Start)
		s.fields.Set(velocity.FieldAttemptID, string(q.Buffer))
	}
	return nil
}
