package velocity

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A subject that an enforced rule blocks is answered from this instance's copy for
// a while, so that an attack costs the servers two round trips a second and not two
// a card.
//
// Rules: a lease begins when an exchange found the subject blocked, and ends within
// a second of that. What is shown under it is kept in the copy, and written when it
// ends, whether or not anybody comes again; a stop ends all. An answer that would
// not block is not given from the copy: the servers are asked.
const (
	leaseFor   = 900 // milliseconds; what is left of a second is for the writing
	leaseSweep = 25 * time.Millisecond
	maxLeases  = 1024 // of each of the 64 parts; others do without
	flushers   = 8
)

// leases are the subjects that may be answered from the copy.
type leases struct {
	live  atomic.Int32 // how many, to be told without the lock
	mu    sync.Mutex
	byKey map[Key]*lease
	queue []*lease // in the order in which they end
}

type lease struct {
	key   Key
	kind  *kind
	until Time
	used  bool // something was shown that the servers have not heard of
}

// grant begins a lease, unless one runs.
func (ls *leases) grant(u *Update) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.byKey[u.key] != nil || len(ls.queue) >= maxLeases {
		return
	}
	l := &lease{key: u.key, kind: u.subject.kind, until: u.now + leaseFor}
	ls.byKey[u.key] = l
	ls.queue = append(ls.queue, l)
	ls.live.Add(1)
}

// use reports whether u may be answered from the copy.
func (ls *leases) use(u *Update) bool {
	if ls.live.Load() == 0 {
		return false
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[u.key]
	if l == nil || u.now >= l.until {
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
		delete(ls.byKey, l.key)
		if l.used {
			used = append(used, l)
		}
	}
	ls.queue = append(ls.queue[:0], ls.queue[n:]...)
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
		var writing sync.WaitGroup
		turn := make(chan struct{}, flushers)
		for i := range m.leases {
			for _, l := range m.leases[i].end(until) {
				turn <- struct{}{}
				writing.Go(func() {
					m.flush(l, plan(), now(), !stopped)
					<-turn
				})
			}
		}
		writing.Wait()
	}
}

// flush writes what was shown under the lease, and begins the next one if it may
// and the subject is still blocked. Without the server the copy keeps it, as all
// that it knows.
func (m *Memcached) flush(l *lease, plan *Plan, now Time, renew bool) {
	for i := range plan.subjects {
		if plan.subjects[i].kind != l.kind || pick(m.servers, l.key).open.Load() {
			continue
		}
		var u Update
		u.begin(plan, &plan.subjects[i], l.key, now)
		u.reseed = true
		if m.share(&u, time.Now().Add(m.Budget)) && renew && u.blocks() {
			m.leasesOf(l.key).grant(&u)
		}
	}
}

func (m *Memcached) leasesOf(key Key) *leases { return &m.leases[key[15]%byte(len(m.leases))] }
