package velocity

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
)

// MemcachedSettings are what a Memcached works with.
type MemcachedSettings struct {
	// Client has [Keys.CanaryKey] as its Canary. It is shared with other users, watched here
	// and closed by its owner, after the Memcached.
	Client *memcached.Client
	Turns  *turns.Queue // which requests may ask it, and for how long
	Keys   *Keys
	Local  *Memory // what this instance knows by itself
	// ClockOff reports whether the instance's clock is off: see [Clock]. nil for never.
	ClockOff func() bool
}

// Memcached shares records among instances. Every record that this instance read or
// wrote is also kept in its own Memory, as merged from all: that answers when the
// servers do not within the budget, goes on counting, and is merged back with the
// next write. What matters most is told at once to a server that lost its memory or
// was out of reach (tell.go); the rest it learns again from ordinary traffic.
//
// A subject that is blocked is answered from that memory for up to a second
// (local_answers.go).
//
// Updates of a subject that meet in this process are combined into one read and one
// conditional write (combine.go, exchange.go): many concurrent attempts of one address
// cost few round trips, and each still gets a count of its own.
type Memcached struct {
	MemcachedSettings
	combiners [64]combiners
	locals    [64]localAnswers
	backlogs  []backlog   // by the index of the server
	buffers   sync.Pool   // *buffers
	watched   atomic.Bool // else no local answer would be written
	behind    atomic.Bool // with writing local answers
	prefix    string      // of item keys
	stop      chan struct{}
	sweeping  sync.WaitGroup
	closing   sync.Once
}

// NewMemcached makes the store. The servers of its client are used from when
// [Memcached.Watch] has found them well.
func NewMemcached(settings MemcachedSettings) (*Memcached, error) {
	if settings.Client.Canary != settings.Keys.CanaryKey() {
		return nil, errors.New("expected a client with the canary of these keys")
	}
	m := &Memcached{MemcachedSettings: settings, prefix: settings.Keys.itemPrefix(), stop: make(chan struct{})}
	m.backlogs = make([]backlog, len(settings.Client.Servers))
	m.buffers.New = func() any { return new(buffers) }
	for i := range m.combiners {
		m.combiners[i].byKey = make(map[Key]*combiner)
		m.locals[i].byKey = make(map[Key]*localAnswer)
	}
	return m, nil
}

// itemPrefix names the hash key, in short.
func (k *Keys) itemPrefix() string {
	return "fraudcheck:" + k.ID() + ":"
}

// CanaryKey is the key of the item that names a server's memory: see package memcached.
func (k *Keys) CanaryKey() string { return k.itemPrefix() + "canary" }

// appendItemKey appends the key under which a record is stored. It tells nothing of the
// subject.
func (m *Memcached) appendItemKey(dst []byte, key Key) []byte {
	return base64.RawURLEncoding.AppendEncode(append(dst, m.prefix...), key[:])
}

// serverOf chooses by the first bits of the key, which is a keyed hash.
func (m *Memcached) serverOf(key Key) *memcached.Server {
	return m.Client.ServerOf(binary.LittleEndian.Uint64(key[:]))
}

func (m *Memcached) backlogOf(s *memcached.Server) *backlog { return &m.backlogs[s.Index()] }

// Update implements Store.
func (m *Memcached) Update(u *Update) {
	attempt := u.verb == observe
	if locals := m.localsOf(u.key); attempt && !u.suspect && m.watched.Load() && locals.allows(u) {
		if m.Local.Update(u); u.blocks() && (!u.changes() || locals.use(u.key)) {
			return
		}
	}
	shared, s := false, m.serverOf(u.key)
	u.result.waited = false
	if s.Trusted() {
		shared, u.result.waited = m.inTurn(u)
	}
	if !shared {
		u.result.degraded = true
		m.Local.Update(u)
		if u.changes() && (u.verb.byAnalyst() || u.blocks()) {
			m.backlogOf(s).add(u)
		}
	} else if attempt {
		m.allowLocal(u)
	}
}

// inTurn takes the turn of u's check, or one for u alone, and applies u to the shared
// record. late says that it is this process that was late, and not the server: there was
// no turn in time, or no time to ask.
func (m *Memcached) inTurn(u *Update) (shared, late bool) {
	turn := u.turn
	if turn == nil {
		turn = &turns.Turn{Class: u.verb.class()}
		defer turn.Release()
	}
	until, ok := m.Turns.Take(turn)
	if !ok {
		return false, true
	}
	result := m.share(u, until)
	return result == memcached.OK, result == memcached.Late
}

// class is what an update is that has no check's turn.
func (v verb) class() turns.Class {
	switch v {
	case forget, override:
		return turns.Change
	case reseed:
		return turns.Write
	case read:
		return turns.LookUp
	}
	return turns.Check
}

// Watch has the client watch its servers, and allows answers from the copy for subjects
// that are blocked, until Close. plan and now say what matters when a server is to be
// told, and when such answers are to be written.
func (m *Memcached) Watch(plan func() *Plan, now func() Time) {
	m.watchServers(plan, now)
	m.sweeping.Go(func() { m.sweep(plan, now) })
	m.watched.Store(true)
}

func (m *Memcached) watchServers(plan func() *Plan, now func() Time) {
	m.Client.Watch(func(s *memcached.Server, all bool, stop <-chan struct{}) (whole bool) {
		if all {
			return m.tellAll(s, plan(), now(), time.Now().Add(tellFor), stop)
		}
		return m.tellBacklog(s, plan, now, stop)
	})
}

// Close writes what was answered from the copy. It may be called more than once.
func (m *Memcached) Close() error {
	m.closing.Do(func() {
		m.watched.Store(false)
		close(m.stop)
		m.sweeping.Wait()
		m.Client.EachServer(func(s *memcached.Server) {
			if s.Trusted() {
				records, _ := m.backlogOf(s).take()
				m.tell(updatesOf(records, 0), nil)
			}
		})
	})
	return nil
}
