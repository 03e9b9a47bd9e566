package velocity

import (
	"fmt"
	"net/netip"
	"slices"
)

// maxRecord bounds the encoded size of the lists and marks that rules write into any
// record, in bytes.
const maxRecord = 60 << 10

// maxRecognised is the number of newest outcomes that a record can recognise when they are
// delivered again: an outcome is repeated soon or not at all.
const maxRecognised = 64

// A Plan is the compiled form of the rules: which lists the records of each kind of
// subject have, and which rules read them. It is immutable.
type Plan struct {
	rules      []Rule
	subjects   []subjectPlan
	ipv6Prefix int
	lists      *Lists
	guard      *guard // nil: none
	proxies    []netip.Prefix
}

// A subjectPlan is the part of the plan for one kind of subject.
type subjectPlan struct {
	kind   *kind
	lists  []listPlan
	rules  []rulePlan
	holds  []holdPlan
	window span // the longest of its lists
	retain span // the longest window or hold of its rules
	// declines is the index in lists of the list of attempts that were
	// declined; -1 where no rule counts declines.
	declines int
	// completed is the index in lists of the list of attempts whose card an outcome has told;
	// -1 where no rule counts what that adds.
	completed int
}

// A listPlan is one list of a record. All rules that count the same thing with the same
// retention share it.
type listPlan struct {
	key    listKey
	kind   *kind
	bound  int  // the most elements that any rule needs: the largest block_over + 1
	window span // the longest of its rules
}

// A rulePlan is one rule on a kind of subject.
type rulePlan struct {
	index  int // in Plan.rules
	list   int // in subjectPlan.lists
	window span
	hold   span
	mark   markKey // of its hold
}

// NewPlan checks the rules and compiles them. ipv6Prefix is the number of bits of an
// IPv6 address that make one "ip" subject, 48 to 128; the caller has checked it. The
// error is a *RuleError.
func NewPlan(rules []Rule, ipv6Prefix int) (*Plan, error) {
	p := &Plan{rules: slices.Clone(rules), ipv6Prefix: ipv6Prefix}
	// The first, so that what an override lets through is known before other records are
	// updated; and always there, because an override needs no rule.
	p.subject(overridden)
	names := make(map[string]int) // to the rule
	for i := range p.rules {
		r := &p.rules[i]
		if key, expected := r.check(); key != "" {
			return nil, &RuleError{Index: i, Key: key, Expected: expected}
		}
		if first, twice := names[r.Name]; twice {
			return nil, &RuleError{Index: i, Key: "name", Expected: fmt.Sprintf("a name that rules[%d] does not have", first)}
		}
		names[r.Name] = i
		s := p.add(i)
		if len(s.holds) > maxOtherMarks {
			return nil, &RuleError{Index: i, Key: "hold",
				Expected: fmt.Sprintf("0s: the rules before it on subject %s have %d different holds, and a record keeps no more", r.Per, maxOtherMarks)}
		}
		if s.worstSize() > maxRecord {
			return nil, &RuleError{Index: i, Key: "block_over",
				Expected: "a smaller number: the records of subject " + r.Per + " could pass 60 KiB"}
		}
	}
	return p, nil
}

// With returns the plan with these network lists in place of its own.
func (p *Plan) With(lists *Lists) *Plan {
	with := *p
	with.lists = lists
	return &with
}

// WithRules returns a plan of other rules, with all else of this one. The error is a
// *RuleError.
func (p *Plan) WithRules(rules []Rule) (*Plan, error) {
	with, err := NewPlan(rules, p.ipv6Prefix)
	if err != nil {
		return nil, err
	}
	with.lists, with.guard, with.proxies = p.lists, p.guard, p.proxies
	return with, nil
}

// DefaultIPv6Prefix is the number of bits of an IPv6 address that make one "ip" subject where
// the configuration says nothing.
const DefaultIPv6Prefix = 64

// IPv6Prefix returns the number of bits of an IPv6 address that make one "ip" subject.
func (p *Plan) IPv6Prefix() int { return p.ipv6Prefix }

