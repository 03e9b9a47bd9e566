package recent

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"

	"fraudcheck/internal/velocity"
)

// A Decision is an entry of a [Ring], as it was when it was read.
type Decision struct {
	Position
	Address       netip.Addr // the shopper's; not valid where there was none
	Card, Attempt velocity.ShortID
	Outcome       velocity.Outcome
	Reasons       []string
	Rules         []velocity.RuleResult // with Rule, Outcome and Count alone
	Degraded      bool
	Caller        string // any text: see [auth.Caller]
	RequestID     string
	More          int // decisions on the address after this one that have no entry
}

// A Position is the place of a decision among those of all instances: the newest first, and
// of one millisecond in the order of the instances. Time and number rise together.
type Position struct {
	Time     velocity.Time
	Instance uint64 // see InstanceNumber
	Number   uint64 // of one instance
}

// InstanceNumber is what stands for an instance's name in positions.
func InstanceNumber(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// Compare returns -1 where p comes before o in a list, 1 where it comes behind it, and 0 for
// the same position.
func (p Position) Compare(o Position) int {
	if p.Instance == o.Instance {
		return cmp.Compare(o.Number, p.Number)
	}
	return cmp.Or(cmp.Compare(o.Time, p.Time), cmp.Compare(p.Instance, o.Instance))
}

// A Filter says which decisions are meant; the zero value means all. A decision must be as
// each part says that is not zero.
type Filter struct {
	Outcome   *velocity.Outcome
	Rule      string // it is a reason, or a rule that did not allow, in shadow too
	Network   netip.Prefix
	Attempt   velocity.ShortID // as people read it
	RequestID string
	Since     velocity.Time // not before
}

// takes reports whether the filter takes an entry.
func (f *Filter) takes(s *slot) bool {
	switch {
	case f.Outcome != nil && *f.Outcome != s.outcome,
		f.Network.IsValid() && !f.Network.Contains(s.address),
		f.Attempt != 0 && !f.Attempt.Alike(s.attempt),
		f.RequestID != "" && f.RequestID != string(s.requestID[:s.idLength]),
		s.time < f.Since:
		return false
	}
	return f.Rule == "" || slices.Contains(s.reasons, f.Rule) ||
		slices.ContainsFunc(s.rules, func(r ruleResult) bool { return r.rule.Name == f.Rule && r.outcome != velocity.Allow })
}

// atOnce is how many entries a reader looks at before checks may go on.
const atOnce = 128

// Before returns the newest decisions behind a position, the newest first, at most limit;
// with nil, the newest of all. Further ones may come in meanwhile: they are not among them.
func (r *Ring) Before(p *Position, f *Filter, limit int) (found []Decision) {
	for next := uint64(1<<64 - 1); len(found) < limit; {
		var ended bool
		if found, next, ended = r.before(next, p, f, limit, found); ended {
			break
		}
	}
	return found
}

// before looks at atOnce numbers below next, and returns the first that it has not looked
// at. ended says that there are no more entries.
func (r *Ring) before(next uint64, p *Position, f *Filter, limit int, found []Decision) (_ []Decision, _ uint64, ended bool) {
	r.lock()
	defer r.mu.Unlock()
	if next = min(next, r.next); p != nil && p.Instance == r.instance {
		next = min(next, p.Number)
	}
	for range atOnce {
		if next <= r.oldest || len(found) == limit {
			return found, next, true
		}
		next--
		at := r.order[next&r.mask()]
		if at == none {
			continue
		}
		s := &r.slots[at]
		if s.time < f.Since {
			return found, next, true // time never falls
		}
		if f.takes(s) && (p == nil || r.position(s).Compare(*p) > 0) {
			found = append(found, r.decision(s))
		}
	}
	return found, next, false
}

func (r *Ring) position(s *slot) Position { return Position{s.time, r.instance, s.seq} }

// decision copies an entry.
func (r *Ring) decision(s *slot) Decision {
	d := Decision{
		Position: r.position(s), Address: s.address, Card: s.card, Attempt: s.attempt, Outcome: s.outcome, Reasons: slices.Clone(s.reasons),
		Degraded: s.degraded, Caller: s.caller, RequestID: string(s.requestID[:s.idLength]), More: int(s.more),
	}
	d.Rules = make([]velocity.RuleResult, len(s.rules))
	for i, f := range s.rules {
		d.Rules[i] = velocity.RuleResult{Rule: f.rule, Outcome: f.outcome, Count: int(f.count)}
	}
	return d
}
