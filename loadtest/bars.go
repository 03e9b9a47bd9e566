package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
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
type verdict struct {
	carries            // what this machine carries, once it is known
	short         bool // nothing is judged that depends on time
	broken, notes []string
	missedBy      []excuse
}

// An excuse is why this machine cannot show whether some bars hold.
type excuse struct {
	bars []string
	why  string
}

// unjudged returns the excuses as text.
func (v *verdict) unjudged() (all []string) {
	for _, e := range v.missedBy {
		all = append(all, strings.Join(e.bars, ", ")+": "+e.why)
	}
	return all
}

// carries is two measurements at fewConns, before a stage and after it; nil where none
// was made.
type carries struct{ before, after *stage }

func (c carries) least() float64 { return min(c.before.rate(), c.after.rate()) }
func (c carries) mean() float64  { return (c.before.rate() + c.after.rate()) / 2 }

// unsteady reports whether the machine changed meanwhile.
func (c carries) unsteady() bool {
	return max(c.before.rate(), c.after.rate()) > steady*c.least()
}

func (v *verdict) note(format string, args ...any) {
	v.notes = append(v.notes, fmt.Sprintf(format, args...))
}

// breaks adds a broken promise when the condition holds.
func (v *verdict) breaks(when bool, format string, args ...any) {
	if what := fmt.Sprintf(format, args...); when && !slices.Contains(v.broken, what) {
		v.broken = append(v.broken, what)
	}
}

// missed adds a bar that a stage missed: to what is not judged where the reason is this
// machine, otherwise to what is broken. needs is how many checks a second the machine
// must carry for the bar; 0 for a bar that a slow machine can hold too.
func (v *verdict) missed(st *stage, needs float64, format string, args ...any) {
	if v.short {
		return
	}
	what, why := fmt.Sprintf(format, args...), ""
	switch {
	case v.before != nil && v.least() < needs:
		why = fmt.Sprintf("%d connections need %.0f checks/s for it, this machine carries %.0f", st.conns, needs, v.least())
	case v.before != nil && v.unsteady():
		why = fmt.Sprintf("this machine carried %.0f checks/s before and %.0f after", v.before.rate(), v.after.rate())
	case st.others > busyShare:
		why = fmt.Sprintf("others took %.0f%% of this machine", 100*st.others)
	default:
		v.breaks(true, "%s", what)
		return
	}
	for i := range v.missedBy {
		if e := &v.missedBy[i]; e.why == why {
			e.bars = append(e.bars, what)
			return
		}
	}
	v.missedBy = append(v.missedBy, excuse{[]string{what}, why})
}

// needs is the rate at which a closed loop of the stage's connections waits that long, by
// Little's law.
func (st *stage) needs(wait time.Duration) float64 { return float64(st.conns) / wait.Seconds() }

// answered judges what holds for every crowd: every call is answered 200, or 503 with
// Retry-After where it may be shed; honest shoppers are allowed; of an attacker's cards
// as many pass as the rule says.
func (v *verdict) answered(st *stage, c *crowd, mayShed bool) {
	v.breaks(c.failed > 0, "%d calls failed (%s)", c.failed, c.failure)
	v.breaks(st.answered == 0, "no call answered")
	v.breaks(!mayShed && st.shed > 0, "%d calls shed", st.shed)
	v.breaks(st.wrong > 0, "%d honest calls not allowed", st.wrong)
	problem := c.attack.problem()
	v.breaks(problem != "", "%s", problem)
	// A caller that calls again at once waits for the second that Retry-After asks for.
	if shed := float64(st.shedTook.ValueAtPercentile(99)) / 1000; shed > 1000+slowest {
		v.missed(st, st.needs(slowest*time.Millisecond), "shed after %.0f ms at p99", shed)
	}
}

// untroubled judges a crowd whose store is well: no check is degraded for want of it,
// only for want of a turn.
func (v *verdict) untroubled(st *stage) {
	v.breaks(st.untold, "degraded checks are not told apart by reason")
	if st.unanswered > mostDegraded*float64(st.answered) {
		v.missed(st, 0, "%.0f checks degraded by a store that is well", st.unanswered)
	}
}

// inTime judges that everybody is answered within 100 ms at p99.
func (v *verdict) inTime(st *stage) {
	if p99 := st.quantile(99); p99 > slowest {
		v.missed(st, st.needs(slowest*time.Millisecond), "p99 %.0f ms", p99)
	}
}

// fresh judges that most answers are fresh, and that the median wait for a turn is well
// under the deadline.
func (v *verdict) fresh(st *stage) {
	median := st.wait.median()
	v.breaks(st.wait == nil, "no metric fraudcheck_check_wait_seconds")
	if math.IsNaN(median) {
		v.missed(st, 0, "no check took a turn")
	} else {
		v.note("%.1f%% fresh, median wait at most %.1f ms", 100*st.fresh(), median)
	}
	if st.fresh() <= 0.5 {
		v.missed(st, st.needs(defaultAnswer), "%.0f%% fresh", 100*st.fresh())
	}
	if median > float64(longestMedian.Milliseconds()) {
		v.missed(st, st.needs(longestMedian), "median wait %.0f ms", median)
	}
}

// rate judges the rate of answers 200 against that at fewConns.
func (v *verdict) rate(st *stage) {
	ratio := st.rate() / v.mean()
	v.note("%.2f of the rate at %d", ratio, fewConns)
	if ratio < leastRate {
		v.missed(st, 0, "rate %.2f of that at %d connections", ratio, fewConns)
	}
}
