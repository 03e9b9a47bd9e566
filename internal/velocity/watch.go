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

// Watch watches every server until Close. plan and now tell who is blocked when a
// server has lost its memory.
func (m *Memcached) Watch(plan func() *Plan, now func() Time) {
	for _, s := range m.servers {
		m.watches.Go(func() { m.watch(s, plan, now) })
	}
}

func (m *Memcached) watch(s *server, plan func() *Plan, now func() Time) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		if open := s.open.Load(); open || n%canaryEvery == 0 {
			m.probe(s, open, func() { m.reseed(s, plan(), now()) })
		}
	}
}

func (m *Memcached) probe(s *server, open bool, reseed func()) {
	defer func() {
		if fault := recover(); fault != nil {
			m.Panicked(fault)
		}
	}()
	key := m.prefix + "canary"
	result := m.do(s, "probe", func() error {
		_, err := s.client.Get(key)
		return err
	}, func() Result { return OK })
	if result == Miss {
		reseed()
		result = m.do(s, "probe", func() error {
			return s.client.Set(&memcache.Item{Key: key, Value: []byte("canary")})
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
		if !m.exchange([]*passenger{{update: *u, deadline: time.Now().Add(m.Budget)}}) {
			return // the next probe sees to it
		}
	}
}
