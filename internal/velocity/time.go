package velocity

import "time"

// Time is an instant in milliseconds since the Unix epoch. All judging is done
// on instants handed in.
type Time int64

// TimeOf rounds t down to the millisecond.
func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// span is a length of time in milliseconds.
type span = Time

func spanOf(d time.Duration) span { return span(d.Milliseconds()) }

// ahead is how far before an instance's own now a time written by another
// instance may lie; later ones are pulled back to it.
const ahead span = 60_000

// age is how long ago seen was; a time later than now has age 0.
func (now Time) age(seen Time) span { return max(0, now-seen) }
