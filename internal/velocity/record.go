package velocity

import "slices"

// A Record is all that is remembered of one subject. Its zero value is the record of a
// subject that was never seen. It is a plain value: methods compute, they neither lock
// nor wait nor read a clock.
type Record struct {
	// generation is the time at which the record was last forgotten, in milliseconds
	// since the Unix epoch; 0 for never. In a merge the higher generation wins, so an
	// older copy elsewhere does not bring back what was forgotten. It is a time and not
	// a count, so that this holds also when the instance that forgets did not know of
	// the last time.
	generation uint64
	lists      []list // ordered by key, none twice, none empty
	marks      []mark // ordered by key, none twice
}

// list returns the list with that key, nil where there is none.
func (r *Record) list(key listKey) *list {
	for i := range r.lists {
		if r.lists[i].key == key {
			return &r.lists[i]
		}
	}
	return nil
}

// listFor returns the list with that key, and adds it where there is none.
func (r *Record) listFor(key listKey) *list {
	i := 0 // there are a few at most
	for i < len(r.lists) && r.lists[i].key.compare(key) < 0 {
		i++
	}
	if i < len(r.lists) && r.lists[i].key == key {
		return &r.lists[i]
	}
	r.lists = openGap(r.lists, i)
	spare := &r.lists[i]
	*spare = list{key: key, elements: spare.elements[:0], runs: spare.runs[:0]}
	return spare
}

// reset empties the record and keeps its memory.
func (r *Record) reset() {
	r.generation = 0
	r.lists, r.marks = r.lists[:0], r.marks[:0]
}

// forget empties the record at now, but for lasting marks. See generation.
func (r *Record) forget(now Time) {
	r.startGeneration(max(r.generation+1, uint64(now)))
}

// startGeneration drops what belongs to the generation before.
func (r *Record) startGeneration(generation uint64) {
	r.generation = generation
	r.lists = r.lists[:0]
	r.marks = keep(r.marks, func(m *mark) bool { return m.key.lasting })
}

// prune drops the elements that no rule of the plan counts any more at now, and the
// marks that have ended. It sets back times too far ahead. Lists for which the plan has
// no rule stay as they are: they are another instance's to prune.
func (r *Record) prune(s *subjectPlan, now Time) {
	r.setBack(s, now+ahead)
	r.expire(s, now)
}

// setBack sets times after latest back to it.
func (r *Record) setBack(s *subjectPlan, latest Time) {
	for i := range s.lists {
		if l := r.list(s.lists[i].key); l != nil {
			l.clamp(latest)
		}
	}
	for i := range r.marks {
		r.marks[i].at = min(r.marks[i].at, latest)
	}
}

// expire is prune without setting back times.
func (r *Record) expire(s *subjectPlan, now Time) {
	for i := range s.lists {
		if l := r.list(s.lists[i].key); l != nil {
			l.expire(now, s.lists[i].window)
		}
	}
	r.dropEmpty()
	r.marks = keep(r.marks, func(m *mark) bool { return now.age(m.at) < markLife })
}

func (r *Record) dropEmpty() {
	r.lists = keep(r.lists, func(l *list) bool { return len(l.elements) > 0 })
}

// retain is the time for which the record matters to any instance, counted from its
// latest time. Lists and marks that no rule here reads matter to instances with other
// rules, as the fact that the record was forgotten does: these as long as any window may
// be.
func (r *Record) retain(s *subjectPlan) span {
	if r.generation > 0 || r.hasForeignMarks(s) || slices.ContainsFunc(r.lists, func(l list) bool { return !s.reads(l.key) }) {
		return spanOf(MaxWindow)
	}
	if len(r.marks) > 0 {
		return s.retain
	}
	return s.window
}

// merge adds to r what o knows. It is commutative, associative and idempotent, so
// copies may be merged in any order, any number of times.
//
// The higher generation wins whole, but for lasting marks, which belong to none. Of
// equal generations the result has, list by list, the union of the elements with their
// latest times, cut to the bound; and of marks with one key the one that supersedes.
func (r *Record) merge(o *Record, s *subjectPlan) {
	if r.generation < o.generation {
		r.startGeneration(o.generation)
	}
	r.mergeMarks(o, r.generation > o.generation)
	if r.generation > o.generation {
		return
	}
	for i := range o.lists {
		from := &o.lists[i]
		r.listFor(from.key).merge(from, s.bound(from.key))
	}
}

// changed is about when the record was last changed: the latest time in it.
func (r *Record) changed() (latest Time) {
	latest = min(Time(r.generation), latestTime)
	for i := range r.lists {
		if l := &r.lists[i]; len(l.elements) > 0 {
			latest = max(latest, l.elements[0].seen)
		}
	}
	for i := range r.marks {
		latest = max(latest, r.marks[i].at)
	}
	return latest
}
