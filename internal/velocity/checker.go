package velocity

import (
	"slices"
	"sync"
	"sync/atomic"

	"fraudcheck/internal/turns"
)

// A Store keeps the records.
type Store interface {
	// Update applies u to the record of its subject, atomically among all updates of
	// that subject, and keeps the record at least as long as the longest window of its
	// lists, and as a hold or an override may last. It never fails: when the store cannot
	// learn in time what other instances know, it answers from what this instance knows and
	// marks the result degraded.
	Update(u *Update)
}

// A Checker answers checks and takes outcomes. It may be used from many
// goroutines at once.
type Checker struct {
	plan  atomic.Pointer[Plan]
	keys  *Keys
	store Store
	calls sync.Pool // *call

	previous  *previous // of the hash key, while that is changed: see rotation.go
	overrides metOverrides

	clockOff func() bool // nil: never

	// onFailure, when set, is the decision where the shared store did not answer.
	onFailure *Outcome
}

// A call holds the state of one call of the Checker. Calls are pooled, so that a check
// allocates nothing.
type call struct {
	plan    *Plan
	macs    *macs
	update  Update
	results []RuleResult // by the plan's rules; without a Rule: not evaluated
	suspect bool         // the attempt's address is hardly a shopper's
	aged    bool         // some element is not in update: it was shown a whole window ago

	previous *call // for the records under the previous hash key; nil where there is none
}

// begin prepares for results of the plan's rules.
func (v *call) begin(plan *Plan) {
	v.plan = plan
	v.results = append(v.results[:0], make([]RuleResult, len(plan.rules))...)
	v.update.turn, v.update.letThrough, v.suspect = nil, false, false
}

// NewChecker returns a Checker that evaluates the plan's rules on records in the store.
func NewChecker(plan *Plan, keys *Keys, store Store) *Checker {
	c := &Checker{keys: keys, store: store}
	c.calls.New = func() any { return c.newCall() }
	c.plan.Store(plan)
	return c
}

func (c *Checker) newCall() *call {
	v := &call{macs: c.keys.macs.New().(*macs)}
	if c.previous != nil {
		v.previous = &call{macs: c.previous.keys.macs.New().(*macs)}
	}
	return v
}

// Plan returns the plan in force.
func (c *Checker) Plan() *Plan { return c.plan.Load() }

// Replace puts another plan in force, for the calls that begin from now on. A lower
// block_over or shorter window holds at once, also for elements that are recorded
// already. A higher block_over or longer window is exact only for elements shown from
// now on: the lists did not keep more than the old plan needed.
func (c *Checker) Replace(plan *Plan) { c.plan.Store(plan) }

// Check records the attempt at now under all rules and decides. turn is the request's: it
// is taken where the store must be asked, and the caller gives it back. With nil each
// subject takes one of its own. Check overwrites d and reuses its memory.
func (c *Checker) Check(a *Attempt, now Time, turn *turns.Turn, d *Decision) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	plan := c.Plan()
	v.begin(plan)
	listed := plan.lists.find(a.Address, now)
	v.update.turn, v.update.letThrough = turn, listed != nil && listed.Outcome == Allow
	d.reset(plan)
	d.Suspect = plan.Suspect(a.Address, a.Peer)
	v.suspect = d.Suspect != NotSuspect
	d.ClockOff = c.clockIsOff()
	d.Degraded = d.ClockOff
	var override *Outcome
	for i := range plan.subjects {
		r := c.check(v, &plan.subjects[i], a, now)
		d.Degraded = d.Degraded || r.degraded
		d.StoreFailed = d.StoreFailed || r.degraded && !r.waited
		if len(r.known.marks) == 0 || i > 0 {
			continue
		}
		c.met(v, a)
		if outcome, inForce := r.known.override(now); inForce {
			override = &outcomes[outcome]
			v.update.letThrough = outcome == Allow
		}
	}
	for i := range v.results {
		if v.results[i].Rule != nil {
			d.Rules = append(d.Rules, v.results[i])
		}
	}
	d.UnboundedLater = a.later() && !slices.ContainsFunc(d.Rules, RuleResult.boundsLater)
	d.judge(override, listed, c.onFailure)
}

