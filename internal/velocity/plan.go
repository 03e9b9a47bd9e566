package velocity

import "slices"

// maxRecord bounds the encoded size of any record, in bytes.
const maxRecord = 60 << 10

// maxDeclinedAttempts is how many attempts a record remembers to have been told of:
// an outcome is repeated soon or not at all.
const maxDeclinedAttempts = 64

// A Plan is the rules made ready: which lists each kind of subject keeps, and
// which rules read them. It never changes.
type Plan struct {
	rules      []Rule
	subjects   []subjectPlan
	ipv6Prefix int
	lists      *Lists
}

// subjectPlan is what the record of one kind of subject is for.
type subjectPlan struct {
	kind   *kind
	lists  []listPlan
	rules  []rulePlan
	retain span // the longest window of its lists: how long a record matters
	// declinedAttempts is the list, in lists, of the attempts that are known to have
	// been declined; -1 where no rule counts declines.
	declinedAttempts int
}

// listPlan is one list of a record; all rules that count the same thing with the
// same retention share it.
type listPlan struct {
	key    listKey
	kind   *kind
	bound  int  // most elements worth keeping: the largest block_over + 1
	window span // longest of its rules
}

type rulePlan struct {
	index  int // in Plan.rules
	list   int // in subjectPlan.lists
	window span
}

// NewPlan checks the rules and lays out the records they need. ipv6Prefix is how
// many bits of an IPv6 address make one "ip" subject, 48 to 128. The error is a
// *RuleError.
func NewPlan(rules []Rule, ipv6Prefix int) (*Plan, error) {
	p := &Plan{rules: slices.Clone(rules), ipv6Prefix: ipv6Prefix}
	names := make(map[string]bool)
	for i := range p.rules {
		r := &p.rules[i]
		if key, expected := r.check(); key != "" {
			return nil, &RuleError{Index: i, Key: key, Expected: expected}
		}
		if names[r.Name] {
			return nil, &RuleError{Index: i, Key: "name", Expected: "a name no other rule has"}
		}
		names[r.Name] = true
		if s := p.add(i); s.worstSize() > maxRecord {
			return nil, &RuleError{Index: i, Key: "block_over",
				Expected: "a smaller number: the records of subject " + r.Per + " could pass 60 KiB"}
		}
	}
	return p, nil
}

// With is the plan with these lists.
func (p *Plan) With(lists *Lists) *Plan {
	with := *p
	with.lists = lists
	return &with
}

// Rules are the plan's rules, in configuration order.
func (p *Plan) Rules() []Rule { return slices.Clone(p.rules) }

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
	if element.declines {
		attempts := &kinds[kindIndex(declinedAttemptsID)]
		s.declinedAttempts = s.need(listPlan{
			key: listKey{kind: attempts.id}, kind: attempts,
			bound: maxDeclinedAttempts, window: window,
		})
	}
	s.rules = append(s.rules, rulePlan{index: i, list: list, window: window})
	s.retain = max(s.retain, window)
	return s
}

func (p *Plan) subject(k *kind) *subjectPlan {
	for i := range p.subjects {
		if p.subjects[i].kind == k {
			return &p.subjects[i]
		}
	}
	p.subjects = append(p.subjects, subjectPlan{kind: k, declinedAttempts: -1})
	return &p.subjects[len(p.subjects)-1]
}

// need makes the list serve one rule more and returns its place.
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

// bound is the most elements a list of the record may hold; a list no rule of
// this instance reads is another's to bound.
func (s *subjectPlan) bound(key listKey) int {
	for i := range s.lists {
		if s.lists[i].key == key {
			return s.lists[i].bound
		}
	}
	return MaxBlockOver + 1
}

// reads reports whether a rule of this instance reads the list.
func (s *subjectPlan) reads(key listKey) bool {
	return slices.ContainsFunc(s.lists, func(l listPlan) bool { return l.key == key })
}

// worstSize is the encoded size of a full record: 8 bytes for a fingerprint, and
// 5 for the time to the one before it, which is below 720 hours.
func (s *subjectPlan) worstSize() int {
	const header, perList, perElement = 48, 64, 8 + 5
	size := header
	for i := range s.lists {
		size += perList + s.lists[i].bound*perElement
	}
	return size
}
