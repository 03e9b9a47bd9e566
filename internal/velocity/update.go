package velocity

import (
	"slices"

	"fraudcheck/internal/turns"
)

// A verb says what an update does to the record of its subject.
type verb uint8

const (
	read             verb = iota // evaluates the rules and changes nothing
	observe                      // records an attempt
	decline                      // records that the issuer declined an attempt
	complete                     // records the card of an attempt whose check did not know it
	completeDeclined             // records both
	forget                       // empties the record, for good: see Record.generation
	override                     // sets an analyst's override, or removes it
	reseed                       // writes what is known to the shared store and adds nothing
)

// byAnalyst reports whether it changes what is decided of a subject, and records nothing.
func (v verb) byAnalyst() bool { return v == forget || v == override }

// An Update is one change to the record of one subject, or one look at it, and what the
// rules then find there. A store may apply it several times, each time to the record as
// another instance has just written it: only the last result counts.
type Update struct {
	key     Key
	now     Time
	at      Time // when what it adds was shown: now, or for an outcome when the issuer answered
	plan    *Plan
	subject *subjectPlan
	verb    verb
	network uint32      // of the subject's IP address: see networkTag; 0 for none
	turn    *turns.Turn // of its check; nil: one of its own
	shown   []shown     // the elements to add, by the subject's lists
	// letThrough: a list, or an override in another record, allows the attempt, whatever the
	// rules find.
	letThrough bool
	suspect    bool   // the subject is an address that is hardly a shopper's: see CollapseGuard
	override   []byte // the data of the mark that it writes; never changed
	detailed   bool   // the result has the elements that count
	clockOff   bool   // now is of a clock that is off: see Clock
	// other is what is known of the subject under the other hash key, its generation and
	// marks: see rotation.go.
	other Record

	marked bool // the record has got a later mark
	// mayDiffer: with fewer rules on the subject the result might have been another: see
	// Replay.Differs.
	mayDiffer bool
	result    updateResult
}

// An updateResult is what came of an update.
type updateResult struct {
	tallies  []tally // by the subject's rules
	degraded bool    // the store answered from this instance's own knowledge
	waited   bool    // because there was no turn in time; otherwise because of the store
	known    Record  // its generation and marks
	// elements are, by the subject's rules, those that count, newest first; only for an
	// update that is detailed.
	elements [][]element
}

// shown is the element of one list; present is false where the attempt lacks it.
type shown struct {
	fingerprint uint64
	earlier     uint64 // of the same element as an earlier attempt may have shown it; 0 for none
	present     bool
}

// A tally is what one rule counts in a record.
type tally struct {
	count    int  // at most block_over + 1, and "at least" there
	clearsIn int  // whole seconds, rounded up, until the count is at most the rule's limit and no hold runs
	held     bool // a hold runs
}

// begin makes u an update with that verb, which adds no element yet. It keeps what is of
// the whole check: its turn, and whether a list lets it through.
func (u *Update) begin(p *Plan, s *subjectPlan, key Key, now Time, v verb) {
	u.plan, u.subject, u.key, u.now, u.at, u.verb, u.network = p, s, key, now, now, v, 0
	u.shown = append(u.shown[:0], make([]shown, len(s.lists))...)
	u.result.tallies = append(u.result.tallies[:0], make([]tally, len(s.rules))...)
	u.result.degraded, u.marked, u.override, u.detailed, u.result.elements = false, false, nil, false, nil
	u.other.reset()
}

// changes reports whether the update writes anything; otherwise it only reads. An attempt
// that adds no element may still leave a mark: that is known once it was applied.
func (u *Update) changes() bool {
	switch u.verb {
	case observe, decline, complete, completeDeclined:
		return u.marked || slices.ContainsFunc(u.shown, func(e shown) bool { return e.present })
	case forget, override, reseed:
		return true
	}
	return false
}

// apply prunes the record, carries out the verb, and evaluates the rules.
func (u *Update) apply(r *Record) {
	u.carryOver(r)
	u.prune(r)
	switch u.verb {
	case observe, decline, complete, completeDeclined:
		u.observe(r)
	case forget:
		r.forget(max(u.now, Time(u.other.generation)))
	case override:
		u.setOverride(r)
	}
	u.markHolds(r)
	u.result.known.copyMarks(r)
	for i := range u.subject.rules {
		u.result.tallies[i] = u.tally(r, &u.subject.rules[i])
	}
	if u.detailed {
		u.result.elements = u.counted(r)
	}
}

