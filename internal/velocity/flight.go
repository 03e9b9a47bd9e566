package velocity

import (
	"sync"
	"time"
)

// Updates of one subject that meet in this process share their way to the
// server: while one exchange is under way, those that arrive gather for the next.
//
// Rules: who finds no exchange under way makes one; others wait for theirs, each
// until its own deadline. What gathers is a copy; when the one who asked has gone,
// the copy may still be applied, which does no harm: what it observes is kept
// locally all the same, and an element observed twice is one.

// flights are the subjects with an exchange under way.
type flights struct {
	mu    sync.Mutex
	byKey map[Key]*flight
}

type flight struct {
	waiting []*passenger
	batch   []*Update
}

// passenger is an update that waits for somebody else's exchange.
type passenger struct {
	update   Update
	deadline time.Time
	done     chan bool // whether the shared record holds it, and update what was found
}

var (
	passengers = sync.Pool{New: func() any { return &passenger{done: make(chan bool, 1)} }}
	idle       = sync.Pool{New: func() any { return new(flight) }}
)

// share has u applied to the shared record, and reports whether that was done by
// the deadline.
func (m *Memcached) share(u *Update, deadline time.Time) bool {
	fs := &m.flights[u.key[15]%byte(len(m.flights))]
	fs.mu.Lock()
	f := fs.byKey[u.key]
	if f != nil {
		p := passengers.Get().(*passenger)
		p.board(u, deadline)
		f.waiting = append(f.waiting, p)
		fs.mu.Unlock()
		return p.wait(u)
	}
	f = idle.Get().(*flight)
	fs.byKey[u.key] = f
	fs.mu.Unlock()
	f.batch = append(f.batch[:0], u)
	shared := m.exchange(f.batch, deadline, false) == OK
	if more := fs.next(f, u.key); len(more) > 0 {
		go m.fly(fs, f, u.key, more)
	}
	return shared
}

func (p *passenger) board(u *Update, deadline time.Time) {
	shown, tallies := append(p.update.shown[:0], u.shown...), append(p.update.result.tallies[:0], u.result.tallies...)
	p.update, p.deadline = *u, deadline
	p.update.shown, p.update.result.tallies = shown, tallies
}

func (p *passenger) wait(u *Update) bool {
	alarm := setAlarm(p.deadline)
	defer endAlarm(alarm)
	select {
	case shared := <-p.done:
		copy(u.result.tallies, p.update.result.tallies)
		passengers.Put(p)
		return shared
	case <-alarm.C:
		return false // p is left to those who still hold it
	}
}

// next takes those who gathered; when there is nobody the flight is over.
func (fs *flights) next(f *flight, key Key) (batch []*passenger) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if batch, f.waiting = f.waiting, nil; len(batch) == 0 {
		delete(fs.byKey, key)
		idle.Put(f)
	}
	return batch
}

// fly makes exchanges until nobody is waiting.
func (m *Memcached) fly(fs *flights, f *flight, key Key, batch []*passenger) {
	for len(batch) > 0 {
		f.batch = f.batch[:0]
		var latest time.Time
		for _, p := range batch {
			f.batch = append(f.batch, &p.update)
			if p.deadline.After(latest) {
				latest = p.deadline
			}
		}
		shared := m.exchange(f.batch, latest, false) == OK
		for _, p := range batch {
			p.done <- shared
		}
		batch = fs.next(f, key)
	}
}
