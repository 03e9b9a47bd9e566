package velocity

import (
	"encoding/base64"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// MemcachedSettings are what a Memcached works with.
type MemcachedSettings struct {
	Servers  []string      // host:port or /unix/socket, at least one
	MaxConns int           // operations under way at once, per server
	Budget   time.Duration // longest a whole check waits, all subjects and all retries
	Keys     *Keys
	Local    *Memory // what this instance knows by itself
	// Observe is told of every operation: its name, how it ended and how long it
	// took. It may be nil, as may those below.
	Observe func(server, op string, result Result, took time.Duration)
	// Changed is told when a server is not used any more, and why; and, with no trouble,
	// when it is used again.
	Changed func(server string, trouble Trouble)
	// Refused is told of a write that a server refused, and what it said.
	Refused func(server, said string)
	// Panicked is told of a panic that was caught: what was being done ended as if
	// the server had not answered.
	Panicked func(fault any)
}

// Memcached shares records among instances. Every record this instance read or
// wrote is also kept in its own Memory, as merged from all: that answers when the
// servers do not within the budget, goes on counting, and is merged back with the
// next write. What matters most is told at once to a server that lost its memory or
// was out of reach (watch.go); the rest it learns again from ordinary traffic.
//
// A subject that is blocked is answered from that memory for up to a second
// (lease.go).
//
// A subject's updates that meet in this process are combined into one read and
// one conditional write (flight.go, exchange.go): so many concurrent attempts of
// one address cost few round trips, and each still gets a count of its own.
type Memcached struct {
	MemcachedSettings
	servers []*server
	flights [64]flights
	leases  [64]leases
	watched atomic.Bool // else nobody would end a lease
	behind  atomic.Bool // with writing what was shown under leases
	prefix  string      // of item keys
	stop    chan struct{}
	watches sync.WaitGroup
	closing sync.Once
}

// NewMemcached makes the store. Its servers are used from when Watch has found them
// well.
func NewMemcached(settings MemcachedSettings) (*Memcached, error) {
	if len(settings.Servers) == 0 {
		return nil, errors.New("expected at least one server")
	}
	m := &Memcached{MemcachedSettings: settings, stop: make(chan struct{})}
	m.prefix = "fraudcheck:" + base64.RawURLEncoding.EncodeToString(settings.Keys.id[:]) + ":"
	for _, name := range settings.Servers {
		m.servers = append(m.servers, newServer(name, m.prefix+"canary", settings.MaxConns, settings.Budget))
	}
	for i := range m.flights {
		m.flights[i].byKey = make(map[Key]*flight)
		m.leases[i].byKey = make(map[Key]*lease)
	}
	if m.Observe == nil {
		m.Observe = func(string, string, Result, time.Duration) {}
	}
	if m.Changed == nil {
		m.Changed = func(string, Trouble) {}
	}
	if m.Panicked == nil {
		m.Panicked = func(any) {}
	}
	if m.Refused == nil {
		m.Refused = func(string, string) {}
	}
	return m, nil
}

// itemKey is where a record lies: it names the hash key it was made with, in
// short, and nobody.
func (m *Memcached) itemKey(key Key) string {
	var buf [64]byte
	return string(base64.RawURLEncoding.AppendEncode(append(buf[:0], m.prefix...), key[:]))
}

// Update implements Store.
func (m *Memcached) Update(u *Update) {
	shown := u.shows()
	if leases := m.leasesOf(u.key); shown && m.watched.Load() && leases.runs(u) {
		if m.Local.Update(u); u.blocks() && leases.use(u.key) {
			return
		}
	}
	start := time.Now()
	shared, s := false, pick(m.servers, u.key)
	if left := m.Budget - u.result.waited; left > 0 && s.usable() {
		shared = m.share(u, start.Add(left))
	}
	if len(u.plan.subjects) > 1 {
		u.result.waited += time.Since(start) // the others get what is left
	}
	if !shared {
		u.result.degraded = true
		m.Local.Update(u)
		if u.changes() && (u.verb == forget || u.blocks()) {
			s.backlog.add(u)
		}
	} else if shown {
		m.lend(u)
	}
}

func (m *Memcached) stopped() bool {
	select {
	case <-m.stop:
		return true
	default:
		return false
	}
}

// Close stops watching the servers and closes the connections. It may be called
// more than once.
func (m *Memcached) Close() error {
	m.closing.Do(func() {
		m.watched.Store(false)
		close(m.stop)
	})
	m.watches.Wait() // what was shown under a lease is written
	for _, s := range m.servers {
		if s.usable() {
			m.tellBacklog(s)
		}
		s.pipe.Close()
	}
	return nil
}
