package velocity

import (
	"slices"
	"sync"
	"time"
)

// Updates of one subject that meet in this process share their way to the
// server: while one exchange is under way, those that arrive gather for the next.
//
// Rules: the goroutine that asked never waits for the network, only for its own
// deadline. An update on its way is a copy; when the one who asked has gone, the
// copy may still be applied, which does no harm: what it observes is kept locally
// all the same, and an element observed twice is one.

// flights are the subjects with an exchange under way.
type flights struct {
	mu    sync.Mutex
	byKey map[Key]*flight
}

type flight struct{ waiting []*passenger }

// passenger is an update on its way.
type passenger struct {
	update   Update
	deadline time.Time
	done     chan bool // whether the shared record holds it, and update what was found
}

var passengers = sync.Pool{New: func() any { return &passenger{done: make(chan bool, 1)} }}

// share has u applied to the shared record, and reports whether that was done by
// the deadline.
func (m *Memcached) share(u *Update, deadline time.Time) bool {
	p := passengers.Get().(*passenger)
	shown, tallies := append(p.update.shown[:0], u.shown...), append(p.update.tallies[:0], u.tallies...)
	p.update, p.deadline = *u, deadline
	p.update.shown, p.update.tallies = shown, tallies
	m.board(p)
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case shared := <-p.done:
		copy(u.tallies, p.update.tallies)
		passengers.Put(p)
		return shared
	case <-timer.C:
		return false // p is left to those who still hold it
	}
}

func (m *Memcached) board(p *passenger) {
	fs := &m.flights[p.update.key[15]%byte(len(m.flights))]
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byKey[p.update.key]; f != nil {
		f.waiting = append(f.waiting, p)
		return
	}
	f := &flight{waiting: []*passenger{p}}
	fs.byKey[p.update.key] = f
	go m.fly(fs, f, p.update.key)
}

// fly makes exchanges until nobody is waiting.
func (m *Memcached) fly(fs *flights, f *flight, key Key) {
	for {
		fs.mu.Lock()
		batch := f.waiting
		if f.waiting = nil; len(batch) == 0 {
			delete(fs.byKey, key)
			fs.mu.Unlock()
			return
		}
		fs.mu.Unlock()
		shared := m.exchange(batch)
		for _, p := range batch {
			p.done <- shared
		}
	}
}

func latest(batch []*passenger) time.Time {
	return slices.MaxFunc(batch, func(a, b *passenger) int { return a.deadline.Compare(b.deadline) }).deadline
}
