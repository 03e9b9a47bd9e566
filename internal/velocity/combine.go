package velocity

import (
	"sync"
	"time"

	"fraudcheck/internal/memcached"
)

// Updates of one subject that meet in this process share an exchange with the server:
// while one is under way, those that arrive gather for the next.
//
// An update that finds no exchange under way makes one. The others wait for theirs, each
// until its own deadline. What gathers is a copy: when the check that made it has gone,
// the copy may still be applied, which does no harm. What it observes is kept locally all
// the same, and an element observed twice is one.

// combiners are the subjects with an exchange under way, of one part of the keys.
type combiners struct {
	mu    sync.Mutex
	byKey map[Key]*combiner
}

// A combiner gathers the updates of one subject.
type combiner struct {
	waiting []*waiter
	batch   []*Update
}

// A waiter is an update that waits for the exchange of another goroutine.
type waiter struct {
	update   Update
	deadline time.Time
	done     chan memcached.Result // with OK the shared record holds it, and update what was found
}

var (
	waiterPool   = sync.Pool{New: func() any { return &waiter{done: make(chan memcached.Result, 1)} }}
	combinerPool = sync.Pool{New: func() any { return new(combiner) }}
)

// share applies u to the shared record. With OK that was done by the deadline.
func (m *Memcached) share(u *Update, deadline time.Time) memcached.Result {
	cs := &m.combiners[u.key[15]%byte(len(m.combiners))]
	cs.mu.Lock()
	c := cs.byKey[u.key]
	if c != nil {
		w := waiterPool.Get().(*waiter)
		w.copyFrom(u, deadline)
		c.waiting = append(c.waiting, w)
		cs.mu.Unlock()
		return w.wait(u, m.Client.Budget)
	}
	c = combinerPool.Get().(*combiner)
	cs.byKey[u.key] = c
	cs.mu.Unlock()
	c.batch = append(c.batch[:0], u)
	result := m.exchange(c.batch, deadline, false)
	if more := cs.next(c, u.key); len(more) > 0 {
		go m.exchangeAll(cs, c, u.key, more, result)
	}
	return result
}

func (w *waiter) copyFrom(u *Update, deadline time.Time) {
	own := w.update // with memory of its own
	w.update, w.deadline = *u, deadline
	w.update.shown = append(own.shown[:0], u.shown...)
	w.update.result.tallies = append(own.result.tallies[:0], u.result.tallies...)
	w.update.result.known = own.result.known
	w.update.result.elements = nil
	w.update.other = own.other
	w.update.other.copyMarks(&u.other)
}

// wait waits for the exchange that applies w, until its deadline. Where that comes first the
// server is to blame only if it had nearly the whole budget: it had as long for a reply.
func (w *waiter) wait(u *Update, budget time.Duration) memcached.Result {
	short := time.Until(w.deadline) < budget*9/10
	timer := memcached.SetTimer(w.deadline)
	defer memcached.EndTimer(timer)
	select {
	case result := <-w.done:
		copy(u.result.tallies, w.update.result.tallies)
		u.result.known.copyMarks(&w.update.result.known)
		u.result.elements = w.update.result.elements
		waiterPool.Put(w)
		return result
	case <-timer.C:
		if short { // the goroutine that makes the exchange still uses w
			return memcached.Late
		}
		return memcached.Timeout
	}
}

// next takes the updates that gathered; when there are none the combiner has ended.
func (cs *combiners) next(c *combiner, key Key) (gathered []*waiter) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if gathered, c.waiting = c.waiting, nil; len(gathered) == 0 {
		delete(cs.byKey, key)
		combinerPool.Put(c)
	}
	return gathered
}

// exchangeAll makes exchanges until no update is waiting. before is what the exchange came
// to for which those that gathered have waited: where it went well, and left less than half
// of the budget to theirs, the server is not blamed that this is too little.
func (m *Memcached) exchangeAll(cs *combiners, c *combiner, key Key, gathered []*waiter, before memcached.Result) {
	for len(gathered) > 0 {
		c.batch = c.batch[:0]
		var latest time.Time
		for _, w := range gathered {
			c.batch = append(c.batch, &w.update)
			if w.deadline.After(latest) {
				latest = w.deadline
			}
		}
		short := time.Until(latest) < m.Client.Budget/2
		result := m.exchange(c.batch, latest, false)
		if result == memcached.Timeout && short && (before == memcached.OK || before == memcached.Late) {
			result = memcached.Late
		}
		before = result
		for _, w := range gathered {
			w.done <- result
		}
		gathered = cs.next(c, key)
	}
}