// Rules returns a copy of the plan's rules, in configuration order.
func (p *Plan) Rules() []Rule { return slices.Clone(p.rules) }

// add adds the i-th rule to the plan of its kind of subject.
func (p *Plan) add(i int) *subjectPlan {
	r := &p.rules[i]
	s := p.subject(kindNamed(r.Per, subjectName))
	window := spanOf(r.Window)
	element := kindNamed(r.Count, elementName)
	key := listKey{kind: element.id}
	if r.Retention == Idle {
		key.idle = window
	}
	list := s.need(listPlan{key: key, kind: element, bound: r.BlockOver + 1, window: window})
	switch {
	case element.declines:
		s.declines = s.needRecognised(declinesID, window)
	case s.completes(element):
		s.completed = s.needRecognised(completedID, window)
	}
	rp := rulePlan{index: i, list: list, window: window, hold: spanOf(r.Hold),
		mark: markKey{kind: markHold, list: key, window: window, blockOver: uint64(r.BlockOver)}}
	s.rules = append(s.rules, rp)
	s.window, s.retain = max(s.window, window), max(s.retain, window)
	if rp.hold > 0 {
		s.needHold(rp.mark, rp.hold)
	}
	return s
}

func (p *Plan) subject(k *kind) *subjectPlan {
	for i := range p.subjects {
		if p.subjects[i].kind == k {
			return &p.subjects[i]
		}
	}
	p.subjects = append(p.subjects, subjectPlan{kind: k, declines: -1, completed: -1})
	return &p.subjects[len(p.subjects)-1]
}

// completes reports whether an outcome that tells the card of an attempt adds elements of
// that kind: to the record of the card what a check would have added, to others the card.
func (s *subjectPlan) completes(element *kind) bool {
	return !element.declines && (s.kind.from == fromCard || element.from == fromCard)
}

// adds reports whether the lists of that kind take elements with that verb.
func (s *subjectPlan) adds(element *kind, v verb) bool {
	switch {
	case v == observe:
		return !element.declines && !element.completes
	case element.declines:
		return v == decline || v == completeDeclined
	}
	return v != decline && (element.completes || s.completes(element))
}

// needRecognised adds the list of attempts by which an outcome that is delivered twice is
// recognised.
func (s *subjectPlan) needRecognised(id byte, window span) (index int) {
	attempts := &kinds[kindIndex(id)]
	return s.need(listPlan{key: listKey{kind: id}, kind: attempts, bound: maxRecognised, window: window})
}

// need adds the list, or makes the one with its key large enough for one rule more, and
// returns its index.
func (s *subjectPlan) need(l listPlan) int {
	for i := range s.lists {
		if have := &s.lists[i]; have.key == l.key {
			have.bound = max(have.bound, l.bound)
			have.window = max(have.window, l.window)
			return i
		}
	}
	s.lists = append(s.lists, l)
	return len(s.lists) - 1
}

// bound is the most elements that the list may hold. Of a list that no rule of this
// instance reads it is the most that any rule can need.
func (s *subjectPlan) bound(key listKey) int {
	for i := range s.lists {
		if s.lists[i].key == key {
			return s.lists[i].bound
		}
	}
	return MaxBlockOver + 1
}

// reads reports whether some rule of this instance reads the list.
func (s *subjectPlan) reads(key listKey) bool {
	return slices.ContainsFunc(s.lists, func(l listPlan) bool { return l.key == key })
}

// worstSize bounds the encoded size of a record, in bytes, as the rules write it. An element
// takes 8 for its fingerprint and at most 5 for the time to the element before it,
// which is less than 720 hours.
func (s *subjectPlan) worstSize() int {
	const header, perList, perElement = 48, 64, 8 + 5
	size := header + len(s.holds)*maxMarkSize
	if s.kind == overridden {
		size += maxMarkSize + maxMarkData
	}
	for i := range s.lists {
		size += perList + s.lists[i].bound*perElement
	}
	return size
}
