package velocity

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A subject that an enforced rule blocks is answered from this instance's copy for
// a while, so that an attack costs the servers two round trips a second and not two
// for each card.
//
// A local answer is allowed when an exchange found the subject blocked, for less than a
// second from then. What is shown meanwhile is kept in the copy and written when that
// time is over, whether or not the subject comes again, and on a stop; what could not be
// written goes to the server's backlog. An answer that would not block is not given from
// the copy: the servers are asked. While writing takes too long, no more local answers
// are allowed.
const (
	localFor   = 900 // milliseconds; what is left of a second is for the writing
	sweepEvery = 25 * time.Millisecond
	sweepLimit = 75 * time.Millisecond // the rest of that second
	maxLocal   = 1024                  // subjects of each of the 64 parts; others do without
)

// LocalFor is how long after a change of a record another instance may answer by what it
// knew before: a local answer, by a clock that is slewed.
const LocalFor = (localFor + 50) * time.Millisecond

// localAnswers are the subjects that may be answered from the copy, of one part of the
// keys.
type localAnswers struct {
	queued atomic.Int32 // the length of queue, to be read without the lock
	mu     sync.Mutex
	byKey  map[Key]*localAnswer
	queue  []*localAnswer // about in the order in which they end
}

type localAnswer struct {
	key     Key
	plan    *Plan // when it was allowed
	subject *subjectPlan
	network uint32
	until   Time
	used    bool // something was shown that the servers do not know
}

// allow lets the subject be answered from the copy, unless it may be already.
func (ls *localAnswers) allow(u *Update) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.byKey[u.key] != nil || len(ls.queue) >= maxLocal {
		return
	}
	l := &localAnswer{key: u.key, plan: u.plan, subject: u.subject, network: u.network, until: u.now + localFor}
	ls.byKey[u.key] = l
	ls.queue = append(ls.queue, l)
	ls.queued.Add(1)
}

// allows reports whether u may be answered from the copy.
func (ls *localAnswers) allows(u *Update) bool {
	if ls.queued.Load() == 0 {
		return false
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[u.key]
	return l != nil && u.now < l.until
}

// use notes that something was shown, once it is in the copy. It reports false when
// the time was over meanwhile, so that it would not be written.
func (ls *localAnswers) use(key Key) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[key]
	if l == nil {
		return false
	}
	l.used = true
	return true
}

// end takes out those whose time is over at now, and returns the ones that were used.
func (ls *localAnswers) end(now Time) (used []*localAnswer) {
	if ls.queued.Load() == 0 {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	n := 0
	for ; n < len(ls.queue) && ls.queue[n].until <= now; n++ {
		l := ls.queue[n]
		delete(ls.byKey, l.key)
		if l.used {
			used = append(used, l)
		}
	}
	ls.queue = slices.Delete(ls.queue, 0, n)
	ls.queued.Add(-int32(n))
	return used
}

// sweep writes local answers when their time is over, and all at the stop.
func (m *Memcached) sweep(plan func() *Plan, now func() Time) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for stopped := false; !stopped; {
		until := Time(math.MaxInt64)
		select {
		case <-m.stop:
			stopped = true
		case <-tick.C:
			until = now()
		}
		began := time.Now()
		var writing errgroup.Group
		writing.SetLimit(tellers)
		for i := range m.locals {
			for _, l := range m.locals[i].end(until) {
				writing.Go(func() error {
					m.writeLocal(l, plan(), now())
					return nil
				})
			}
		}
		_ = writing.Wait() // none fails
		m.behind.Store(time.Since(began) > sweepLimit)
	}
}

// writeLocal writes what was answered from the copy, and allows it again if the subject
// is still blocked. Where the subject's rules have gone, those of the time when it was
// allowed still say what of its record matters, to instances that have them.
func (m *Memcached) writeLocal(l *localAnswer, plan *Plan, now Time) {
	subject := l.subject
	if i := slices.IndexFunc(plan.subjects, func(s subjectPlan) bool { return s.kind == subject.kind }); i >= 0 {
		subject = &plan.subjects[i]
	} else {
		plan = l.plan
	}
	u := tellOf(plan, subject, l.key, l.network, now)
	if shared, _ := m.inTurn(u); !shared {
		m.backlogOf(m.serverOf(l.key)).add(u)
		return
	}
	m.allowLocal(u)
}

// allowLocal lets u's subject be answered from the copy where that may be.
func (m *Memcached) allowLocal(u *Update) {
	if u.blocks() && !u.suspect && m.watched.Load() && !m.behind.Load() {
		m.localsOf(u.key).allow(u)
	}
}

func (m *Memcached) localsOf(key Key) *localAnswers { return &m.locals[key[15]%byte(len(m.locals))] }
