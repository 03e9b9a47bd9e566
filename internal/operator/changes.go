package operator

import (
	"log/slog"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A change is what an analyst did to a subject, or an operator to a login.
type change struct {
	audit, object string // what was done, and to whom, as the audit line says
	shared        bool   // other instances know, or will when they ask the store
	event         event.Event
}

// changed records a change. Where other instances can know, it returns when all of them
// honour it: each may go on answering from its copy for as long as LocalFor.
func (a *API) changed(q *door.Request, c change, more ...slog.Attr) {
	done := time.Now()
	a.record(q, c, more...)
	if c.shared {
		q.Turn.Release() // nobody is to wait for it
		time.Sleep(a.LocalFor - time.Since(done))
	}
}

// record writes the audit line of a change, with further attributes, and tells the
// watchers.
func (a *API) record(q *door.Request, c change, more ...slog.Attr) {
	if !c.shared {
		more = append(more, slog.String("where", "(this instance only)"))
	}
	q.Audit(c.audit, c.object, more...)
	e := &c.event
	e.Time, e.RequestID, e.Caller = a.Now(q.Start), q.ID, q.Caller
	for _, watch := range a.Watchers {
		watch(e)
	}
}

// answerLeft answers a change: what of these kinds of subjects would still block the
// attempt's, the enforced rules on other kinds, which such a change does not reach, and the
// override in force, if there is one.
func (a *API) answerLeft(q *door.Request, attempt *velocity.Attempt, kinds []string) *wire.Problem {
	left := a.Checker.Inspect(attempt, kinds, a.Now(time.Now()))
	b := appendNames([]byte(`{"still_blocked_by":`), left.Blocking)
	b = appendNames(append(b, `,"depends_on":`...), a.Checker.Others(kinds))
	if left.Override != nil {
		b = append(append(b, `,"override":`...), overrideJSON(left.Override)...)
	}
	q.Answer(200, wire.JSON, append(b, '}'))
	return nil
}