// OnFailure makes o the decision whenever the shared store does not answer in time, in
// place of what this instance knows; not where a check had no turn in time to ask it.
// Attempts are recorded all the same. It must be called before the first check.
func (c *Checker) OnFailure(o Outcome) { c.onFailure = &o }

// ClockOff makes off report whether the instance's clock is off, as [Clock.Off] does. It
// then answers degraded and sets back no times. It must be called before the first check.
func (c *Checker) ClockOff(off func() bool) { c.clockOff = off }

func (c *Checker) clockIsOff() bool { return c.clockOff != nil && c.clockOff() }

// check updates the record of one of the attempt's subjects and stores the results of
// its rules in v. A rule whose element the attempt lacks is read and adds nothing.
func (c *Checker) check(v *call, s *subjectPlan, a *Attempt, now Time) (r updateResult) {
	u := &v.update
	if !c.begin(v, s, a, now, observe) {
		return r
	}
	c.update(v, a)
	for i := range s.rules {
		v.results[s.rules[i].index] = u.ruleResult(i)
	}
	return u.result
}

// Answered records what the issuer answered: a decline that counts, and the card of an
// attempt whose check did not know it. It is counted at the time of the answer, or at now
// where that was not told. A repeat with the same attempt_id and card changes nothing. late
// says that the answer is older than the windows of all rules that it would be counted for,
// so that nothing was recorded. turn is as for [Checker.Check].
func (c *Checker) Answered(a *Attempt, answer IssuerAnswer, now Time, turn *turns.Turn) (late bool) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	v.begin(c.Plan())
	v.update.turn = turn
	verb, age := answer.verb(a), now.age(a.countedAt(now))
	var longest span // of all windows
	counted := false
	for i := range v.plan.subjects {
		s := &v.plan.subjects[i]
		if longest = max(longest, s.window); verb == read || !c.begin(v, s, a, now, verb) {
			continue
		}
		counted, late = counted || v.update.changes(), late || v.aged
		if v.update.changes() {
			c.update(v, a)
		}
	}
	return !counted && (late || age >= longest && a.at > 0)
}

// begin makes v.update the update of the attempt's subject of that kind, with the
// elements that it adds. It reports false when the attempt has no such subject.
func (c *Checker) begin(v *call, s *subjectPlan, a *Attempt, now Time, verb verb) bool {
	if !c.beginSubject(v, s, a, now, verb) {
		return false
	}
	u := &v.update
	u.at, v.aged = a.countedAt(now), false
	for i := range s.lists {
		l := &s.lists[i]
		if !s.adds(l.kind, verb) {
			continue
		}
		if e := v.shown(l.kind, a, verb); now.age(u.at) < l.window {
			u.shown[i] = e
		} else {
			v.aged = v.aged || e.present
		}
	}
	return true
}

// shown is the attempt's element of that kind.
func (v *call) shown(k *kind, a *Attempt, verb verb) (e shown) {
	u := &v.update
	if verb == observe && a.later() && k.from == fromAttempt {
		id := a.texts[FieldAttemptID]
		this, before := laterAttemptIdentity(id, u.now), laterAttemptIdentity(id, u.now-second)
		return shown{v.macs.fingerprint(&u.key, k, &this), v.macs.fingerprint(&u.key, k, &before), true}
	}
	if id := k.from.identity(a, v.plan); id.known() {
		e.fingerprint, e.present = v.macs.fingerprint(&u.key, k, &id), true
	}
	return e
}

// beginSubject makes v.update an update of the attempt's subject of that kind, which
// adds no element. It reports false when the attempt has no such subject.
func (c *Checker) beginSubject(v *call, s *subjectPlan, a *Attempt, now Time, verb verb) bool {
	id := s.kind.from.identity(a, v.plan)
	if !id.known() {
		return false
	}
	v.update.begin(v.plan, s, v.macs.key(s.kind, &id), now, verb)
	v.update.clockOff = c.clockIsOff()
	v.update.suspect = v.suspect && s.kind.from.address
	if s.kind.from.address {
		v.update.network = networkTag(a.Address)
	}
	return true
}
