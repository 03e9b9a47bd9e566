package recent

import (
	"sync"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// Checks are the checks of this instance, for a Ring and a Traffic. A check only writes a note
// of itself. The notes are worked off one after the other when there are many, and before
// somebody reads: what that needs of the processor's caches is fetched once, and not by every
// check.
type Checks struct {
	ring    *Ring    // nil: none
	traffic *Traffic // nil: none

	mu    sync.Mutex // of the notes, the ring and the traffic's shares
	noted int
	notes [mostNotes]note
}

// mostNotes bounds what one check does for others, which is some ten microseconds.
const mostNotes = 64

// A note is a check that the ring and the traffic have not yet seen.
type note struct {
	key    addressKey // see [event.Event.Subject]
	hash   uint64
	time   velocity.Time
	card   velocity.ShortID // 0: not known
	known  bool             // it has an address
	shared bool             // which may be the one that sends most
	slot   int32            // of the ring, with the decision
}

// Together returns the Checks of both; ring may be nil. It is called before the first check.
func Together(ring *Ring, traffic *Traffic) *Checks {
	c := newChecks(ring, traffic)
	if ring != nil {
		ring.Checks = c
	}
	traffic.Checks = c
	return c
}

func newChecks(ring *Ring, traffic *Traffic) *Checks {
	c := &Checks{ring: ring, traffic: traffic}
	for i := range c.notes {
		c.notes[i].slot = int32(i)
	}
	return c
}

// Watch is an [event.Watcher]: it notes a check.
func (c *Checks) Watch(e *event.Event) {
	if e.Kind != event.Check {
		return
	}
	key, hash := e.Subject()
	known := e.Attempt.Address.IsValid()
	shared := known && e.Decision.Suspect == velocity.NotSuspect && !e.Decision.Settled
	c.mu.Lock()
	if c.noted == mostNotes {
		c.settle()
	}
	n := &c.notes[c.noted]
	c.noted++
	n.key, n.hash, n.time, n.card, n.known, n.shared = key, hash, e.Time, e.ShortCard, known, shared
	if c.ring != nil {
		c.ring.slots[n.slot].fill(e)
	}
	c.mu.Unlock()
}

// lock locks, with every check seen.
func (c *Checks) lock() {
	c.mu.Lock()
	c.settle()
}

// settle has the ring and the traffic see what was noted.
func (c *Checks) settle() {
	if c.ring != nil {
		c.ring.fetch(c.notes[:c.noted])
		for i := range c.notes[:c.noted] {
			c.ring.note(&c.notes[i])
		}
	}
	if c.traffic != nil {
		c.traffic.note(c.notes[:c.noted])
	}
	c.noted = 0
}
