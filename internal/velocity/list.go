package velocity

import (
	"cmp"
	"slices"
)

// A listKey says what a list holds, never who reads it: rules come and go, and
// those that count the same thing share the list.
type listKey struct {
	kind byte // the element's kind
	idle span // the window of an idle list, 0 for sliding
}

func (k listKey) compare(o listKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.idle, o.idle))
}

// A list holds the elements of one kind that a subject has shown: the most
// recently seen, newest first, each once.
type list struct {
	key      listKey
	elements []element
	// runs are the stretches of activity an idle list knows of, newest first,
	// with a whole window of quiet between any two. Only the newest is present;
	// an older one is kept until time has surely ended it, because another copy
	// may show that the quiet was none. Empty for a sliding list.
	runs []run
}

type element struct {
	fingerprint uint64
	seen        Time // when it was last shown
}

// newer orders elements newest first; equal times by fingerprint, so that every
// copy orders them alike.
func newer(a, b element) int {
	return cmp.Or(cmp.Compare(b.seen, a.seen), cmp.Compare(a.fingerprint, b.fingerprint))
}

// A run is a stretch of activity without a whole window of quiet in it.
type run struct{ began, last Time }

// observe notes that the element was shown at that time. An element already
// there is moved, not counted again; the later of its two times stays.
func (l *list) observe(fingerprint uint64, at Time, bound int) {
	if l.key.idle > 0 {
		l.join(run{began: at, last: at})
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

func (l *list) index(fingerprint uint64) int {
	for i := range l.elements {
		if l.elements[i].fingerprint == fingerprint {
			return i
		}
	}
	return -1
}

// join adds a run and makes one of all those it bridges.
func (l *list) join(r run) {
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

// merge adds the elements and runs of o, which has the same key.
func (l *list) merge(o *list, bound int) {
	for _, r := range o.runs {
		l.join(r)
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

// expire drops what is a window old, or belongs to a run that has ended.
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

// pullBack dates everything later than the latest believable time at that time.
func (l *list) pullBack(latest Time) {
	n := 0
	for n < len(l.elements) && l.elements[n].seen > latest {
		l.elements[n].seen = latest
		n++
	}
	if n > 0 {
		slices.SortFunc(l.elements, newer)
	}
	for i, r := range l.runs {
		if r.last > latest { // what is pulled back may now touch its neighbour
			l.runs = slices.Delete(l.runs, i, i+1)
			l.join(run{began: min(r.began, latest), last: latest})
			l.pullBack(latest)
			return
		}
	}
}

// within is how many elements were seen less than a window ago: age equal to the
// window is expired. They are the first ones.
func (l *list) within(now Time, window span) int {
	n := len(l.elements)
	for n > 0 && now.age(l.elements[n-1].seen) >= window {
		n--
	}
	return n
}

// since is how many elements were seen at or after t.
func (l *list) since(t Time) int {
	n := len(l.elements)
	for n > 0 && l.elements[n-1].seen < t {
		n--
	}
	return n
}
