package velocity

import (
	"hash/maphash"
	"slices"

	"fraudcheck/internal/slab"
)

// replayBytes is the most memory that the records of a replay may take. It is never
// reached: no record is to leave before its end, and memory is taken as it is needed.
const replayBytes = 1 << 36

// A Replay decides about the attempts of a history as one instance would have that has the
// embedded store alone and a clock that shows the time of each. It judges with the records,
// rules and lists of the service; only its hashes are others. Those of [Keys] protect a
// store that is stolen, and are most of what a check costs; the records of a replay end with
// the process, so a hash of 64 bits under a random seed serves (hash/maphash). It tells
// elements apart as well as the 64 bits of a fingerprint do.
//
// A history is judged in two steps. Tracing (TraceCheck, TraceOutcome) depends on the
// attempt alone and may be done by many goroutines at once. Judging (Check, Answered)
// changes records, and is for one goroutine, in the order of the history.
type Replay struct {
	plan    *Plan
	memory  *Memory
	subject [2]maphash.Seed // of the halves of a Key
	element maphash.Seed
	whole   *ReplayPart
	from    []int // where the lists of each of the plan's subjects begin in Trace.shown
	lists   int
	rules   []int // of each rule, the index of its subject in the plan's
}

// NewReplay returns a Replay without records. The error says that the system gives no
// memory.
func NewReplay(plan *Plan) (*Replay, error) {
	memory, err := NewMemory(replayBytes)
	if err != nil {
		return nil, err
	}
	r := &Replay{plan: plan, memory: memory, element: maphash.MakeSeed(), subject: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	r.whole = r.Part(0, 1)
	for i := range plan.subjects {
		r.from = append(r.from, r.lists)
		r.lists += len(plan.subjects[i].lists)
	}
	for i := range plan.rules {
		r.rules = append(r.rules, slices.IndexFunc(plan.subjects, func(s subjectPlan) bool { return s.kind.subject == plan.rules[i].Per }))
	}
	return r, nil
}

// Records returns how many records are kept now.
func (r *Replay) Records() int { return r.memory.table.Stats().Records }

// Lost reports whether records left before their end, because the system gave no more memory.
func (r *Replay) Lost() bool {
	for _, n := range r.memory.table.Stats().EvictedInWindow {
		if n > 0 {
			return true
		}
	}
	return false
}

// A Trace is what the rules of one Replay need to know of an attempt, or of an outcome. It
// holds nothing of the attempt's text. Its memory is reused when it is filled again.
type Trace struct {
	listed  *Entry
	suspect Suspicion
	verb    verb
	at      Time    // when what it shows is counted
	state   []byte  // of an override
	keys    []Key   // by the plan's subjects; zero where the attempt has none
	shown   []shown // by the lists of all subjects
}

// TraceCheck fills t with what the attempt shows when it is checked at now.
func (r *Replay) TraceCheck(a *Attempt, now Time, t *Trace) {
	r.trace(a, nil, now, observe, t)
	t.listed = r.plan.lists.find(a.Address, now)
	t.suspect = r.plan.Suspect(a.Address, a.Peer)
}

// TraceOutcome fills t with what the issuer's answer adds when it is heard at now. It
// reports false for an answer that adds nothing.
func (r *Replay) TraceOutcome(a *Attempt, answer IssuerAnswer, now Time, t *Trace) (adds bool) {
	v := answer.verb(a)
	if v == read {
		return false
	}
	r.trace(a, nil, now, v, t)
	return slices.ContainsFunc(t.shown, func(e shown) bool { return e.present })
}

// trace is to a Replay what Checker.begin and call.shown are to a Checker.
func (r *Replay) trace(a *Attempt, l *LoggedAttempt, now Time, v verb, t *Trace) {
	t.verb, t.listed, t.suspect, t.state = v, nil, NotSuspect, nil
	t.at = a.countedAt(now)
	t.keys = append(t.keys[:0], make([]Key, len(r.plan.subjects))...)
	t.shown = append(t.shown[:0], make([]shown, r.lists)...)
	for i := range r.plan.subjects {
		s := &r.plan.subjects[i]
		if len(s.rules) == 0 && l == nil {
			continue // nobody asks, and there are no overrides
		}
		id := r.identity(s.kind, a, l)
		if !id.known() {
			continue
		}
		t.keys[i] = r.key(s.kind, &id)
		for j := range s.lists {
			list := &s.lists[j]
			if s.adds(list.kind, v) && now.age(t.at) < list.window {
				t.shown[r.from[i]+j] = r.shown(list.kind, a, l, now, v)
			}
		}
	}
}

// shown is the attempt's element of that kind.
func (r *Replay) shown(k *kind, a *Attempt, l *LoggedAttempt, now Time, v verb) (e shown) {
	if v == observe && a.later() && k.from == fromAttempt {
		id := a.texts[FieldAttemptID]
		this, before := laterAttemptIdentity(id, now), laterAttemptIdentity(id, now-second)
		return shown{r.fingerprint(k, &this), r.fingerprint(k, &before), true}
	}
	if id := r.identity(k, a, l); id.known() {
		e.fingerprint, e.present = r.fingerprint(k, &id), true
	}
	return e
}

// key is never zero, but with a probability of 2 to the power of -128.
func (r *Replay) key(k *kind, id *identity) (key Key) {
	for half := range r.subject {
		sum := hashOf(r.subject[half], k, id)
		for i := range 8 {
			key[8*half+i] = byte(sum >> (8 * i))
		}
	}
	return key
}

// fingerprint does without the subject: nobody reads these records.
func (r *Replay) fingerprint(k *kind, id *identity) uint64 { return hashOf(r.element, k, id) }

func hashOf(seed maphash.Seed, k *kind, id *identity) uint64 {
	var in [1 + len(identity{})]byte
	in[0] = k.id
	copy(in[1:], id[:])
	return maphash.Bytes(seed, in[:])
}

// A Judgement is what a Replay finds for an attempt.
type Judgement struct {
	Decision
	// Results are by the plan's rules; one without a Rule was skipped, as the attempt lacks
	// its subject.
	Results []RuleResult
	// Above: an override or a list of networks decided, and no rule.
	Above bool
	// AtMost is the strictest outcome of a result that is Suspect: see [CollapseGuard].
	AtMost Outcome
}

// Check records the attempt at now under all rules and decides, as [Checker.Check] does.
// Check overwrites j and reuses its memory.
func (r *Replay) Check(t *Trace, now Time, j *Judgement) {
	j.Results = append(j.Results[:0], make([]RuleResult, len(r.plan.rules))...)
	override := r.whole.check(t, now, j.Results)
	r.decide(t, override, j)
}

// Decide decides about an attempt that all parts have recorded: j.Results is what they found.
func (r *Replay) Decide(t *Trace, j *Judgement) { r.decide(t, nil, j) }

func (r *Replay) decide(t *Trace, override *Outcome, j *Judgement) {
	j.reset(r.plan)
	if j.Suspect, j.AtMost = t.suspect, Block; t.suspect != NotSuspect {
		j.AtMost = r.plan.guard.atMost
	}
	for i := range j.Results {
		if j.Results[i].Rule != nil {
			j.Rules = append(j.Rules, j.Results[i])
		}
	}
	j.judge(override, t.listed, nil)
	j.Above = override != nil || t.listed != nil
}

// Answered records what the issuer answered, heard at now, as [Checker.Answered] does.
func (r *Replay) Answered(t *Trace, now Time) { r.whole.Answered(t, now) }

// A ReplayPart is the part of a Replay that one goroutine judges, at the side of others: the
// records of some of the shards of the table. No record depends on another, so the parts need
// not wait for each other. They share no shard, as a shard drops the records that have ended
// by the time of whoever comes: one part may be hours ahead of another. Overrides are for a
// Replay that is judged whole.
type ReplayPart struct {
	*Replay
	update   Update
	part, of int
}

// Part returns the part with that index of so many.
func (r *Replay) Part(part, of int) *ReplayPart {
	return &ReplayPart{Replay: r, part: part, of: of}
}

// Check records the attempt at now for the part's subjects, and sets what the rules on them
// find in results, which is by the plan's rules.
func (p *ReplayPart) Check(t *Trace, now Time, results []RuleResult) { p.check(t, now, results) }

func (p *ReplayPart) check(t *Trace, now Time, results []RuleResult) (override *Outcome) {
	u := &p.update
	u.letThrough = t.listed != nil && t.listed.Outcome == Allow
	for i := range p.plan.subjects {
		s := &p.plan.subjects[i]
		if !p.has(t, i) {
			continue
		}
		p.apply(i, t, now)
		if i == 0 {
			if outcome, inForce := u.result.known.override(now); inForce {
				override = &outcomes[outcome]
				u.letThrough = outcome == Allow
			}
		}
		for k := range s.rules {
			results[s.rules[k].index] = u.ruleResult(k)
		}
	}
	return override
}

// Answered records what the issuer answered for the part's subjects.
func (p *ReplayPart) Answered(t *Trace, now Time) {
	p.update.letThrough = false
	for i := range p.plan.subjects {
		if p.has(t, i) && (t.verb == forget || t.verb == override || slices.ContainsFunc(p.ofSubject(i, t), func(e shown) bool { return e.present })) {
			p.apply(i, t, now)
		}
	}
}

// has reports whether the attempt has the i-th of the plan's subjects, and it is the part's.
func (p *ReplayPart) has(t *Trace, i int) bool {
	key := &t.keys[i]
	return *key != (Key{}) && (p.of == 1 || p.memory.table.ShardOf((*slab.Key)(key))%p.of == p.part)
}

// apply updates the record of the i-th of the plan's subjects.
func (p *ReplayPart) apply(i int, t *Trace, now Time) {
	u := &p.update
	s := &p.plan.subjects[i]
	u.begin(p.plan, s, t.keys[i], now, t.verb)
	u.at, u.override = t.at, t.state
	u.suspect = t.suspect != NotSuspect && s.kind.from.address
	copy(u.shown, p.ofSubject(i, t))
	p.memory.Update(u)
}

// ofSubject are the elements shown to the i-th of the plan's subjects.
func (r *Replay) ofSubject(i int, t *Trace) []shown {
	return t.shown[r.from[i]:][:len(r.plan.subjects[i].lists)]
}

// Subject returns a hash that stands for the subject of the rule with that index, the same
// for all rules on it and for the whole replay; zero where the attempt has none.
func (r *Replay) Subject(t *Trace, rule int) Key { return t.keys[r.rules[rule]] }

// Differs reports whether some result so far might be another one if the plan had fewer
// rules or shorter lists. It is false unless an attempt whose card is known later came again
// within the next second, and a list as short as any rule can need had lost it by then: to
// such a list it would be another attempt.
func (r *Replay) Differs() bool { return r.whole.update.mayDiffer }

// shorterMayLack reports whether a list of the shortest bound, or of the window of another
// rule that reads the i-th list, may lack the element that is at that index.
func (u *Update) shorterMayLack(i, at int, seen Time) bool {
	const shortest = 2 // a block_over of 1, and one more
	return at >= shortest || slices.ContainsFunc(u.subject.rules, func(rp rulePlan) bool {
		return rp.list == i && u.now.age(seen) >= rp.window
	})
}

// A Subject is one subject of a kind, to be compared with those of attempts.
type Subject struct {
	kind *kind
	id   identity
	plan *Plan
}

// Subject returns the attempt's subject of that kind, which is one in the table of kinds.
func (p *Plan) Subject(per string, a *Attempt) Subject {
	k := kindNamed(per, subjectName)
	return Subject{k, k.from.identity(a, p), p}
}

// Is reports whether the attempt has this subject.
func (s *Subject) Is(a *Attempt) bool { return s.kind.from.identity(a, s.plan) == s.id }
