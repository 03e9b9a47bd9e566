package velocity

import (
	"net/netip"
	"slices"
	"strings"
)

// A Report says what is known of one subject, and what that means for its next attempt.
type Report struct {
	Watched bool         // some rule watches such subjects; otherwise nothing is known of any
	Rules   []RuleResult // of the rules on this subject, in configuration order
	// Elements are what each of the Rules counts, newest first; where its count is
	// block_over + 1 there may be older ones.
	Elements [][]Element
	// KnownCard and NewCard are what the enforced rules would decide now for a card
	// that the subject has shown already, and for another card.
	KnownCard, NewCard Outcome
	// Suspect is why the attempt's address is hardly a shopper's, so that rules on it do not
	// block; that a check comes over a connection from there is not known before.
	Suspect  Suspicion
	Blocking []string  // what would block another card: names of enforced rules, or "list" or "override"
	Listed   *Entry    // the entry of the network lists for the address, which decides unless there is an Override; nil for none
	Override *Override // the one in force on the address, which decides; nil for none
	Degraded bool      // some record came from this instance's own knowledge only, or its clock is off
}

// An Element is something that a subject has shown and a rule counts.
type Element struct {
	ID  string // a short id: it tells the elements of one subject apart, and means nothing outside it
	Age int    // whole seconds since it was last shown
}

// Inspect reports on the attempt's subjects of the kinds named in per at now. It
// records nothing.
func (c *Checker) Inspect(a *Attempt, per []string, now Time) (r Report) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	u := &v.update
	v.begin(c.Plan())
	r.Suspect = v.plan.Suspect(a.Address, a.Peer)
	v.suspect = r.Suspect != NotSuspect
	r.Degraded = c.clockIsOff()
	elements := make([][]Element, len(v.results))
	for i := range v.plan.subjects {
		s := &v.plan.subjects[i]
		if !slices.Contains(per, s.kind.subject) {
			continue
		}
		r.Watched = r.Watched || len(s.rules) > 0
		if !c.beginSubject(v, s, a, now, read) {
			continue
		}
		u.detailed = true
		c.update(v, a)
		r.Degraded = r.Degraded || u.result.degraded
		if i == 0 {
			c.met(v, a)
			r.Override = c.openOverride(v, now)
		}
		for j := range s.rules {
			result := u.ruleResult(j)
			v.results[s.rules[j].index] = result
			elements[s.rules[j].index] = c.elements(u, u.result.elements[j])
			if result.Rule.Mode == Enforce {
				known, fresh := s.next(j, result)
				known, fresh = u.lower(known), u.lower(fresh)
				r.KnownCard, r.NewCard = max(r.KnownCard, known), max(r.NewCard, fresh)
				if fresh == Block {
					r.Blocking = append(r.Blocking, result.Rule.Name)
				}
			}
		}
	}
	for i, result := range v.results {
		if result.Rule != nil {
			r.Rules, r.Elements = append(r.Rules, result), append(r.Elements, elements[i])
		}
	}
	if r.Listed = v.plan.lists.find(a.Address, now); r.Listed != nil {
		r.decided(r.Listed.Outcome, "list")
	}
	if r.Override != nil {
		r.decided(r.Override.Outcome, "override")
	}
	return r
}

// decided makes o what the address would hear whatever the rules find; by is the reason.
func (r *Report) decided(o Outcome, by string) {
	r.KnownCard, r.NewCard, r.Blocking = o, o, nil
	if o == Block {
		r.Blocking = []string{by}
	}
}

// elements are those of one rule as they are shown.
func (c *Checker) elements(u *Update, counted []element) (all []Element) {
	for _, e := range counted {
		all = append(all, Element{c.keys.elementID(u.key, e.fingerprint), int(u.now.age(e.seen) / second)})
	}
	return all
}

// next returns what the rule would find for the subject's next attempt, with a card
// that counts already and with another one. That attempt is no retry; it shows no new
// address, and no decline is added before it.
func (s *subjectPlan) next(rule int, r RuleResult) (known, fresh Outcome) {
	one := max(r.Outcome, r.Rule.outcome(r.Count+1)) // a hold that runs blocks that one too
	switch s.lists[s.rules[rule].list].kind.grows {
	case byCard:
		return r.Outcome, one
	case byAttempt:
		return one, one
	}
	return r.Outcome, r.Outcome
}

// Forget empties the record of the attempt's subject of that kind at now, so that no
// older copy brings it back. It reports false when only this instance has: the shared
// store did not answer in time.
func (c *Checker) Forget(a *Attempt, per string, now Time) (shared bool) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	u := &v.update
	v.begin(c.Plan())
	for i := range v.plan.subjects {
		s := &v.plan.subjects[i]
		if s.kind.subject == per && c.beginSubject(v, s, a, now, forget) {
			c.update(v, a)
			return !u.result.degraded
		}
	}
	return true // no rule watches such subjects, so none has a record
}

// Others returns the names of the enforced rules on kinds of subjects other than per:
// those that forgetting a subject of per does not change.
func (c *Checker) Others(per []string) (names []string) {
	for _, r := range c.Plan().rules {
		if r.Mode == Enforce && !slices.Contains(per, r.Per) {
			names = append(names, r.Name)
		}
	}
	return names
}

// Subject returns the "ip" subject of the address, as text: an IPv4 address itself, an
// IPv6 address as its network of ipv6_prefix bits.
func (c *Checker) Subject(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return subjectOf(addr, c.Plan()).String()
}

// AddressSubject returns the "ip" subject of a valid address: an IPv4 address with all its bits,
// of an IPv6 address the network of ipv6_prefix bits.
func (p *Plan) AddressSubject(addr netip.Addr) netip.Prefix { return subjectOf(addr, p) }

// ParseSubject judges the fields by which an analyst names a subject: per, and value or
// a card's own fields. It returns the kind's name and an attempt that has this subject
// only. The error is a *FieldError.
func ParseSubject(f *Fields) (per string, a Attempt, err error) {
	per = f.Value(FieldPer)
	k := kindNamed(per, subjectName)
	if k == nil {
		return "", a, &FieldError{
			Field: FieldPer, Missing: !f.Has(FieldPer),
			Expected: "one of " + strings.Join(kindNames(subjectName), ", "),
		}
	}
	return per, a, k.from.name(&a, f)
}
