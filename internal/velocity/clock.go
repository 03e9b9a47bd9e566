package velocity

import (
	"sync"
	"sync/atomic"
	"time"
)

// slewDivisor is the time that must pass for each unit of time by which a clock is
// corrected: 100, so at most 10 ms a second.
const slewDivisor = 100

// A Clock is the wall clock at its start, carried on by the monotonic clock. It is
// slewed towards the wall clock by at most 10 ms a second, so a step of the machine's
// clock moves no window. It may be used from many goroutines at once.
type Clock struct {
	start time.Time // with its monotonic reading

	offset    atomic.Int64  // nanoseconds corrected so far
	slewedAt  atomic.Int64  // monotonic time since start of the last correction, in nanoseconds
	mu        sync.Mutex    // held while correcting
	wallAhead time.Duration // at the last correction, before it
}

// NewClock starts a clock at the given reading of time.Now.
func NewClock(start time.Time) *Clock { return &Clock{start: start} }

// Now returns the instance's time at the given reading of time.Now.
func (c *Clock) Now(reading time.Time) Time {
	return c.at(reading.Sub(c.start), reading.Round(0).Sub(c.start.Round(0)))
}

// at takes the times that have passed since the start by both clocks.
func (c *Clock) at(monotonic, wall time.Duration) Time {
	// Within a millisecond there is nothing to correct that Time could show.
	if monotonic-time.Duration(c.slewedAt.Load()) >= time.Millisecond {
		c.slew(monotonic, wall)
	}
	return TimeOf(c.start.Add(monotonic + time.Duration(c.offset.Load())))
}

func (c *Clock) slew(monotonic, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := monotonic - time.Duration(c.slewedAt.Load())
	if passed <= 0 { // another goroutine was faster
		return
	}
	c.slewedAt.Store(int64(monotonic))
	c.wallAhead = wall - monotonic - time.Duration(c.offset.Load())
	most := passed / slewDivisor
	c.offset.Add(int64(min(max(c.wallAhead, -most), most)))
}

// Ahead returns how far the wall clock was ahead of this one when both were last
// compared; negative when it was behind.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wallAhead
}
