package velocity

import (
	"iter"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
)

// A server that lost its memory, or was out of reach, is told what matters of what this
// instance knows, before it is believed again: first the records with an override; then
// those that were forgotten within their longest window or hold, so that no other
// instance's copy brings back what an analyst forgave; then those that an enforced rule blocks, by its count or its hold, so
// that no attacker is let off; each newest first, and of one network not all at once (urgent.go). That ends after
// tellFor: ordinary traffic tells the rest.
const (
	tellFor    = 30 * time.Second
	tellOneFor = 3 * time.Second // a record; the server itself has the budget for each step, as always
	tellBatch  = 50              // records between pauses
	tellPause  = 2 * time.Millisecond
	tellers    = 32 // records written at once
	maxUntold  = 5  // failures, before telling is given up until the next probe
)

// tellOf is an update that writes what is known of the subject and observes nothing.
func tellOf(plan *Plan, subject *subjectPlan, key Key, network uint32, now Time) *Update {
	u := new(Update)
	u.begin(plan, subject, key, now, reseed)
	u.network = network
	return u
}

// tellAll tells the server what matters of its share of this instance's records, until
// the limit. It reports whether none failed.
func (m *Memcached) tellAll(s *memcached.Server, plan *Plan, now Time, limit time.Time, stop <-chan struct{}) (whole bool) {
	urgent := m.Local.urgent(plan, now, urgentAtOnce, func(key Key) bool { return m.serverOf(key) == s })
	return m.tell(func(yield func(*Update) bool) {
		for u := range urgent {
			if !time.Now().Before(limit) || !yield(u) {
				return
			}
		}
	}, stop)
}

// tell writes the records, and reports whether that was done with them all. A record
// that the server refuses, or has of a newer version, counts as told. It ends early when
// stop is closed.
func (m *Memcached) tell(records iter.Seq[*Update], stop <-chan struct{}) (whole bool) {
	var untold atomic.Int32
	var telling errgroup.Group
	telling.SetLimit(tellers)
	n := 0
	for u := range records {
		if untold.Load() >= maxUntold {
			break
		}
		if n++; n%tellBatch == 0 {
			time.Sleep(tellPause) // requests come first
			if isClosed(stop) {
				untold.Add(1)
				break
			}
		}
		telling.Go(func() error {
			if !m.tellOne(u) {
				untold.Add(1)
			}
			return nil
		})
	}
	_ = telling.Wait() // none fails
	return untold.Load() == 0
}

// tellOne writes one record in a turn of its own.
func (m *Memcached) tellOne(u *Update) (told bool) {
	turn := &turns.Turn{Class: turns.Write}
	defer turn.Release()
	if _, ok := m.Turns.Take(turn); !ok {
		return false
	}
	switch m.exchange([]*Update{u}, time.Now().Add(tellOneFor), true) {
	case memcached.OK, memcached.Newer, memcached.Refused:
		return true
	}
	return false
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
