package velocity

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// A mark is a note in a subject's record, beside its lists: a time, and a few bytes
// that only its kind understands. Instances carry and merge all marks, also those of
// kinds that they do not know. No mark is deleted before its time: to take one back
// is to write a later one that says so.
type mark struct {
	key  markKey
	at   Time   // when it was made, or made last
	data []byte // at most maxMarkData
}

// A markKey tells the marks of a record apart. A mark has the numbers that its kind
// needs; the others are 0.
type markKey struct {
	kind byte
	// lasting: the mark survives forgetting, whatever the generations. It is part of
	// the key: were it not, what is left of two marks that differ in it would depend
	// on the order in which records merge.
	lasting   bool
	list      listKey
	window    span
	blockOver uint64
}

// The kinds of marks. They stand in records: never changed, never reused.
const (
	// markHold is when an enforced rule last found the subject over block_over, by
	// the rule's list, window and block_over. It has no data.
	markHold = 1
	// markOverride is an analyst's decision on the subject, or its removal. It is
	// lasting, and has no numbers.
	markOverride = 2
)

// Bounds of the marks of one record: beyond them the oldest leave. They are numbers of
// marks, not of bytes: with a bound on bytes, what is kept would depend on the order in
// which records merge. A mark takes at most 48 bytes beside its data, so all of them
// take at most 38 KiB. A rule that writes marks must count them in worstSize; none does
// yet.
const (
	maxMarkData     = 1 << 10 // bytes of one mark's data
	maxLastingMarks = 4
	maxOtherMarks   = 32
)

// markLife is how long any mark may matter after its time: no hold and no override
// is longer.
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

// supersedes reports whether m replaces o, which has the same key: the later does, of
// two of one time the one whose data sorts last.
func (m *mark) supersedes(o *mark) bool {
	return cmp.Or(cmp.Compare(m.at, o.at), bytes.Compare(m.data, o.data)) > 0
}

// setMark adds the mark, or replaces the one with its key if it supersedes that. It
// copies the data.
func (r *Record) setMark(m *mark) {
	i, found := slices.BinarySearchFunc(r.marks, m.key, func(m mark, key markKey) int { return m.key.compare(key) })
	if !found {
		r.marks = openGap(r.marks, i)
	} else if !m.supersedes(&r.marks[i]) {
		return
	}
	r.marks[i] = mark{key: m.key, at: m.at, data: append(r.marks[i].data[:0], m.data...)}
}

// mergeMarks adds the marks of o, only the lasting ones if so told.
func (r *Record) mergeMarks(o *Record, lastingOnly bool) {
	for i := range o.marks {
		if m := &o.marks[i]; m.key.lasting || !lastingOnly {
			r.setMark(m)
		}
	}
	r.boundMarks(true, maxLastingMarks)
	r.boundMarks(false, maxOtherMarks)
}

// boundMarks keeps the newest of the marks that are lasting, or of those that are
// not. The two are bounded apart, because forgetting takes only the others away.
func (r *Record) boundMarks(lasting bool, bound int) {
	for {
		n, oldest := 0, -1
		for i := range r.marks {
			if m := &r.marks[i]; m.key.lasting == lasting {
				// Of one time, the last by key leaves first.
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

// pruneMarks drops the marks that cannot matter any more, and pulls back those dated
// too far ahead.
func (r *Record) pruneMarks(now Time) {
	for i := range r.marks {
		r.marks[i].at = min(r.marks[i].at, now+ahead)
	}
	r.marks = keep(r.marks, func(m *mark) bool { return now.age(m.at) < markLife })
}

// openGap makes room for one more at i, in the memory that a shorter slice left
// behind where there is some: what is now at i still has its own to reuse.
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

// keep drops what ok refuses and keeps the order. What is dropped stays behind the
// end, with its memory.
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
