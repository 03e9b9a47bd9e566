package velocity

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slewDivisor is the time that must pass for each unit of time by which a clock is
	// corrected: 100, so at most 10 ms a second.
	slewDivisor = 100
	// farDivisor is that of a clock that has been more than farOff from the wall clock for
	// steadyFor: at most a second a second.
	farDivisor = 1

	farOff       = time.Minute
	steadyFor    = time.Minute
	steadyWithin = time.Second // of a difference that does not change
)

// A Clock is the wall clock at its start, carried on by a monotonic clock that counts the
// time for which the machine is suspended. It is slewed towards the wall clock by at most
// 10 ms a second, so a step of the machine's clock moves no window. When the two are more
// than a minute apart nobody can tell which is right: until that is over the clock is off,
// and once the difference has been steady for a minute it is slewed by up to a second a
// second. It may be used from many goroutines at once.
type Clock struct {
	start time.Time // with its monotonic reading
	// suspended returns for how long the machine has been suspended since some time before
	// the start, which Go's monotonic clock does not count.
	suspended func() time.Duration
	before    time.Duration // the start, of that

	offset    atomic.Int64 // nanoseconds corrected so far
	slept     atomic.Int64 // nanoseconds suspended since the start
	slewedAt  atomic.Int64 // monotonic time since the start of the last correction, in nanoseconds
	wallAhead atomic.Int64 // nanoseconds, at the last correction, before it

	mu          sync.Mutex    // held while correcting
	difference  time.Duration // of the wall clock to the monotonic one
	steady      time.Duration // the difference that it has kept to
	steadySince time.Duration // by the monotonic clock
}

// NewClock starts a clock at the given reading of time.Now.
func NewClock(start time.Time) *Clock { return newClock(start, suspended) }

func newClock(start time.Time, suspended func() time.Duration) *Clock {
	return &Clock{start: start, suspended: suspended, before: suspended()}
}

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
	return TimeOf(c.start.Add(monotonic + time.Duration(c.slept.Load()+c.offset.Load())))
}

func (c *Clock) slew(monotonic, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := monotonic - time.Duration(c.slewedAt.Load())
	if passed <= 0 { // another goroutine was faster
		return
	}
	c.slewedAt.Store(int64(monotonic))
	c.compare(monotonic, wall)
	wallAhead := c.difference - time.Duration(c.offset.Load())
	c.wallAhead.Store(int64(wallAhead))
	most := passed / slewDivisor
	if wallAhead.Abs() > farOff && monotonic-c.steadySince >= steadyFor {
		most = passed / farDivisor
	}
	c.offset.Add(int64(min(max(wallAhead, -most), most)))
}

// compare notes how far the two clocks are apart, and since when. A suspended machine has
// moved its wall clock, so only a step of that is looked into.
func (c *Clock) compare(monotonic, wall time.Duration) {
	apart := func() time.Duration { return wall - monotonic - time.Duration(c.slept.Load()) }
	if (apart() - c.difference).Abs() > time.Millisecond {
		c.slept.Store(int64(c.suspended() - c.before))
	}
	c.difference = apart()
	if (c.difference - c.steady).Abs() > steadyWithin {
		c.steady, c.steadySince = c.difference, monotonic
	}
}

// Ahead returns how far the wall clock was ahead of this one when both were last
// compared; negative when it was behind.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.wallAhead.Load()) }

// Off reports whether the two were more than a minute apart then.
func (c *Clock) Off() bool { return c.Ahead().Abs() > farOff }
