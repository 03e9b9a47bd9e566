package velocity

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/memcached"
)

// maxBacklog bounds a backlog, in records. Beyond it the server is told all that
// matters.
const maxBacklog = 10_000

// A backlog is the records that a server is to be told of soon, by itself: those of
// subjects that a degraded answer found blocked or that an analyst changed, and what was
// answered from the copy and could not be written. The rest waits for the subject's next
// update.
type backlog struct {
	waiting atomic.Bool // something is in it, to be told without the lock
	mu      sync.Mutex
	of      map[Key]backlogged
	over    bool // more than fit
}

type backlogged struct {
	plan    *Plan
	subject *subjectPlan
	key     Key
	network uint32
	now     Time
	analyst bool // what an analyst changed, told first
}

// add notes that the server is to be told of u's record.
func (b *backlog) add(u *Update) {
	b.put(backlogged{plan: u.plan, subject: u.subject, key: u.key, network: u.network, now: u.now, analyst: u.verb.byAnalyst()})
}

func (b *backlog) put(l backlogged) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting.Store(true)
	known, found := b.of[l.key]
	switch {
	case !found && len(b.of) >= maxBacklog:
		b.over = true
		return
	case b.of == nil:
		b.of = make(map[Key]backlogged)
	}
	l.analyst = l.analyst || known.analyst
	b.of[l.key] = l
}

// overflow has everything that matters told.
func (b *backlog) overflow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.waiting.Store(true)
}

// take empties the backlog, what an analyst changed first, then the newest. With over, more
// than that is to be told.
func (b *backlog) take() (records []backlogged, over bool) {
	if !b.waiting.Load() {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.of {
		records = append(records, l)
	}
	slices.SortFunc(records, func(a, b backlogged) int {
		return cmp.Or(compareBool(b.analyst, a.analyst), cmp.Compare(b.now, a.now))
	})
	over = b.over
	b.of, b.over = nil, false
	b.waiting.Store(false)
	return records, over
}

// tellBacklog tells the server what is in its backlog, or everything that matters where
// the backlog was full. It reports whether nothing is left. What the server could not be
// told goes back.
func (m *Memcached) tellBacklog(s *memcached.Server, plan func() *Plan, now func() Time, stop <-chan struct{}) (whole bool) {
	records, over := m.backlogOf(s).take()
	if len(records) == 0 {
		return true
	}
	if over {
		whole = m.tellAll(s, plan(), now(), time.Now().Add(tellFor), stop)
	} else {
		whole = m.tell(updatesOf(records, now()), stop)
	}
	if !whole {
		for _, r := range records { // also those that were told: it does no harm
			m.backlogOf(s).put(r)
		}
		if over {
			m.backlogOf(s).overflow()
		}
	}
	return whole
}

// updatesOf are the updates that tell of the records at now: at the time when it was put
// in, what was shown since would lie ahead, and be set back.
func updatesOf(records []backlogged, now Time) iter.Seq[*Update] {
	return func(yield func(*Update) bool) {
		for _, r := range records {
			if !yield(tellOf(r.plan, r.subject, r.key, r.network, max(r.now, now))) {
				return
			}
		}
	}
}
