package turns

import "time"

const (
	// standsAfter is how long the line of checks must not have been empty, before a
	// newcomer's wait is estimated: shorter ones pass by themselves.
	standsAfter = 100 * time.Millisecond
	// smoothing is the weight of the time between two turns in what came before.
	smoothing = 64
)

// A rate says how fast the line of checks moves.
type rate struct {
	since    time.Time     // the line has not been empty since then
	last     time.Time     // when a check that waited was last served
	interval time.Duration // between two of them, smoothed
}

// served notes that a check that waited has its turn.
func (r *rate) served(now time.Time) {
	if d := now.Sub(r.last); d < standsAfter {
		r.interval += (d - r.interval) / smoothing
	}
	r.last = now
}

// stands reports whether the line has not been empty for standsAfter.
func (r *rate) stands(now time.Time) bool { return now.Sub(r.since) > standsAfter }

// after estimates when a check with n others before it gets its turn.
func (r *rate) after(now time.Time, n int) time.Time {
	return now.Add(time.Duration(n) * r.interval)
}
