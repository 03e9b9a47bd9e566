package memcached

import (
	"sync"
	"time"
)

// timers are pooled: under load many operations wait, and a new timer for each would be
// three allocations.
var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// SetTimer returns a timer that fires at the deadline, to be given back to EndTimer.
func SetTimer(deadline time.Time) *time.Timer {
	t := timers.Get().(*time.Timer)
	t.Reset(time.Until(deadline))
	return t
}

// EndTimer stops the timer, which must not be used any more.
func EndTimer(t *time.Timer) {
	t.Stop()
	timers.Put(t)
}
