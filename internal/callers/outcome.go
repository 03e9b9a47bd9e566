package callers

import (
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// outcome answers POST /v1/outcomes. Where the issuer's answer does not count and tells no
// card, nothing is recorded, but the fields must be right all the same.
func (a *API) outcome(q *door.Request) *wire.Problem {
	s := scratchOf(q)
	if p := a.parse(q, s, wire.OutcomeFields); p != nil {
		return p
	}
	told := s.answer
	now := a.Now(q.Start)
	late := a.Checker.Answered(&s.attempt, s.answer, now, &q.Turn)
	if late {
		s.answer = velocity.LateAnswer
	}
	if a.Events.Outcome != nil {
		a.Events.Outcome(s.answer)
	}
	a.shortenAttempt(q, s)
	if len(a.Watchers) > 0 {
		s.event = event.Event{Kind: event.Outcome, Time: now, Answer: told}
		a.tell(q, s)
	}
	if q.Logged {
		a.logOutcome(q, s, told, late)
	}
	q.Buffer = append(q.Buffer[:0], `{"attempt_id":`...)
	q.Buffer = append(wire.AppendString(q.Buffer, s.fields.Value(velocity.FieldAttemptID)), '}')
	q.Answer(202, wire.JSON, q.Buffer)
	return nil
}
