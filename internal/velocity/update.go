package velocity

import (
	"slices"

	"fraudcheck/internal/turns"
)

// A verb says what an update does to the record of its subject.
type verb uint8

const (
	read    verb = iota // evaluates the rules and changes nothing
	observe             // records an attempt
	decline             // records that the issuer declined an attempt, unless it is recorded already
	forget              // empties the record, for good: see Record.generation
	reseed              // writes what is known to the shared store and adds nothing
)

// An Update is one change to the record of one subject, or one look at it, and what the
// rules then find there. A store may apply it several times, each time to the record as
// another instance has just written it: only the last result counts.
type Update struct {
	key     Key
	now     Time
	plan    *Plan
	subject *subjectPlan
	verb    verb
	network uint32      // of the subject's IP address: see networkTag; 0 for none
	turn    *turns.Turn // of its check; nil: one of its own
	shown   []shown     // what observe and decline add, by the subject's lists
	// forgotten is the generation that the subject's record has at least: see rotation.go.
	forgotten uint64

	result updateResult
}

// An updateResult is what came of an update.
type updateResult struct {
	tallies  []tally // by the subject's rules
	degraded bool    // the store answered from this instance's own knowledge
	waited   bool    // because there was no turn in time; otherwise because of the store
	// generation is the record's: see Record.
	generation uint64
}

// shown is the element of one list; present is false where the attempt lacks it.
type shown struct {
	fingerprint uint64
	present     bool
}

// A tally is what one rule counts in a record.
type tally struct {
	count    int // at most block_over + 1, and "at least" there
	clearsIn int // whole seconds, rounded up, until the count is at most the rule's limit
}

// begin makes u an update with that verb, which adds no element yet. It keeps
// its turn, which is of the whole check.
func (u *Update) begin(p *Plan, s *subjectPlan, key Key, now Time, v verb) {
	u.plan, u.subject, u.key, u.now, u.verb, u.network = p, s, key, now, v, 0
	u.shown = append(u.shown[:0], make([]shown, len(s.lists))...)
	u.result.tallies = append(u.result.tallies[:0], make([]tally, len(s.rules))...)
	u.result.degraded = false
	u.forgotten = 0
}

// changes reports whether the update writes anything; otherwise it only reads.
func (u *Update) changes() bool {
	switch u.verb {
	case observe, decline:
		return slices.ContainsFunc(u.shown, func(e shown) bool { return e.present })
	case forget, reseed:
		return true
	}
	return false
}

// shows reports whether the update records an attempt.
func (u *Update) shows() bool { return u.verb == observe && u.changes() }

// apply prunes the record, carries out the verb, and evaluates the rules.
func (u *Update) apply(r *Record) {
	if u.forgotten > r.generation && u.verb != forget {
		r.startGeneration(u.forgotten)
	}
	r.prune(u.subject, u.now)
	switch u.verb {
	case observe:
		u.observe(r)
	case decline:
		if !u.repeated(r) {
			u.observe(r)
		}
	case forget:
		r.forget(max(u.now, Time(u.forgotten)))
	}
	u.result.generation = r.generation
	for i := range u.subject.rules {
		u.result.tallies[i] = u.tally(r, &u.subject.rules[i])
	}
}

func (u *Update) observe(r *Record) {
	for i, e := range u.shown {
		if e.present {
			l := &u.subject.lists[i]
			r.listFor(l.key).observe(e.fingerprint, u.now, l.bound)
		}
	}
}

// repeated reports whether the record holds this decline already.
func (u *Update) repeated(r *Record) bool {
	i := u.subject.declines
	if i < 0 {
		return false
	}
	l := r.list(u.subject.lists[i].key)
	return l != nil && l.index(u.shown[i].fingerprint) >= 0
}

// ruleResult is the result of the i-th of the subject's rules.
func (u *Update) ruleResult(i int) RuleResult {
	rule, t := &u.plan.rules[u.subject.rules[i].index], u.result.tallies[i]
	return RuleResult{Rule: rule, Outcome: rule.outcome(t.count), Count: t.count, ClearsIn: t.clearsIn}
}

// blocks reports whether an enforced rule blocks the subject.
func (u *Update) blocks() bool {
	for i := range u.result.tallies {
		if r := u.ruleResult(i); r.Rule.Mode == Enforce && r.Outcome == Block {
			return true
		}
	}
	return false
}

// tally counts for one rule in a pruned record.
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
	// The newest elements, limit of them, may stay: the count clears when the next
	// older one leaves. Of an idle list all leave at once.
	leaves := l.elements[rule.limit()].seen
	if idle {
		leaves = l.runs[0].last
	}
	t.clearsIn = int((leaves + rp.window - u.now + 999) / 1000)
	return t
}
