package velocity

import (
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
)

// A server that lost its memory, or was out of reach, is told what matters of what this
// instance knows, before it is believed again: first the records that were forgotten
// within their longest window, so that no other instance's copy brings back what an
// analyst forgave; then those that an enforced rule blocks, so that no attacker is let
// off; each newest first. Ordinary traffic tells the rest.
const (
	maxTold   = 10_000 // records
	tellBatch = 50     // between pauses
	tellPause = 2 * time.Millisecond
	tellers   = 8 // records written at once
	maxUntold = 5 // failures, before telling is given up until the next probe
)

// An urgency orders what a server is told.
type urgency uint8

const (
	marked urgency = iota // by an analyst, for instance
	forgotten
	blocking
	ordinary // not told
)

// urgency of the record, to which u was applied.
func (u *Update) urgency(r *Record) urgency {
	switch {
	case slices.ContainsFunc(r.marks, func(m mark) bool { return m.key.lasting }):
		return marked
	case r.generation > 0 && u.now.age(Time(r.generation)) < u.subject.retain:
		return forgotten
	case u.blocks() || len(r.marks) > 0:
		return blocking
	}
	return ordinary
}

// tellOf is an update that writes what is known of the subject and observes nothing.
func tellOf(plan *Plan, subject *subjectPlan, key Key, now Time) *Update {
	u := new(Update)
	u.begin(plan, subject, key, now, reseed)
	return u
}

// tellAll tells the server what matters of its share of this instance's records, and
// reports whether it was told all of that.
func (m *Memcached) tellAll(s *memcached.Server, plan *Plan, now Time, stop <-chan struct{}) (whole bool) {
	return m.tell(m.Local.urgent(plan, now, maxTold, func(key Key) bool { return m.serverOf(key) == s }), stop)
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
	until, ok := m.Turns.Take(turn)
	if !ok {
		return false
	}
	switch m.exchange([]*Update{u}, until, true) {
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
