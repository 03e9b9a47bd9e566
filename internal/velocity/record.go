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
	// Take over the memory of a list that a shorter record left behind.
	n := len(r.lists)
	if n < cap(r.lists) {
		r.lists = r.lists[:n+1]
	} else {
		r.lists = append(r.lists, list{})
	}
	fresh := r.lists[n]
	copy(r.lists[i+1:], r.lists[i:n])
	r.lists[i] = list{key: key, elements: fresh.elements[:0], runs: fresh.runs[:0]}
	return &r.lists[i]
}

// reset makes the record remember nothing, and keeps its memory for the next.
func (r *Record) reset() {
	r.generation = 0
	r.lists = r.lists[:0]
}

// forget empties the record at now and makes that stick: see generation.
func (r *Record) forget(now Time) {
	r.generation = max(r.generation+1, uint64(now))
	r.lists = r.lists[:0]
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
}

func (r *Record) dropEmpty() {
	kept := 0
	for i := range r.lists {
		if len(r.lists[i].elements) == 0 {
			continue
		}
		r.lists[kept], r.lists[i] = r.lists[i], r.lists[kept]
		kept++
	}
	r.lists = r.lists[:kept]
}

// merge makes r what both together know. It is commutative, associative and
// idempotent, so copies may meet in any order, any number of times.
//
// The higher generation wins whole. Equal generations give, list by list, the
// union of the elements with their latest times, then the bound.
func (r *Record) merge(o *Record, s *subjectPlan) {
	if r.generation > o.generation {
		return
	}
	if r.generation < o.generation {
		r.reset()
		r.generation = o.generation
	}
	for i := range o.lists {
		from := &o.lists[i]
		r.grow(from.key).merge(from, s.bound(from.key))
	}
}
