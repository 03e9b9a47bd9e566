package turns

import (
	"sync"
	"time"
)

// A Queue gives out turns. It may be used from many goroutines at once.
type Queue struct {
	Settings

	mu     sync.Mutex
	taken  int // turns held; nobody waits while it is less than Turns
	others int // of them, of classes other than Check
	wait   [classes]line
	waits  Waits
}

// New makes a queue without turns taken.
func New(settings Settings) *Queue {
	settings.Turns = max(settings.Turns, 1)
	settings.Budget = min(settings.Budget, settings.Answer)
	return &Queue{Settings: settings}
}

// Take returns once the turn is the request's, and until when the store may take: at most
// the budget, and for a check no longer than what is left until its answer is due. It
// returns at once where the turn is held already. ok is false where there was none in
// time; then a check is not to ask again.
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
	deadline := now.Add(othersWait + q.Budget)
	latest := now.Add(othersWait)
	if t.Class == Check {
		deadline = t.Start.Add(q.Answer + t.excused)
		latest = deadline.Add(-q.Budget / 2)
	}
	if ok = q.begin(t.Class, now, latest); !ok {
		if t.Class == Check {
			t.state = refused
		}
		return until, false
	}
	t.state = held
	t.until = earlier(deadline, time.Now().Add(q.Budget))
	return t.until, true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// begin waits for a turn, until latest.
func (q *Queue) begin(class Class, now, latest time.Time) (ok bool) {
	q.mu.Lock()
	if now.After(latest) {
		q.waits.note(class, 0)
		q.mu.Unlock()
		return false
	}
	if q.taken < q.Turns {
		q.taken++
		q.count(class, 1)
		q.waits.note(class, 0)
		q.mu.Unlock()
		return true
	}
	w := waiters.Get().(*waiter)
	w.class, w.since = class, now
	q.wait[class].push(w)
	q.mu.Unlock()
	return q.await(w, latest)
}

// await waits until w was given a turn, or latest has come.
func (q *Queue) await(w *waiter, latest time.Time) (ok bool) {
	timer := time.NewTimer(time.Until(latest))
	defer timer.Stop()
	select {
	case <-w.given:
		ok = true
	case <-timer.C:
		q.mu.Lock()
		if ok = w.line == nil; ok {
			<-w.given // it came just now
		} else {
			w.line.remove(w)
			q.waits.note(w.class, time.Since(w.since))
		}
		q.mu.Unlock()
	}
	waiters.Put(w)
	return ok
}

// release gives a turn of that class to the next that waits.
func (q *Queue) release(class Class) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(class, -1)
	w := q.next()
	if w == nil {
		q.taken--
		return
	}
	w.line.remove(w)
	q.count(w.class, 1)
	q.waits.note(w.class, time.Since(w.since))
	w.given <- struct{}{}
}

func (q *Queue) count(class Class, n int) {
	if class != Check {
		q.others += n
	}
}

// next is the waiter whose turn it is; nil when nobody waits.
func (q *Queue) next() *waiter {
	var other *waiter
	for c := Change; c < classes && other == nil; c++ {
		other = q.wait[c].first
	}
	check := q.wait[Check].first
	if other != nil && (check == nil || q.others < q.share()) {
		return other
	}
	return check
}

// share is how many turns are for what is not a check, when both wait.
func (q *Queue) share() int { return max(1, q.Turns/16) }
