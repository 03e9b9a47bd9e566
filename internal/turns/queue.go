package turns

import (
	"cmp"
	"sync"
	"time"
)

// A Queue gives out turns. It may be used from many goroutines at once.
type Queue struct {
	Settings

	mu     sync.Mutex
	taken  int           // turns held; nobody waits in lines while it is less than Turns
	others int           // of them, of classes other than Check
	lines  [classes]line // by class
	aside  line          // checks that can hardly begin in time: see the package comment
	late   line          // those that cannot, likewise aside
	last   Class         // of the turn given last
	rate   rate
	waits  Waits

	alarm *time.Timer // ends the patience of all
	due   time.Time   // when it fires; zero: it does not

	waiters sync.Pool // *waiter
}

// New makes a queue without turns taken.
func New(settings Settings) *Queue {
	settings.Turns = max(settings.Turns, 1)
	settings.Budget = min(settings.Budget, settings.Answer)
	q := &Queue{Settings: settings}
	q.waiters.New = func() any { return newWaiter() }
	return q
}

// Take waits for the turn. until is the deadline of the store: the budget from now on, and
// for a check at most the time at which its answer is due. A turn that is held already is
// returned at once, with the same deadline. ok is false where there was none in time; a
// check that asks again then gets the same answer at once.
func (q *Queue) Take(t *Turn) (until time.Time, ok bool) {
	switch t.state {
	case held:
		return t.until, true
	case refused:
		return until, false
	}
	t.queue = q
	now := time.Now()
	if t.Start.IsZero() {
		t.Start = now
	}
	at := q.times(t, now)
	w, ok := q.enter(t.Class, at)
	if w != nil {
		ok = <-w.told
		q.waiters.Put(w)
		if ok {
			now = time.Now()
		}
	}
	if ok {
		t.state, t.until = held, earlier(at.deadline, now.Add(q.Budget))
	} else if t.Class == Check {
		t.state = refused
	}
	return t.until, ok
}

// Patience returns until when a request waits for what another one asks: when it would be
// told that there is no turn.
func (q *Queue) Patience(t *Turn) time.Time {
	now := time.Now()
	if t.Start.IsZero() {
		t.Start = now
	}
	return q.times(t, now).patience
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// enter gives out a free turn, or puts a waiter into a line and returns it. It returns nil
// and false where the request cannot wait either.
func (q *Queue) enter(class Class, at times) (w *waiter, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := at.asked.After(at.latest)
	switch {
	case q.taken < q.Turns && !late:
		q.taken++
		q.give(class, 0)
		return nil, true
	case q.taken < q.Turns, at.asked.After(at.patience):
		q.waits.note(class, 0)
		return nil, false
	}
	l := &q.lines[class]
	if class == Check {
		switch {
		case late:
			l = &q.late
		case q.rate.stands(at.asked) && q.rate.after(at.asked, l.length).After(at.latest):
			l = &q.aside
		case l.length == 0:
			q.rate.begin(at.asked)
		}
		if l != &q.lines[Check] && q.Room > 0 && q.checks() >= q.Room {
			out := cmp.Or(q.late.first, q.aside.first)
			if out == nil {
				q.waits.note(class, 0)
				return nil, false
			}
			q.tell(out, false, at.asked)
		}
	}
	w = q.waiters.Get().(*waiter)
	w.class, w.times = class, at
	l.push(w)
	q.remind(at.asked, w.patience)
	return w, false
}

// remind has the alarm ring when the patience of a waiter ends, unless it rings before.
func (q *Queue) remind(now, patience time.Time) {
	if !q.due.IsZero() && !patience.Before(q.due) {
		return
	}
	q.due = patience
	if q.alarm == nil {
		q.alarm = time.AfterFunc(patience.Sub(now), q.expire)
	} else {
		q.alarm.Reset(patience.Sub(now))
	}
}

// expire tells those whose patience has ended that there is no turn. One alarm serves all:
// a timer for each would cost a check in a crowd as much as the rest of its wait. Those
// whose patience ends within a millisecond are told along.
func (q *Queue) expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.due = time.Time{}
	for _, l := range q.all() {
		for l.first != nil && l.first.patience.Sub(now) < time.Millisecond {
			q.tell(l.first, false, now)
		}
		if l.first != nil {
			q.remind(now, l.first.patience)
		}
	}
}

// all returns every line.
func (q *Queue) all() [classes + 2]*line {
	all := [classes + 2]*line{classes: &q.aside, classes + 1: &q.late}
	for c := range q.lines {
		all[c] = &q.lines[c]
	}
	return all
}

// release gives a turn of that class to the next that waits.
func (q *Queue) release(class Class) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken--
	if class != Check {
		q.others--
	}
	if w, now := q.next(); w != nil {
		if w.class == Check {
			q.rate.serve(now)
		}
		q.taken++
		q.tell(w, true, now)
	}
}

// next returns the waiter that gets the turn that was given back; nil for none.
func (q *Queue) next() (w *waiter, now time.Time) {
	var other *waiter
	for c := Change; c < classes && other == nil; c++ {
		other = q.lines[c].first
	}
	if other == nil && q.checks() == 0 {
		return nil, now
	}
	now = time.Now()
	check := q.nextCheck(now)
	if other != nil && (check == nil || q.others < q.share() && (q.Turns > 1 || q.last == Check)) {
		return other, now
	}
	return check, now
}

// nextCheck is the first check that can still begin in time; those before it are late.
// When there is none in the line, it is the latest of those aside, whose wait was
// estimated too long.
func (q *Queue) nextCheck(now time.Time) *waiter {
	l := &q.lines[Check]
	for l.length > 0 && now.After(l.first.latest) {
		w := l.first
		l.remove(w)
		q.late.push(w)
	}
	if l.length > 0 {
		return l.first
	}
	if w := q.aside.last; w != nil && now.Before(w.latest) {
		return w
	}
	return nil
}

// checks is how many checks wait.
func (q *Queue) checks() int { return q.lines[Check].length + q.aside.length + q.late.length }

// share is how many turns are for what is not a check, when both wait. Of a single turn it
// is every other use.
func (q *Queue) share() int { return max(1, q.Turns/16) }

// give notes that a turn was given, after a wait.
func (q *Queue) give(class Class, waited time.Duration) {
	q.last = class
	if class != Check {
		q.others++
	}
	q.waits.note(class, waited)
}

// tell ends w's wait.
func (q *Queue) tell(w *waiter, ok bool, now time.Time) {
	w.line.remove(w)
	if ok {
		q.give(w.class, now.Sub(w.asked))
	} else {
		q.waits.note(w.class, now.Sub(w.asked))
	}
	w.told <- ok
}
