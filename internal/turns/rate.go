package turns

import "time"

const (
	// standsAfter is how long the line of checks must not have been empty, before a
	// newcomer's wait is estimated: shorter ones pass by themselves.
	standsAfter = 100 * time.Millisecond
	// measureFor is how long the turns are counted whose mean interval is the estimate.
	// Callers that were answered together come back together: over a shorter time the
	// line seems slow whenever a flood of them takes the processors, and then they are
	// all put aside again, together.
	measureFor = 250 * time.Millisecond
)

// A rate says how fast the line of checks moves.
type rate struct {
	since    time.Time     // the line has not been empty since then
	interval time.Duration // mean time between two turns of checks that waited; 0: not measured yet

	from   time.Time // measured since then
	served int       // turns since
}

// begin notes that a check waits in a line that was empty.
func (r *rate) begin(now time.Time) { *r = rate{since: now, from: now} }

// serve notes that a check that waited has its turn.
func (r *rate) serve(now time.Time) {
	r.served++
	if took := now.Sub(r.from); took >= measureFor {
		r.interval, r.from, r.served = took/time.Duration(r.served), now, 0
	}
}

// stands reports whether the line has not been empty for standsAfter.
func (r *rate) stands(now time.Time) bool { return now.Sub(r.since) > standsAfter }

// after estimates when a check with n others before it gets its turn.
func (r *rate) after(now time.Time, n int) time.Time {
	interval := r.interval
	if interval == 0 {
		interval = now.Sub(r.from) / time.Duration(max(r.served, 1))
	}
	return now.Add(time.Duration(n) * interval)
}
