package velocity

import "net/netip"

// A Blocking is what blocks an IP address.
type Blocking struct {
	// Reasons are the names of the enforced rules on the address or its network that block
	// it, in configuration order, where no list and no override decides; otherwise "list" or "override" alone, and
	// none where that lets it in.
	Reasons  []string
	ByRules  bool // they are names of rules
	ClearsIn int  // in how many seconds it is blocked no more, if nothing more is shown; 0: not by itself
	Degraded bool // some record came from this instance's own knowledge only, or its clock is off
}

// Blocking asks the records what blocks the address at now. It records nothing, and costs
// less than [Checker.Inspect]. The reasons are appended to those given.
func (c *Checker) Blocking(addr netip.Addr, now Time, reasons []string) (b Blocking) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	u, a := &v.update, Attempt{Address: addr}
	v.begin(c.Plan())
	v.suspect = v.plan.Suspect(addr, netip.Addr{}) != NotSuspect
	b.Reasons, b.Degraded = reasons, c.clockIsOff()
	byName := func(name string, o Outcome, until Time) {
		b.Reasons, b.ByRules, b.ClearsIn = reasons, false, 0
		if o == Block {
			b.Reasons = append(b.Reasons, name)
			if until > 0 {
				b.ClearsIn = (until - now).wholeSeconds()
			}
		}
	}
	var overriding *Override
	for i := range v.plan.subjects {
		s := &v.plan.subjects[i]
		if !s.kind.from.address || !c.beginSubject(v, s, &a, now, read) {
			continue
		}
		c.update(v, &a)
		b.Degraded = b.Degraded || u.result.degraded
		if s == v.plan.overridden() {
			if m := u.result.known.mark(overrideKey); m != nil {
				if o, _, _, ok := parseOverride(m); ok && now < o.Until {
					overriding = &o
				}
			}
		}
		for j := range s.rules {
			v.results[s.rules[j].index] = u.ruleResult(j)
		}
	}
	for _, r := range v.results {
		if r.Rule != nil && r.Rule.Mode == Enforce && r.Outcome == Block {
			b.Reasons, b.ByRules = append(b.Reasons, r.Rule.Name), true
			b.ClearsIn = max(b.ClearsIn, r.ClearsIn)
		}
	}
	switch listed := v.plan.lists.find(addr, now); {
	case overriding != nil:
		byName("override", overriding.Outcome, overriding.Until)
	case listed != nil && listed.Until.IsZero():
		byName("list", listed.Outcome, 0)
	case listed != nil:
		byName("list", listed.Outcome, TimeOf(listed.Until))
	}
	return b
}
