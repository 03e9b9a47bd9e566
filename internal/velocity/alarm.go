package velocity

import (
	"sync"
	"time"
)

// alarms are used again: under load many checks wait, and a new timer for each would
// be three allocations.
var alarms = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// setAlarm returns a timer that goes off at the deadline; it is given back to endAlarm.
func setAlarm(deadline time.Time) *time.Timer {
	t := alarms.Get().(*time.Timer)
	t.Reset(time.Until(deadline))
	return t
}

func endAlarm(t *time.Timer) {
	t.Stop()
	alarms.Put(t)
}
