package velocity

// A LoggedAttempt is an attempt as the decision log has it, by ids: see [LogIDs]. One value
// has one id, so rules count ids as they count values. What is no id is not in the log: no
// network list and no collapse guard can be applied.
type LoggedAttempt struct {
	Attempt    string            // the short id of the attempt_id
	CardWord   string            // later, now, or empty
	AnsweredAt Time              // when the issuer answered; 0 where that was not told
	IDs        map[string]string // by the names that they have in the log
}

// attempt is all of it that is no id.
func (l *LoggedAttempt) attempt() (a Attempt) {
	a.texts[FieldAttemptID], a.texts[FieldCard], a.at = l.Attempt, l.CardWord, l.AnsweredAt
	return a
}

// identity is what k counts or watches in the attempt, which is a or, where that is not nil,
// l.
func (r *Replay) identity(k *kind, a *Attempt, l *LoggedAttempt) identity {
	switch {
	case l == nil:
		return k.from.identity(a, r.plan)
	case k.from == fromAttempt:
		card := textIdentity(l.IDs["card"])
		return attemptIdentity(l.Attempt, &card)
	}
	for i := range logged {
		if logged[i].from == k.from {
			return textIdentity(l.IDs[logged[i].name])
		}
	}
	return identity{}
}

// TraceLoggedCheck is TraceCheck for an attempt of the decision log.
func (r *Replay) TraceLoggedCheck(l *LoggedAttempt, now Time, t *Trace) {
	a := l.attempt()
	a.at = 0
	r.trace(&a, l, now, observe, t)
}

// TraceLoggedOutcome is TraceOutcome for an attempt of the decision log.
func (r *Replay) TraceLoggedOutcome(l *LoggedAttempt, answer IssuerAnswer, now Time, t *Trace) {
	a := l.attempt()
	r.trace(&a, l, now, answer.verb(&a), t)
}

// TraceForget fills t with what forgets the attempt's subject of that kind. It is applied by
// Answered, as an override is.
func (r *Replay) TraceForget(l *LoggedAttempt, per string, now Time, t *Trace) {
	r.traceChange(l, per, now, forget, t)
}

// TraceOverride fills t with what puts an override in force on the attempt's IP address
// until then; with until 0 it ends the one that is.
func (r *Replay) TraceOverride(l *LoggedAttempt, o Outcome, until, now Time, t *Trace) {
	r.traceChange(l, overridden.subject, now, override, t)
	t.state = []byte{stateRemoved}
	if until > 0 {
		t.state = overrideHeader(&Override{Outcome: o, Until: until})
	}
}

// traceChange fills t with a change of one subject.
func (r *Replay) traceChange(l *LoggedAttempt, per string, now Time, v verb, t *Trace) {
	a := l.attempt()
	r.trace(&a, l, now, v, t)
	clear(t.shown)
	for i := range r.plan.subjects {
		if r.plan.subjects[i].kind.subject != per {
			t.keys[i] = Key{}
		}
	}
}

// HasLists reports whether the plan has entries of network lists.
func (p *Plan) HasLists() bool { return p.lists != nil && len(p.lists.entries) > 0 }
