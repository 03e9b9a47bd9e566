package velocity

import "slices"

// A Record is all that is remembered of one subject. Its zero value remembers
// nothing. It is a plain value: methods compute, they neither lock nor wait.
type Record struct {
	// generation is the time at which the record was last forgotten, 0 for never. A
	// record of a higher generation wins whole over one of a lower, so what was
	// forgotten cannot come back from a copy that has not heard of it; being a time,
	// not a count, it does so too when the one who forgot knew of no earlier one.
	generation uint64
	lists      []list // ordered by key, none twice, none empty
	marks      []mark // ordered by key, none twice
}

// list returns the list with that key, or nil.
func (r *Record) list(key listKey) *list {
	for i := range r.lists {
		if r.lists[i].key == key {
			return &r.lists[i]
		}
	}
	return nil
}

// grow returns the list with that key, made when it is missing.
func (r *Record) grow(key listKey) *list {
	i, found := slices.BinarySearchFunc(r.lists, key, func(l list, key listKey) int { return l.key.compare(key) })
	if found {
		return &r.lists[i]
	}
	r.lists = openGap(r.lists, i)
	spare := &r.lists[i]
	*spare = list{key: key, elements: spare.elements[:0], runs: spare.runs[:0]}
	return spare
}

// reset makes the record remember nothing, and keeps its memory for the next.
func (r *Record) reset() {
	r.generation = 0
	r.lists, r.marks = r.lists[:0], r.marks[:0]
}

// forget empties the record at now and makes that stick: see generation. Lasting
// marks stay.
func (r *Record) forget(now Time) {
	r.enter(max(r.generation+1, uint64(now)))
}

// enter begins a higher generation: what belongs to the one before is dropped.
func (r *Record) enter(generation uint64) {
	r.generation = generation
	r.lists = r.lists[:0]
	r.marks = keep(r.marks, func(m *mark) bool { return m.key.lasting })
}

// prune drops what no rule of the plan can count any more, and pulls back what
// was dated too far ahead. Lists the plan has no rule for stay as they are.
func (r *Record) prune(s *subjectPlan, now Time) {
	for i := range s.lists {
		if l := r.list(s.lists[i].key); l != nil {
			l.pullBack(now + ahead)
			l.expire(now, s.lists[i].window)
		}
	}
	r.dropEmpty()
	r.pruneMarks(now)
}

func (r *Record) dropEmpty() {
	r.lists = keep(r.lists, func(l *list) bool { return len(l.elements) > 0 })
}

// retain is how long the record matters to any instance, counted from its latest
// time. A list that no rule here reads matters to an instance with other rules; so do
// marks, and that the record was forgotten: all of these as long as any window may be.
func (r *Record) retain(s *subjectPlan) span {
	if r.generation > 0 || len(r.marks) > 0 || slices.ContainsFunc(r.lists, func(l list) bool { return !s.reads(l.key) }) {
		return spanOf(MaxWindow)
	}
	return s.retain
}

// merge makes r what both together know. It is commutative, associative and
// idempotent, so copies may meet in any order, any number of times.
//
// The higher generation wins whole, but for lasting marks. Equal generations give,
// list by list, the union of the elements with their latest times, then the bound;
// and of each mark the one that supersedes the other.
func (r *Record) merge(o *Record, s *subjectPlan) {
	if r.generation < o.generation {
		r.enter(o.generation)
	}
	r.mergeMarks(o, r.generation > o.generation)
	if r.generation > o.generation {
		return
	}
	for i := range o.lists {
		from := &o.lists[i]
		r.grow(from.key).merge(from, s.bound(from.key))
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