// counted are the elements that each rule counts, newest first, as many as it reports.
func (u *Update) counted(r *Record) [][]element {
	all := make([][]element, len(u.subject.rules))
	for i := range all {
		rp := &u.subject.rules[i]
		if n := u.result.tallies[i].count; n > 0 {
			all[i] = slices.Clone(r.list(u.subject.lists[rp.list].key).elements[:n])
		}
	}
	return all
}

// prune prunes the record. An instance whose clock is off sets back nobody's times: they
// may be right.
func (u *Update) prune(r *Record) {
	if u.clockOff {
		r.expire(u.subject, u.now)
	} else {
		r.prune(u.subject, u.now)
	}
}

// observe adds the elements. What an outcome has told of this attempt already it does not
// add again.
func (u *Update) observe(r *Record) {
	declined, completed := u.recognised(r, u.subject.declines), u.recognised(r, u.subject.completed)
	for i, e := range u.shown {
		l := &u.subject.lists[i]
		if !e.present || l.kind.declines && declined || !l.kind.declines && completed {
			continue
		}
		list := r.listFor(l.key)
		if e.earlier != 0 && list.index(e.fingerprint) < 0 {
			if at := list.index(e.earlier); at >= 0 {
				e.fingerprint = e.earlier
				u.mayDiffer = u.mayDiffer || u.shorterMayLack(i, at, list.elements[at].seen)
			}
		}
		list.observe(e.fingerprint, u.at, l.bound)
	}
}

// recognised reports whether the attempt is in the list with that index, -1 for no list.
func (u *Update) recognised(r *Record, i int) bool {
	if i < 0 || !u.shown[i].present {
		return false
	}
	l := r.list(u.subject.lists[i].key)
	return l != nil && l.index(u.shown[i].fingerprint) >= 0
}

// ruleResult is the result of the i-th of the subject's rules.
func (u *Update) ruleResult(i int) RuleResult {
	rule, t := &u.plan.rules[u.subject.rules[i].index], u.result.tallies[i]
	return RuleResult{Rule: rule, Outcome: u.lower(t.outcome(rule)), Count: t.count, ClearsIn: t.clearsIn, Held: t.held, Suspect: u.suspect}
}

// outcome is what the rule that counts the tally finds.
func (t tally) outcome(rule *Rule) Outcome {
	if t.held {
		return Block
	}
	return rule.outcome(t.count)
}

// blocks reports whether an enforced rule blocks the subject: attempts that come with it
// and are not suspect.
func (u *Update) blocks() bool {
	for i, t := range u.result.tallies {
		if rule := &u.plan.rules[u.subject.rules[i].index]; rule.Mode == Enforce && t.outcome(rule) == Block {
			return true
		}
	}
	return false
}

// count is what the rule counts in a pruned record.
func (u *Update) count(r *Record, rp *rulePlan) int {
	l := r.list(u.subject.lists[rp.list].key)
	switch {
	case l == nil:
		return 0
	case l.key.idle > 0:
		return l.since(l.runs[0].began)
	}
	return l.within(u.now, rp.window)
}

// tally is what the rule finds in a pruned record.
func (u *Update) tally(r *Record, rp *rulePlan) tally {
	rule := &u.plan.rules[rp.index]
	t := tally{count: min(u.count(r, rp), rule.BlockOver+1)}
	if t.count > rule.limit() {
		// The newest elements, limit of them, may stay: the count clears when the next
		// older one leaves. Of an idle list all leave at once.
		l := r.list(u.subject.lists[rp.list].key)
		leaves := l.elements[rule.limit()].seen
		if l.key.idle > 0 {
			leaves = l.runs[0].last
		}
		t.clearsIn = (leaves + rp.window - u.now).wholeSeconds()
	}
	if left := u.holdLeft(r, rp); left > 0 {
		t.held, t.clearsIn = true, max(t.clearsIn, left.wholeSeconds())
	}
	return t
}
