package main

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"fraudcheck/internal/testbed/calls"
)

// A tally counts how calls ended, the seeding calls too unless a field says otherwise.
// Each connection has one, and they are added up when no call is in flight.
type tally struct {
	calls   int64 // without outcomes
	attacks int64
	passed  int64 // calls of the attack that were answered allow or review
	refused int64 // other calls that were not answered allow
	fresh   int64 // addresses never seen before
	non200  int64
	err     error

	after            int64 // calls after the seeding
	freshAfter       int64
	lowest, greatest int // counts of honest attempts after the seeding
	degraded         int64

	window  int64                   // calls that ended in the window that is measured
	latency *hdrhistogram.Histogram // of those, µs
}

// newTally makes an empty tally; latencies up to a minute are kept with two digits.
func newTally() *tally {
	return &tally{latency: hdrhistogram.New(1, time.Minute.Microseconds(), 2)}
}

// note counts an answer; seeding is true for the first calls of a connection.
func (t *tally) note(v attempt, a calls.Answer, seeding bool) {
	if v.outcome {
		if a.Status != 202 {
			t.non200++
		}
		return
	}
	t.calls++
	if v.fresh {
		t.fresh++
	}
	if a.Degraded {
		t.degraded++
	}
	switch {
	case a.Status != 200:
		t.non200++
	case v.attack:
		t.attacks++
		if a.Decision != 'b' {
			t.passed++
		}
	// An honest attempt that is reviewed counts as refused: its address showed one card.
	case a.Decision != 'a':
		t.refused++
	}
	if seeding {
		return
	}
	t.after++
	if v.fresh {
		t.freshAfter++
	}
	if !v.attack {
		if t.lowest == 0 || a.Count < t.lowest {
			t.lowest = a.Count
		}
		t.greatest = max(t.greatest, a.Count)
	}
}

// measured adds the latency of a call that ended in the window.
func (t *tally) recordLatency(took time.Duration) {
	t.window++
	_ = t.latency.RecordValue(min(took, time.Minute).Microseconds())
}

// add adds the counts of another tally; of errors the first is kept.
func (t *tally) add(o *tally) {
	t.calls += o.calls
	t.attacks += o.attacks
	t.passed += o.passed
	t.refused += o.refused
	t.fresh += o.fresh
	t.non200 += o.non200
	t.after += o.after
	t.freshAfter += o.freshAfter
	t.degraded += o.degraded
	t.window += o.window
	if o.lowest != 0 && (t.lowest == 0 || o.lowest < t.lowest) {
		t.lowest = o.lowest
	}
	t.greatest = max(t.greatest, o.greatest)
	t.latency.Merge(o.latency)
	if t.err == nil {
		t.err = o.err
	}
}

// quantile returns a latency in milliseconds; percent is from 0 to 100.
func (t *tally) quantile(percent float64) float64 {
	return float64(t.latency.ValueAtPercentile(percent)) / 1000
}

// wrongAnswers returns what is wrong with answers whatever the traffic; empty for nothing.
func (t *tally) wrongAnswers() string {
	switch {
	case t.err != nil:
		return t.err.Error()
	case t.non200 > 0:
		return fmt.Sprintf("%d answers are not 200, or of outcomes 202", t.non200)
	case t.window == 0:
		return "no answers"
	case t.degraded > 0:
		return fmt.Sprintf("%.2g%% degraded", 100*float64(t.degraded)/float64(t.calls))
	}
	return ""
}

// wrongHonest returns what is wrong when honest addresses must all be allowed and have
// shown count cards; 0 does not look at the count.
func (t *tally) wrongHonest(count int) string {
	switch {
	case t.refused > 0:
		return fmt.Sprintf("%d honest attempts not allowed", t.refused)
	case count > 0 && (t.lowest != count || t.greatest != count):
		return fmt.Sprintf("honest addresses counted at %d to %d cards, not %d", t.lowest, t.greatest, count)
	}
	return ""
}

// wrongShown returns what is wrong with the answers to an address that has shown that
// many cards.
func (t *tally) wrongShown(cards int) string {
	switch {
	case cards <= blockOver:
		return t.wrongHonest(cards)
	case t.lowest != blockOver+1 || t.greatest != blockOver+1:
		return fmt.Sprintf("%d cards counted as %d to %d", cards, t.lowest, t.greatest)
	case t.refused < t.after:
		return fmt.Sprintf("%d of %d attempts refused", t.refused, t.after)
	}
	return ""
}

// blockOver is that of the default rule: how many cards of an address pass.
const blockOver = 5

// wrongAttack returns what is wrong when one address showed a new card in each attack
// call: exactly blockOver of them must pass, however many connections and instances there
// were.
func (t *tally) wrongAttack() string {
	switch {
	case t.attacks <= blockOver:
		return "no attack to speak of"
	case t.passed != blockOver:
		return fmt.Sprintf("%d cards of the attack passed, not %d", t.passed, blockOver)
	}
	return ""
}

// anyFresh returns what is wrong when a call after the seeding came from a new address.
func (t *tally) anyFresh() string {
	if t.freshAfter > 0 {
		return fmt.Sprintf("%d addresses were not known", t.freshAfter)
	}
	return ""
}
