package memcached

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A breaker decides whether a server is asked at all. While it is open, answers
// come from this instance's own knowledge at once; a probe in the background, not
// a request, finds out whether the server is well again.
//
// Only what a server did counts: a command that was not answered in time, or a
// connection that was refused, never a wait inside this process.
type breaker struct {
	open atomic.Bool // read on every check, written under mu

	mu          sync.Mutex
	consecutive int       // failures in a row
	recent      uint32    // the last operations, one bit each, 1 for a failure
	answered    time.Time // when the last one was that is among them
	closed      time.Time // when it last closed
	relapses    int       // openings soon after closing, in a row
	wellSince   time.Time // of the probe, while open; zero when it failed last
}

const (
	tooManyInARow = 5
	tooManyOf32   = 8 // a server that fails one in four is not fit to wait for

	// Answers within mergeWithin count as one: a connection carries those of many
	// operations, and when it breaks one of them is told.
	mergeWithin = time.Millisecond

	wellFor      = 500 * time.Millisecond // before a server is used again
	relapseAfter = 10 * time.Second       // failing sooner after that is a relapse
	maxRelapses  = 3
)

// report takes the result of an operation, and reports whether it opened the breaker.
func (b *breaker) report(ok bool, now time.Time) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.Load() {
		return false // the probe decides
	}
	if ok {
		b.consecutive = 0
		if now.Sub(b.answered) >= mergeWithin {
			b.recent, b.answered = b.recent<<1, now
		}
		return false
	}
	b.consecutive++
	b.recent = b.recent<<1 | 1
	if b.consecutive < tooManyInARow && bits.OnesCount32(b.recent) < tooManyOf32 {
		return false
	}
	if !b.closed.IsZero() && now.Sub(b.closed) < relapseAfter {
		b.relapses = min(b.relapses+1, maxRelapses)
	} else {
		b.relapses = 0
	}
	b.wellSince = time.Time{}
	b.open.Store(true)
	return true
}

// probed takes the result of a probe of an open breaker, and whether the server was then
// told all that it has to know. It closes the breaker when the server has been well long
// enough, and was told: half a second, or 1, 2, then 4 seconds when it keeps failing soon
// after it was believed. In a crowd telling takes long and may fail; the time for which
// the server has been well does not begin anew then. It reports whether it closed.
func (b *breaker) probed(ok, told bool, now time.Time) (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		b.wellSince = time.Time{}
		return false
	}
	if b.wellSince.IsZero() {
		b.wellSince = now
	}
	enough := wellFor
	if b.relapses > 0 {
		enough = time.Second << (b.relapses - 1)
	}
	if !told || now.Sub(b.wellSince) < enough {
		return false
	}
	b.consecutive, b.recent, b.closed = 0, 0, now
	b.open.Store(false)
	return true
}
