package velocity

import "slices"

// A hold keeps a subject blocked for some time after the last attempt that a rule found
// over block_over, also when the elements have left by then. The record has the time of
// that attempt, a mark, and never an end: each instance adds the hold of its own rule, so
// a reload that shortens or ends a hold works at once. A mark's time obeys the rules for
// the times of elements, and forgetting ends it.
//
// Only an enforced rule writes the mark, for an attempt that was checked, and not for one
// that a list or an override let through, or whose subject is suspect. Every rule with a
// hold reads it.

// A holdPlan is a mark that the rules of a subject write, and the longest of their holds.
type holdPlan struct {
	key  markKey
	hold span
}

// needHold adds the hold of a rule.
func (s *subjectPlan) needHold(key markKey, hold span) {
	s.retain = max(s.retain, hold)
	for i := range s.holds {
		if s.holds[i].key == key {
			s.holds[i].hold = max(s.holds[i].hold, hold)
			return
		}
	}
	s.holds = append(s.holds, holdPlan{key, hold})
}

// life is how long a mark matters: the longest hold of the rules here that read it. Where
// none does it is another instance's, and matters as long as any mark may.
func (s *subjectPlan) life(key markKey) span {
	for i := range s.holds {
		if s.holds[i].key == key {
			return s.holds[i].hold
		}
	}
	return markLife
}

// hasForeignMarks reports whether the record has marks that no rule here reads: overrides,
// and those of other instances.
func (r *Record) hasForeignMarks(s *subjectPlan) bool {
	return slices.ContainsFunc(r.marks, func(m mark) bool {
		return !slices.ContainsFunc(s.holds, func(h holdPlan) bool { return h.key == m.key })
	})
}

// markHolds writes the marks of the rules that find the attempt over block_over.
func (u *Update) markHolds(r *Record) {
	if len(u.subject.holds) == 0 || u.verb != observe || u.suspect || u.passes(r) {
		return
	}
	for i := range u.subject.rules {
		rp := &u.subject.rules[i]
		rule := &u.plan.rules[rp.index]
		if rp.hold > 0 && rule.Mode == Enforce && u.count(r, rp) > rule.BlockOver {
			u.marked = r.setMark(&mark{key: rp.mark, at: u.now}) || u.marked
		}
	}
	r.boundMarks(false, maxOtherMarks)
}

// holdLeft is how long the rule's hold still runs; 0 where none does.
func (u *Update) holdLeft(r *Record, rp *rulePlan) span {
	if rp.hold == 0 {
		return 0
	}
	m := r.mark(rp.mark)
	if m == nil || u.now.age(m.at) >= rp.hold {
		return 0
	}
	return m.at + rp.hold - u.now
}
