package velocity

import (
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Each server is watched in the background: asked for its canary, an item that is
// only there to be missed. While its breaker is open that is the probe which closes
// it; otherwise it tells a server that has lost its memory, by a restart or a
// flush, from one that has not.
//
// A server without canary is first told again of everybody who is blocked, so that
// no attacker is let off until each of them shows up again.

const (
	probeEvery  = 100 * time.Millisecond // while the breaker is open
	canaryEvery = 10                     // probes apart otherwise

	maxReseeded = 10_000 // records
	reseedBatch = 50     // between pauses
	reseedPause = 2 * time.Millisecond
)

// Watch watches every server until Close, and allows answers from the copy for who
// is blocked. plan and now tell who that is when a server has lost its memory, and
// when such answers are to be written.
func (m *Memcached) Watch(plan func() *Plan, now func() Time) {
	for _, s := range m.servers {
		m.watches.Go(func() { m.watch(s, plan, now) })
	}
	m.watches.Go(func() { m.sweep(plan, now) })
	m.watched.Store(true)
}

func (m *Memcached) watch(s *server, plan func() *Plan, now func() Time) {
	// Of its own: it is not to wait for shoppers, nor they for it.
	client := s.newLane().client
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		if open := s.open.Load(); open || n%canaryEvery == 0 {
			m.probe(s, client, open, func() { m.reseed(s, plan(), now()) })
		}
	}
}

func (m *Memcached) probe(s *server, client *memcache.Client, open bool, reseed func()) {
	defer func() {
		if fault := recover(); fault != nil {
			m.Panicked(fault)
		}
	}()
	key := m.prefix + "canary"
	result := m.do(s, "probe", func() error {
		_, err := client.Get(key)
		return err
	}, func() Result { return OK })
	if result == Miss {
		reseed()
		result = m.do(s, "probe", func() error {
			return client.Set(&memcache.Item{Key: key, Value: []byte("canary")})
		}, func() Result { return OK })
	}
	if open && s.probed(result == OK, time.Now()) {
		m.Changed(s.name, true)
	}
}

// reseed writes the blocked records of the server's share back to it.
func (m *Memcached) reseed(s *server, plan *Plan, now Time) {
	n := 0
	for u := range m.Local.blocked(plan, now) {
		if pick(m.servers, u.key) != s {
			continue
		}
		if n++; n > maxReseeded {
			return
		}
		if n%reseedBatch == 0 {
			time.Sleep(reseedPause) // shoppers come first
		}
		u.reseed = true
		if !m.exchange([]*Update{u}, time.Now().Add(m.Budget)) {
			return // the next probe sees to it
		}
	}
}
