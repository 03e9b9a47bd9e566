package velocity

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// A mark is an entry of a record beside its lists: a time, and data that only marks of
// its kind give a meaning. An instance keeps and merges all marks, also those of kinds
// that it does not know. A mark is not deleted before it has ended: a later mark with
// the same key takes its place, and its data may say that nothing holds any more.
type mark struct {
	key  markKey
	at   Time
	data []byte // at most maxMarkData bytes
}

// A markKey tells the marks of a record apart. What marks of a kind do not need is 0.
type markKey struct {
	kind byte
	// lasting marks survive forgetting, whatever the generations. This is part of the
	// key because merging must be associative: of two marks that differed in it only,
	// which one is left would depend on the order in which records are merged.
	lasting   bool
	list      listKey
	window    span
	blockOver uint64
}

// The kinds of marks. They stand in records: never changed, never reused.
const (
	// markHold is the time of the last attempt that an enforced rule with this list, window
	// and block_over found over block_over: see hold.go. It has no data.
	markHold = 1
	// markOverride is an analyst's decision about the subject, or its removal: see
	// override.go. It is lasting; its key has nothing else.
	markOverride = 2
)

// Bounds of the marks of one record: beyond them the oldest leave. They are numbers of
// marks, not of bytes: with a bound on bytes, what is kept would depend on the order in
// which records merge. All of them take at most 6 KiB. worstSize counts those that rules
// write.
const (
	maxMarkSize     = 48      // bytes of one mark beside its data
	maxMarkData     = 1 << 10 // bytes of one mark's data
	maxLastingMarks = 4
	maxOtherMarks   = 32
)

// markLife is the longest time for which a mark may matter, in milliseconds: no hold and
// no override is longer.
const markLife = span(MaxWindow / time.Millisecond)

func (k markKey) compare(o markKey) int {
	return cmp.Or(
		cmp.Compare(k.kind, o.kind), compareBool(k.lasting, o.lasting), k.list.compare(o.list),
		cmp.Compare(k.window, o.window), cmp.Compare(k.blockOver, o.blockOver),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// supersedes reports whether m replaces o, which has the same key: the later one does, of
// one time the one whose data sorts last.
func (m *mark) supersedes(o *mark) bool {
	return cmp.Or(cmp.Compare(m.at, o.at), bytes.Compare(m.data, o.data)) > 0
}

// mark returns the mark with that key, nil where there is none.
func (r *Record) mark(key markKey) *mark {
	for i := range r.marks {
		if r.marks[i].key == key {
			return &r.marks[i]
		}
	}
	return nil
}

// setMark adds the mark, or replaces the one with its key if it supersedes that, and
// reports whether it did. It copies the data.
func (r *Record) setMark(m *mark) (changed bool) {
	i, found := slices.BinarySearchFunc(r.marks, m.key, func(m mark, key markKey) int { return m.key.compare(key) })
	if !found {
		r.marks = openGap(r.marks, i)
	} else if !m.supersedes(&r.marks[i]) {
		return false
	}
	r.marks[i] = mark{key: m.key, at: m.at, data: append(r.marks[i].data[:0], m.data...)}
	return true
}

// mergeMarks adds the marks of o, or its lasting marks only, and reports whether one was
// later than what r had.
func (r *Record) mergeMarks(o *Record, lastingOnly bool) (changed bool) {
	for i := range o.marks {
		if m := &o.marks[i]; m.key.lasting || !lastingOnly {
			changed = r.setMark(m) || changed
		}
	}
	r.boundMarks(true, maxLastingMarks)
	r.boundMarks(false, maxOtherMarks)
	return changed
}

// copyMarks gives r the generation and the marks of o, and no list.
func (r *Record) copyMarks(o *Record) {
	r.reset()
	r.generation = o.generation
	for i := range o.marks {
		r.setMark(&o.marks[i])
	}
}

// boundMarks drops the oldest of the lasting marks, or of the others, beyond the bound.
// The two have bounds of their own because merging must be associative: a mark that
// forgetting drops must not have pushed out one that survives it.
func (r *Record) boundMarks(lasting bool, bound int) {
	for {
		n, oldest := 0, -1
		for i := range r.marks {
			if m := &r.marks[i]; m.key.lasting == lasting {
				// Of one time, the one with the greatest key leaves first.
				if n++; oldest < 0 || m.at <= r.marks[oldest].at {
					oldest = i
				}
			}
		}
		if n <= bound {
			return
		}
		i := 0
		r.marks = keep(r.marks, func(*mark) bool { i++; return i-1 != oldest })
	}
}

// openGap makes s one longer, with a gap at i. In the gap is what lay behind the end of
// s, if anything did: its memory can be reused.
func openGap[T any](s []T, i int) []T {
	n := len(s)
	if n < cap(s) {
		s = s[:n+1]
	} else {
		s = append(s, *new(T))
	}
	spare := s[n]
	copy(s[i+1:], s[i:n])
	s[i] = spare
	return s
}

// keep drops the items for which ok returns false, and keeps the order. They lie behind
// the end of the result, with their memory: see openGap.
func keep[T any](s []T, ok func(*T) bool) []T {
	kept := 0
	for i := range s {
		if ok(&s[i]) {
			s[kept], s[i] = s[i], s[kept]
			kept++
		}
	}
	return s[:kept]
}
