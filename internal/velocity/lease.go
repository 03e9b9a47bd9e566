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
// a card.
//
// Rules: a lease begins when an exchange found the subject blocked, and ends within
// a second of that. What is shown under it is kept in the copy, and written when it
// ends, whether or not anybody comes again; what could not be written goes to the
// server's backlog. A stop ends all. An answer that would not block is not given from the
// copy: the servers are asked. While writing takes too long for what is granted,
// nothing more is.
const (
	leaseFor   = 900 // milliseconds; what is left of a second is for the writing
	leaseSweep = 25 * time.Millisecond
	sweepFor   = 75 * time.Millisecond // the rest of that second
	maxLeases  = 1024                  // of each of the 64 parts; others do without
	flushers   = 8
)

// leases are the subjects that may be answered from the copy.
type leases struct {
	live  atomic.Int32 // how many are queued, to be told without the lock
	mu    sync.Mutex
	byKey map[Key]*lease
	queue []*lease // about in the order in which they end
}

type lease struct {
	key     Key
	plan    *Plan // when it began
	subject *subjectPlan
	until   Time
	used    bool // something was shown that the servers have not heard of
}

// grant begins a lease, unless one runs.
func (ls *leases) grant(u *Update) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.byKey[u.key] != nil || len(ls.queue) >= maxLeases {
		return
	}
	l := &lease{key: u.key, plan: u.plan, subject: u.subject, until: u.now + leaseFor}
	ls.byKey[u.key] = l
	ls.queue = append(ls.queue, l)
	ls.live.Add(1)
}

// runs reports whether u may be answered from the copy.
func (ls *leases) runs(u *Update) bool {
	if ls.live.Load() == 0 {
		return false
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[u.key]
	return l != nil && u.now < l.until
}

// use notes that something was shown, once it is in the copy. It reports false when
// the lease was ended meanwhile and nobody would write that.
func (ls *leases) use(key Key) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[key]
	if l == nil {
		return false
	}
	l.used = true
	return true
}

// end takes out the leases that have ended at now, and returns those under which
// something was shown.
func (ls *leases) end(now Time) (used []*lease) {
	if ls.live.Load() == 0 {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	n := 0
	for ; n < len(ls.queue) && ls.queue[n].until <= now; n++ {
		l := ls.queue[n]
		if ls.byKey[l.key] == l {
			delete(ls.byKey, l.key)
		}
		if l.used {
			used = append(used, l)
		}
	}
	ls.queue = slices.Delete(ls.queue, 0, n)
	ls.live.Add(-int32(n))
	return used
}

// sweep ends leases when their time has come, and all at the stop.
func (m *Memcached) sweep(plan func() *Plan, now func() Time) {
	tick := time.NewTicker(leaseSweep)
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
		writing.SetLimit(flushers)
		for i := range m.leases {
			for _, l := range m.leases[i].end(until) {
				writing.Go(func() error {
					m.flush(l, plan(), now())
					return nil
				})
			}
		}
		_ = writing.Wait() // none fails
		m.behind.Store(time.Since(began) > sweepFor)
	}
}

// flush writes what was shown under the lease, and begins the next one if the subject
// is still blocked. Where its rules have gone, those it began with still say what of
// its record matters, to instances that have them.
func (m *Memcached) flush(l *lease, plan *Plan, now Time) {
	subject := l.subject
	if i := slices.IndexFunc(plan.subjects, func(s subjectPlan) bool { return s.kind == subject.kind }); i >= 0 {
		subject = &plan.subjects[i]
	} else {
		plan = l.plan
	}
	var u Update
	u.begin(plan, subject, l.key, now, reseed)
	if !m.share(&u, time.Now().Add(m.Budget)) {
		pick(m.servers, l.key).backlog.add(&u)
		return
	}
	m.lend(&u)
}

// lend begins a lease where that may be.
func (m *Memcached) lend(u *Update) {
	if u.blocks() && m.watched.Load() && !m.behind.Load() {
		m.leasesOf(u.key).grant(u)
	}
}

func (m *Memcached) leasesOf(key Key) *leases { return &m.leases[key[15]%byte(len(m.leases))] }
