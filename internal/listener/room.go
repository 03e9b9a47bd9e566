package listener

import (
	"math"
	"slices"
	"time"
)

// One look at all connections finds several that may make room, so that a flood of
// new connections does not cost a look each.
const candidates = 64

// busy is what unusedSince says of a connection with a request.
const busy = math.MaxInt64

// unusedSince is the sweeper's round since which nothing was sent on the connection:
// since it was accepted, or since its last answer.
func (c *Conn) unusedSince() int64 {
	if c.is(StateActive) || c.released.Load() {
		return busy
	}
	return c.since.Load()
}

// findOldest finds the connections that have been silent or idle longest, that one
// first.
func (l *Listener) findOldest() {
	var unused []*Conn
	l.open.Range(func(key, _ any) bool {
		c := key.(*Conn)
		if c.found = c.unusedSince(); c.found != busy {
			unused = append(unused, c)
		}
		return true
	})
	slices.SortFunc(unused, func(a, b *Conn) int {
		if a.found != b.found {
			return int(a.found - b.found)
		}
		return a.accepted.Compare(b.accepted)
	})
	l.oldest = slices.Clone(unused[:min(candidates, len(unused))])
}

// release closes the connection unless a request arrives at this very moment, and
// reports whether it was to be closed: it may already be used again. The goroutine
// that reads sees to it, as it alone knows what was read.
func (c *Conn) release() bool {
	if c.is(StateActive) || c.released.Swap(true) {
		return false
	}
	c.leaving.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
	return true
}
