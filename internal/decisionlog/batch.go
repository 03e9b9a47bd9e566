package decisionlog

import (
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// A batch is events that wait for the writer. Results and reasons of all of them are in one
// slice each, so that adding an event allocates nothing once the slices have grown.
type batch struct {
	entries []entry
	rules   []velocity.RuleResult
	reasons []string
}

// An entry is a copy of an event. Its texts are parts of the strings that the request's body
// was copied into, at most 8 KiB, which live as long.
type entry struct {
	kind           event.Kind
	decision       velocity.Outcome // of a check
	degraded       bool             // likewise
	at             velocity.Time
	attempt        velocity.Attempt
	shortAttempt   velocity.ShortID
	caller         string
	answer         velocity.IssuerAnswer // of an outcome
	what           string                // of a change
	until          velocity.Time         // of an override
	plan           *velocity.Plan        // of a check
	rules, reasons int                   // where those of this entry end
}

// add copies the event.
func (b *batch) add(e *event.Event) {
	b.entries = append(b.entries, entry{})
	c := &b.entries[len(b.entries)-1]
	c.kind, c.at, c.shortAttempt, c.answer, c.what, c.until = e.Kind, e.Time, e.ShortAttempt, e.Answer, e.What, e.Until
	if e.Attempt != nil {
		c.attempt = *e.Attempt
	}
	if e.Caller != nil {
		c.caller = e.Caller.Name
	}
	if d := e.Decision; d != nil {
		c.decision, c.degraded, c.plan = d.Outcome, d.Degraded, d.Plan
		b.rules = append(b.rules, d.Rules...)
		b.reasons = append(b.reasons, d.Reasons...)
	}
	c.rules, c.reasons = len(b.rules), len(b.reasons)
}

// reset empties the batch and lets go of what its events held on to.
func (b *batch) reset() {
	clear(b.entries)
	clear(b.rules)
	b.entries, b.rules, b.reasons = b.entries[:0], b.rules[:0], b.reasons[:0]
}
