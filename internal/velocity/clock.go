package velocity

import (
	"sync"
	"sync/atomic"
	"time"
)

// drawn is how much of each second that passes a clock may make up towards the
// wall clock: 10 ms.
const drawn = 100

// A Clock is the wall clock at its start, carried on by the monotonic clock and
// drawn towards the wall clock by at most 10 ms a second, so that a step of the
// machine's clock moves no window.
type Clock struct {
	start time.Time // with its monotonic reading

	offset  atomic.Int64  // nanoseconds made up so far
	settled atomic.Int64  // monotonic time up to which they were
	mu      sync.Mutex    // of who makes up more
	ahead   time.Duration // what the wall clock was ahead when last looked at
}

// NewClock starts a clock at the given reading of time.Now.
func NewClock(start time.Time) *Clock { return &Clock{start: start} }

// Now is the instance's time at the given reading of time.Now.
func (c *Clock) Now(reading time.Time) Time {
	return c.at(reading.Sub(c.start), reading.Round(0).Sub(c.start.Round(0)))
}

// at takes both clocks as time passed since the start.
func (c *Clock) at(monotonic, wall time.Duration) Time {
	// No two checks within a millisecond need to make up anything.
	if monotonic-time.Duration(c.settled.Load()) >= time.Millisecond {
		c.settle(monotonic, wall)
	}
	return TimeOf(c.start.Add(monotonic + time.Duration(c.offset.Load())))
}

func (c *Clock) settle(monotonic, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if passed := monotonic - time.Duration(c.settled.Load()); passed > 0 {
		c.settled.Store(int64(monotonic))
		c.ahead = wall - monotonic - time.Duration(c.offset.Load())
		most := passed / drawn
		c.offset.Add(int64(min(max(c.ahead, -most), most)))
	}
}

// Ahead is how far the wall clock was ahead of this one when last read; negative
// when it was behind.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}
