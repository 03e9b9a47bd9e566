package velocity

import (
	"cmp"
	"slices"
)

// A listKey says what a list holds, never which rule reads it: rules come and go, and
// rules that count the same thing share the list.
type listKey struct {
	kind byte // the element's kind
	idle span // the window of an idle list, 0 for sliding
}

func (k listKey) compare(o listKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.idle, o.idle))
}

// A list holds the elements of one kind that a subject has shown most recently.
type list struct {
	key      listKey
	elements []element // in the order of newer, each once
	// runs are the periods of activity of an idle list, newest first, each at least a
	// whole window apart from the next. Only the newest counts. An older one is kept
	// until it has ended for certain: a copy of another instance may show activity in
	// the gap, which makes one run of the two. Empty for a sliding list.
	runs []run
}

// An element is one thing that the subject has shown, such as a card.
type element struct {
	fingerprint uint64 // see Keys
	seen        Time   // when it was last shown
}

// newer compares elements: the later comes first, of one time the smaller fingerprint,
// so that every copy has the same order.
func newer(a, b element) int {
	return cmp.Or(cmp.Compare(b.seen, a.seen), cmp.Compare(a.fingerprint, b.fingerprint))
}

// A run is a period without a whole window in which nothing was shown.
type run struct{ began, last Time }

// observe records that the element was shown at that time, and cuts the list to the
// bound. An element that is there already keeps the later of its two times.
func (l *list) observe(fingerprint uint64, at Time, bound int) {
	if l.key.idle > 0 {
		l.addRun(run{began: at, last: at})
	}
	e := element{fingerprint: fingerprint, seen: at}
	if i := l.index(fingerprint); i >= 0 {
		if l.elements[i].seen >= at {
			return
		}
		l.elements = slices.Delete(l.elements, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(l.elements, e, newer)
	l.elements = slices.Insert(l.elements, i, e)
	l.elements = l.elements[:min(len(l.elements), bound)]
}

// index returns the index of the element, -1 where it is not in the list.
func (l *list) index(fingerprint uint64) int {
	for i := range l.elements {
		if l.elements[i].fingerprint == fingerprint {
			return i
		}
	}
	return -1
}

// addRun adds a run, and makes one of all runs between which it leaves no whole window.
func (l *list) addRun(r run) {
	kept := l.runs[:0]
	for _, o := range l.runs {
		if o.last+l.key.idle > r.began && r.last+l.key.idle > o.began {
			r = run{began: min(r.began, o.began), last: max(r.last, o.last)}
		} else {
			kept = append(kept, o)
		}
	}
	i := 0
	for i < len(kept) && kept[i].began > r.began {
		i++
	}
	l.runs = slices.Insert(kept, i, r)
}

// merge adds the elements and runs of o, which has the same key, and cuts the list to
// the bound.
func (l *list) merge(o *list, bound int) {
	for _, r := range o.runs {
		l.addRun(r)
	}
	if !slices.Equal(l.elements, o.elements) {
		l.elements = append(l.elements, o.elements...)
		slices.SortFunc(l.elements, func(a, b element) int {
			return cmp.Or(cmp.Compare(a.fingerprint, b.fingerprint), cmp.Compare(b.seen, a.seen))
		})
		l.elements = slices.CompactFunc(l.elements, func(a, b element) bool { return a.fingerprint == b.fingerprint })
		slices.SortFunc(l.elements, newer)
	}
	l.elements = l.elements[:min(len(l.elements), bound)]
}

// expire drops the elements that do not count any more at now: of a sliding list those
// at least a window old, of an idle list those of runs that have ended.
func (l *list) expire(now Time, window span) {
	if l.key.idle == 0 {
		l.elements = l.elements[:l.within(now, window)]
		return
	}
	n := len(l.runs)
	for n > 0 && now.age(l.runs[n-1].last) >= l.key.idle {
		n--
	}
	l.runs = l.runs[:n]
	kept := 0
	if n > 0 {
		kept = l.since(l.runs[n-1].began)
	}
	l.elements = l.elements[:kept]
}

// clamp sets times after latest back to it.
func (l *list) clamp(latest Time) {
	n := 0
	for n < len(l.elements) && l.elements[n].seen > latest {
		l.elements[n].seen = latest
		n++
	}
	if n > 0 {
		slices.SortFunc(l.elements, newer)
	}
	for i, r := range l.runs {
		if r.last > latest { // set back, it may be less than a window from the next
			l.runs = slices.Delete(l.runs, i, i+1)
			l.addRun(run{began: min(r.began, latest), last: latest})
			l.clamp(latest)
			return
		}
	}
}

// within is the number of elements, the first of the list, that were seen less than a
// window before now: an age equal to the window is expired.
func (l *list) within(now Time, window span) int {
	n := len(l.elements)
	for n > 0 && now.age(l.elements[n-1].seen) >= window {
		n--
	}
	return n
}

// since is the number of elements, the first of the list, that were seen at t or later.
func (l *list) since(t Time) int {
	n := len(l.elements)
	for n > 0 && l.elements[n-1].seen < t {
		n--
	}
	return n
}
