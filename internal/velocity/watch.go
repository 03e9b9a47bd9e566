package velocity

import (
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"golang.org/x/sync/errgroup"
)

// Each server is watched in the background: asked for its canary, an item whose value
// an instance makes up. While its breaker is open that is the probe which closes it;
// otherwise it tells a server that has lost its memory, by a restart or a flush, from
// one that has not.
//
// A server without canary, or with one of another's that was put there since, is first
// told again of everybody who is blocked, so that no attacker is let off until each of
// them shows up again. Until it has been told, its canary is not believed, and the next
// probe tells it again.

const (
	probeEvery  = 100 * time.Millisecond // while the breaker is open
	canaryEvery = 10                     // probes apart otherwise

	maxReseeded = 10_000 // records
	reseedBatch = 50     // between pauses
	reseedPause = 2 * time.Millisecond
	maxUntold   = 5 // records that could not be written, before it is given up
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
	x := s.newLane()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		if open := s.open.Load(); open || n%canaryEvery == 0 {
			m.probe(s, x, open, func() bool { return m.reseed(s, plan(), now()) })
		}
	}
}

func (m *Memcached) probe(s *server, x *lane, open bool, reseed func() (whole bool)) {
	defer func() {
		if fault := recover(); fault != nil {
			m.Panicked(fault)
		}
	}()
	answered := func() Result { return OK }
	item := &memcache.Item{Key: m.prefix + "canary"}
	x.until(time.Now().Add(m.Budget))
	result := m.do(s, x, "probe", func() error {
		found, err := x.client.Get(item.Key)
		if err == nil {
			item = found
		}
		return err
	}, answered)
	if lost := result == Miss || result == OK && string(item.Value) != s.canary; lost && reseed() {
		if result == Miss {
			item.Value = []byte(rand.Text())
			x.until(time.Now().Add(m.Budget))
			result = m.do(s, x, "probe", func() error { return x.client.Set(item) }, answered)
		}
		s.canary = string(item.Value)
	}
	if open && s.probed(result == OK || result == Miss, time.Now()) {
		m.Changed(s.name, true)
	}
}

// reseed writes the blocked records of the server's share back to it, and reports
// whether it was done with them all.
func (m *Memcached) reseed(s *server, plan *Plan, now Time) (whole bool) {
	var untold atomic.Int32
	var telling errgroup.Group
	telling.SetLimit(flushers)
	n := 0
	for blocked := range m.Local.blocked(plan, now) {
		if pick(m.servers, blocked.key) != s {
			continue
		}
		if n++; n > maxReseeded || untold.Load() >= maxUntold || m.stopped() {
			break
		}
		if n%reseedBatch == 0 {
			time.Sleep(reseedPause) // shoppers come first
		}
		u := *blocked // which does not last
		u.verb = reseed
		telling.Go(func() error {
			switch m.exchange([]*Update{&u}, time.Now().Add(m.Budget)) {
			case OK, Newer:
			default:
				untold.Add(1)
			}
			return nil
		})
	}
	_ = telling.Wait() // none fails
	return untold.Load() == 0 && !m.stopped()
}
