package velocity

import (
	"sync"
	"sync/atomic"
)

// A Store keeps the records. Update is the one operation that matters: it applies
// u to the record of its subject, atomically among all updates of that subject,
// and keeps the result at least as long as the longest window of its lists. It
// never fails: what others know and it cannot learn in time, it answers from what
// this instance knows, and says so.
type Store interface {
	Update(u *Update)
}

// A Checker answers checks and takes outcomes. It may be used from many
// goroutines at once.
type Checker struct {
	plan   atomic.Pointer[Plan]
	keys   *Keys
	store  Store
	visits sync.Pool // *visit

	// onFailure, when set, is the answer in place of what this instance knows.
	onFailure *Outcome
}

// visit is the memory of one call.
type visit struct {
	plan    *Plan
	macs    *macs
	update  Update
	results []RuleResult // by the plan's rules; no Rule: left out
}

// begin makes room for the results of the plan's rules.
func (v *visit) begin(plan *Plan) {
	v.plan = plan
	v.results = append(v.results[:0], make([]RuleResult, len(plan.rules))...)
	v.update.result.waited = 0
}

// NewChecker puts rules, keys and store together.
func NewChecker(plan *Plan, keys *Keys, store Store) *Checker {
	c := &Checker{keys: keys, store: store}
	c.visits.New = func() any { return &visit{macs: keys.macs.New().(*macs)} }
	c.plan.Store(plan)
	return c
}

// Plan is the plan in force.
func (c *Checker) Plan() *Plan { return c.plan.Load() }

// Replace puts another plan in force, for the checks that begin from now on. A
// lowered limit holds at once for records that exist; a raised one, and a longer
// window, are exact for what is shown from now on.
func (c *Checker) Replace(plan *Plan) { c.plan.Store(plan) }

// Check records the attempt at now, under all rules, and decides; d is
// overwritten and its memory used again.
func (c *Checker) Check(a *Attempt, now Time, d *Decision) {
	v := c.visits.Get().(*visit)
	defer c.visits.Put(v)
	plan := c.Plan()
	v.begin(plan)
	d.reset(plan)
	for i := range plan.subjects {
		d.Degraded = c.check(v, &plan.subjects[i], a, now) || d.Degraded
	}
	for i := range v.results {
		if v.results[i].Rule != nil {
			d.Rules = append(d.Rules, v.results[i])
		}
	}
	d.judge(plan.lists.find(a.Address, now), c.onFailure)
}

// OnFailure makes o the answer whenever the shared store did not give its own in
// time, in place of what this instance knows; attempts are recorded all the same.
// It must be called before the first check.
func (c *Checker) OnFailure(o Outcome) { c.onFailure = &o }

// check updates one subject's record and notes what its rules found.
func (c *Checker) check(v *visit, s *subjectPlan, a *Attempt, now Time) (degraded bool) {
	u := &v.update
	if !c.begin(v, s, a, now, observe) {
		return false
	}
	c.store.Update(u)
	for i := range s.rules {
		rp := &s.rules[i]
		if l := &s.lists[rp.list]; !u.shown[rp.list].present && !l.kind.declines {
			continue // the attempt lacks the element
		}
		v.results[rp.index] = u.ruleResult(i)
	}
	return u.result.degraded
}

// Declined records at now that the issuer declined the attempt's card. Repeated with
// the same attempt_id and card, it changes nothing.
func (c *Checker) Declined(a *Attempt, now Time) {
	v := c.visits.Get().(*visit)
	defer c.visits.Put(v)
	v.begin(c.Plan())
	for i := range v.plan.subjects {
		s := &v.plan.subjects[i]
		if c.begin(v, s, a, now, decline) && v.update.changes() {
			c.store.Update(&v.update)
		}
	}
}

// begin fills v's update for the subject: which one it is, and what of the attempt
// its lists observe. decline fills the lists of the issuer's answers, observe all the
// others. It reports false when the attempt has no such subject.
func (c *Checker) begin(v *visit, s *subjectPlan, a *Attempt, now Time, verb verb) bool {
	if !c.address(v, s, a, now, verb) {
		return false
	}
	u := &v.update
	for i := range s.lists {
		l := &s.lists[i]
		if l.kind.declines != (verb == decline) {
			continue
		}
		if id := l.kind.from.identity(a, v.plan); id.known() {
			u.shown[i] = shown{fingerprint: v.macs.fingerprint(&u.key, l.kind, &id), present: true}
		}
	}
	return true
}

// address begins an update of the subject that adds nothing yet; it reports false
// when the attempt has no such subject.
func (c *Checker) address(v *visit, s *subjectPlan, a *Attempt, now Time, verb verb) bool {
	id := s.kind.from.identity(a, v.plan)
	if !id.known() {
		return false
	}
	v.update.begin(v.plan, s, v.macs.key(s.kind, &id), now, verb)
	return true
}
