package listener

import (
	"math"
	"slices"
	"time"
)

// maxCandidates is how many connections that may make room one look at all finds, so that
// a flood of new connections does not cost a look each.
const maxCandidates = 64

// inUse is what unusedSince returns for a connection that has a request or was chosen
// already.
const inUse = math.MaxInt64

// unusedSince returns the sweeper's round since which nothing was sent on the connection:
// since it was accepted, or since its last answer.
func (c *Conn) unusedSince() int64 {
	if c.is(StateActive) || c.makingRoom.Load() {
		return inUse
	}
	return c.since.Load()
}

// hasRoom reports whether one more connection may be taken, after it has made room where
// there was none. Where closing is slower than callers connect, it waits, at most a second.
func (l *Listener) hasRoom() bool {
	if l.settings.Max == 0 || l.number.Load() < int64(l.settings.Max) {
		return true
	}
	if l.settings.MadeRoom != nil {
		l.settings.MadeRoom()
	}
	if !l.makeRoom() {
		return false
	}
	if l.number.Load() < int64(l.settings.Max+MaxClosing) {
		return true
	}
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	for l.number.Load() >= int64(l.settings.Max+MaxClosing) {
		select {
		case <-l.gone:
		case <-timeout.C:
			return false
		case <-l.closed:
			return false
		}
	}
	return true
}

// findCandidates finds the connections that have been silent or idle longest, that one
// first. Of those of one round the one accepted first comes first.
func (l *Listener) findCandidates() {
	var unused []*Conn
	l.open.Range(func(key, _ any) bool {
		c := key.(*Conn)
		if c.chosenAt = c.unusedSince(); c.chosenAt != inUse {
			unused = append(unused, c)
		}
		return true
	})
	slices.SortFunc(unused, func(a, b *Conn) int {
		if a.chosenAt != b.chosenAt {
			return int(a.chosenAt - b.chosenAt)
		}
		return a.accepted.Compare(b.accepted)
	})
	l.candidates = slices.Clone(unused[:min(maxCandidates, len(unused))])
}

// closeForRoom begins to close the connection unless it has a request, and reports
// whether it did. A request that arrives at this very moment is still answered: see Read.
func (c *Conn) closeForRoom() bool {
	if c.is(StateActive) || c.makingRoom.Swap(true) {
		return false
	}
	c.closing.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
	return true
}
