package velocity

import "time"

// Time is an instant in milliseconds since the Unix epoch. The core reads no clock:
// every instant is handed to it.
type Time int64

// TimeOf converts t, rounded down to the millisecond.
func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// A span is a length of time in milliseconds.
type span = Time

// wholeSeconds is the span in whole seconds, rounded up.
func (s span) wholeSeconds() int { return int((s + 999) / 1000) }

func spanOf(d time.Duration) span { return span(d.Milliseconds()) }

const second span = 1000

// ahead is how far after an instance's own now a time that another instance wrote may
// lie: one minute. Later times are set back to it, so that an instance with a fast
// clock cannot keep elements counted for long.
const ahead span = 60_000

// age is the time since seen; 0 when seen is later than now.
func (now Time) age(seen Time) span { return max(0, now-seen) }
