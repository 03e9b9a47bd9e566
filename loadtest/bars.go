package main

import (
	"fmt"
	"slices"
	"time"
)

// Bars judge a crowd by what this machine carries: the rate at fewConns connections,
// measured right before and right after. By Little's law N callers in a closed loop that
// are answered R times a second wait N/R on average, whatever the program does. A bar
// that is missed where N/R is above it says nothing of the program, and is not judged.

const (
	fewConns      = 64
	defaultAnswer = 80 * time.Millisecond // limits.answer
	mostDegraded  = 0.001                 // share, with limits.answer: 2s
	leastRate     = 0.9                   // of that at fewConns
	steady        = 1.2                   // most that the two measurements at fewConns may differ by
	longestMedian = defaultAnswer / 2     // wait for a turn
	busyShare     = 0.1                   // of the machine, that others may take without a remark
)

// A verdict collects what was broken, and what could not be judged.
type verdict struct{ broken, unjudged, notes []string }

// breaks adds a broken promise when the condition holds.
func (v *verdict) breaks(when bool, format string, args ...any) {
	if what := fmt.Sprintf(format, args...); when && !slices.Contains(v.broken, what) {
		v.broken = append(v.broken, what)
	}
}

func (v *verdict) note(format string, args ...any) {
	v.notes = append(v.notes, fmt.Sprintf(format, args...))
}

// carries is the rate that this machine carries, measured before and after a stage.
type carries struct{ before, after *stage }

func (c carries) least() float64 { return min(c.before.rate(), c.after.rate()) }
func (c carries) mean() float64  { return (c.before.rate() + c.after.rate()) / 2 }

// unsteady reports whether the machine changed meanwhile.
func (c carries) unsteady() bool {
	return max(c.before.rate(), c.after.rate()) > steady*c.least()
}

// missed adds a bar that a stage missed: to what is not judged where the reason is this
// machine, otherwise to what is broken. A closed loop of that many connections needs so
// many checks a second for the bar; 0 for a bar that a slow machine can hold too.
func (v *verdict) missed(st *stage, c carries, needs float64, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	switch {
	case c.least() < needs:
		v.unjudged = append(v.unjudged, fmt.Sprintf("%s: %d connections need %.0f checks/s for it, this machine carries %.0f", what, st.conns, needs, c.least()))
	case c.unsteady():
		v.unjudged = append(v.unjudged, fmt.Sprintf("%s: this machine carried %.0f checks/s before and %.0f after", what, c.before.rate(), c.after.rate()))
	case st.others > busyShare:
		v.unjudged = append(v.unjudged, fmt.Sprintf("%s: others took %.0f%% of this machine", what, 100*st.others))
	default:
		v.broken = append(v.broken, what)
	}
}

// needs is the rate at which a closed loop of so many connections waits that long, by
// Little's law.
func (st *stage) needs(wait time.Duration) float64 { return float64(st.conns) / wait.Seconds() }

// inTime judges that everybody is answered within 100 ms at p99.
func (v *verdict) inTime(st *stage, c carries) {
	if p99 := st.quantile(99); p99 > slowest {
		v.missed(st, c, st.needs(slowest*time.Millisecond), "p99 %.0f ms", p99)
	}
}

// fresh judges that most answers are fresh, and that the median wait for a turn is well
// under the deadline.
func (v *verdict) fresh(st *stage, c carries) {
	median := st.wait.median()
	v.note("%.1f%% fresh, median wait at most %.0f ms", 100*st.fresh(), median)
	if st.fresh() <= 0.5 {
		v.missed(st, c, st.needs(defaultAnswer), "%.0f%% fresh", 100*st.fresh())
	}
	v.breaks(st.wait == nil, "no metric fraudcheck_check_wait_seconds")
	if median > float64(longestMedian.Milliseconds()) {
		v.missed(st, c, st.needs(longestMedian), "median wait %.0f ms", median)
	}
}

// rate judges the rate of answers 200 against that at fewConns.
func (v *verdict) rate(st *stage, c carries) {
	ratio := st.rate() / c.mean()
	v.note("%.2f of the rate at %d", ratio, fewConns)
	if ratio < leastRate {
		v.missed(st, c, 0, "rate %.2f of that at %d connections", ratio, fewConns)
	}
}

// answered judges what holds for every crowd: every call is answered 200, or 503 with
// Retry-After where it may be shed; honest shoppers are allowed; of an attacker's cards
// as many pass as the rule says.
func (v *verdict) answered(st *stage, c *crowd, mayShed bool) {
	v.breaks(c.failed > 0, "%d calls failed (%s)", c.failed, c.failure)
	v.breaks(st.answered == 0, "no call answered")
	v.breaks(!mayShed && st.shed > 0, "%d calls shed", st.shed)
	v.breaks(st.wrong > 0, "%d honest calls not allowed", st.wrong)
	problem := c.attack.Load().problem()
	v.breaks(problem != "", "%s", problem)
}

// untroubled judges a crowd whose store is well: no check is degraded for want of it,
// only for want of a turn.
func (v *verdict) untroubled(st *stage) {
	v.breaks(st.untold, "degraded checks are not told apart by reason")
	v.breaks(st.unanswered > mostDegraded*float64(st.answered), "%.0f checks degraded by a store that is well", st.unanswered)
}
