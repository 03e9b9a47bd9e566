package listener

import (
	"sync/atomic"
	"time"
)

// pauseStep is how long a paused connection sleeps between two looks.
const pauseStep = 50 * time.Millisecond

// A pause has the next read of a connection wait. The goroutine that reads owns it.
type pause struct {
	until time.Time // zero: none
	over  func() bool
}

// Pause has the next read wait for d, or until over reports that it may go on. The caller
// sees a connection that is slow to take its next request. It is for the goroutine that
// reads.
func (c *Conn) Pause(d time.Duration, over func() bool) {
	c.pause = pause{until: time.Now().Add(d), over: over}
}

// wait waits until the pause is over, or the connection is to be closed.
func (p *pause) wait(closing *atomic.Bool) {
	if p.until.IsZero() {
		return
	}
	for !closing.Load() && !p.over() {
		left := time.Until(p.until)
		if left <= 0 {
			break
		}
		time.Sleep(min(left, pauseStep))
	}
	*p = pause{}
}
