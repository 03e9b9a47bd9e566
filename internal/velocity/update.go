package velocity

import "time"

// An Update is one attempt's, or one outcome's, change to the record of one
// subject, together with what the rules then find there. A store applies it as
// often as it must to make the change stick: only the last time counts.
type Update struct {
	key     Key
	now     Time
	plan    *Plan
	subject *subjectPlan
	// What to observe, by the subject's lists.
	shown []shown
	// once is set for an outcome: when the list of that place already holds what
	// it would observe, the update changes nothing.
	once int
	// forget empties the record instead.
	forget bool
	// reseed writes what is known and observes nothing.
	reseed bool
	// What was found, by the subject's rules.
	tallies []tally

	// waited is how long the check has waited for the store so far, all its
	// subjects together.
	waited time.Duration
	// degraded: the store answered from this instance's own knowledge.
	degraded bool
}

type shown struct {
	fingerprint uint64
	present     bool
}

// A tally is what a rule finds in a record.
type tally struct {
	count    int // at most block_over + 1, and "at least" there
	clearsIn int // whole seconds until the count is at most the rule's limit
}

func (u *Update) begin(p *Plan, s *subjectPlan, key Key, now Time) {
	u.plan, u.subject, u.key, u.now, u.once = p, s, key, now, -1
	u.forget, u.reseed, u.degraded = false, false, false
	u.shown = append(u.shown[:0], make([]shown, len(s.lists))...)
	u.tallies = append(u.tallies[:0], make([]tally, len(s.rules))...)
}

// changes reports whether the update writes anything; otherwise it only reads.
func (u *Update) changes() bool {
	for i := range u.shown {
		if u.shown[i].present {
			return true
		}
	}
	return u.forget || u.reseed
}

// shows reports whether the update is that of an attempt.
func (u *Update) shows() bool { return u.once < 0 && !u.forget && !u.reseed && u.changes() }

// apply brings the record up to date, observes, and evaluates the rules.
func (u *Update) apply(r *Record) {
	r.prune(u.subject, u.now)
	if u.forget {
		r.forget(u.now)
	} else if !u.repeated(r) {
		for i, e := range u.shown {
			if e.present {
				l := &u.subject.lists[i]
				r.grow(l.key).observe(e.fingerprint, u.now, l.bound)
			}
		}
	}
	for i := range u.subject.rules {
		u.tallies[i] = u.tally(r, &u.subject.rules[i])
	}
}

// result is what the subject's i-th rule found.
func (u *Update) result(i int) RuleResult {
	rule, t := &u.plan.rules[u.subject.rules[i].index], u.tallies[i]
	return RuleResult{Rule: rule, Outcome: rule.outcome(t.count), Count: t.count, ClearsIn: t.clearsIn}
}

// blocks reports whether an enforced rule found the subject to be blocked.
func (u *Update) blocks() bool {
	for i := range u.tallies {
		if r := u.result(i); r.Rule.Mode == Enforce && r.Outcome == Block {
			return true
		}
	}
	return false
}

func (u *Update) repeated(r *Record) bool {
	if u.once < 0 {
		return false
	}
	l := r.list(u.subject.lists[u.once].key)
	return l != nil && l.index(u.shown[u.once].fingerprint) >= 0
}

// tally counts what the rule counts in a pruned record.
func (u *Update) tally(r *Record, rp *rulePlan) tally {
	rule := &u.plan.rules[rp.index]
	l := r.list(u.subject.lists[rp.list].key)
	if l == nil {
		return tally{}
	}
	idle := rule.Retention == Idle
	var count int
	if idle {
		count = l.since(l.runs[0].began)
	} else {
		count = l.within(u.now, rp.window)
	}
	t := tally{count: min(count, rule.BlockOver+1)}
	if t.count <= rule.limit() {
		return t
	}
	// The newest elements, as many as the limit allows, may stay: it clears when
	// the next older one leaves; an idle list when all leave.
	leaves := l.elements[rule.limit()].seen
	if idle {
		leaves = l.runs[0].last
	}
	t.clearsIn = int((leaves + rp.window - u.now + 999) / 1000)
	return t
}
