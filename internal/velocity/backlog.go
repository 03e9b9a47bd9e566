package velocity

import (
	"sync"
	"sync/atomic"
)

// maxBacklog bounds a backlog, in records. Beyond it the server is told all that
// matters.
const maxBacklog = 10_000

// A backlog is the records that a server is to be told of soon, by itself: those of
// subjects that a degraded answer found blocked or that were forgotten, and what was
// shown under a lease and could not be written. The rest waits for the subject's next
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
	now     Time
	forgot  bool
}

// add notes that the server is to be told of u's record.
func (b *backlog) add(u *Update) {
	b.put(backlogged{plan: u.plan, subject: u.subject, key: u.key, now: u.now, forgot: u.verb == forget})
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
	l.forgot = l.forgot || known.forgot
	b.of[l.key] = l
}

// take empties the backlog, what was forgotten first. With over, more than that is to
// be told.
func (b *backlog) take() (records []backlogged, over bool) {
	if !b.waiting.Load() {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, forgot := range []bool{true, false} {
		for _, l := range b.of {
			if l.forgot == forgot {
				records = append(records, l)
			}
		}
	}
	over = b.over
	b.of, b.over = nil, false
	b.waiting.Store(false)
	return records, over
}

// tellBacklog tells the server what is in its backlog, and reports whether nothing is
// left of it. What the server could not be told goes back.
func (m *Memcached) tellBacklog(s *server) (whole bool) {
	records, over := s.backlog.take()
	if len(records) == 0 {
		return !over
	}
	whole = m.tell(func(yield func(*Update) bool) {
		for _, l := range records {
			if !yield(tellOf(l.plan, l.subject, l.key, l.now)) {
				return
			}
		}
	})
	if !whole {
		for _, l := range records { // again those that were told: it does no harm
			s.backlog.put(l)
		}
	}
	return whole && !over
}
