package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A tally counts how calls ended. Each caller has one; they are added up when all have
// ended.
type tally struct {
	calls      int64
	shed       int64         // 503, with Retry-After
	refused    int64         // the connection was refused
	failed     int64         // neither 200, shed nor refused
	dropped    int64         // no caller was free
	wrong      int64         // honest calls that were not allowed
	letThrough int64         // calls of the attack that were not blocked
	moved      int64         // answered by another endpoint than the first
	late       time.Duration // at most, between a call being due and being given to a caller

	in           [phases]phaseTally
	shedTook     *hdrhistogram.Histogram // µs, from the call's begin
	lastDegraded time.Time               // when the last degraded one was due
	examples     []string                // of failures
}

// A phaseTally counts the calls that were due in one phase.
type phaseTally struct {
	calls, degraded int64
	latency         *hdrhistogram.Histogram // µs; of all that were neither shed nor refused
}

// maxExamples is how many failures are kept as text.
const maxExamples = 3

// newTally makes an empty tally; latencies up to a minute are kept with two digits.
func newTally() *tally {
	t := &tally{shedTook: hdrhistogram.New(1, time.Minute.Microseconds(), 2)}
	for i := range t.in {
		t.in[i].latency = hdrhistogram.New(1, time.Minute.Microseconds(), 2)
	}
	return t
}

// note counts a call and its end. A refused call has no latency: nothing has answered it.
func (t *tally) note(c call, a answer, now time.Time) {
	t.calls++
	t.moved += int64(a.moved)
	in := &t.in[c.phase]
	in.calls++
	switch {
	case a.refused:
		t.refused++
		return
	case a.err == nil && a.status == 503 && a.retry:
		t.shed++
		_ = t.shedTook.RecordValue(min(now.Sub(c.begun), time.Minute).Microseconds())
		return
	}
	_ = in.latency.RecordValue(min(now.Sub(c.due), time.Minute).Microseconds())
	switch {
	case a.err != nil:
		t.fail(a.err.Error())
		return
	case a.status != 200:
		t.fail(fmt.Sprintf("status %d", a.status))
		return
	}
	switch {
	case c.attack && a.decision != "block":
		t.letThrough++
	case !c.attack && a.decision != "allow":
		t.wrong++
	}
	if a.degraded {
		in.degraded++
		if c.due.After(t.lastDegraded) {
			t.lastDegraded = c.due
		}
	}
}

// fail counts a failure and keeps the first few as examples.
func (t *tally) fail(example string) {
	if t.failed++; len(t.examples) < maxExamples {
		t.examples = append(t.examples, example)
	}
}

// add adds the counts of another tally.
func (t *tally) add(o *tally) {
	t.calls += o.calls
	t.shed += o.shed
	t.refused += o.refused
	t.failed += o.failed
	t.dropped += o.dropped
	t.wrong += o.wrong
	t.letThrough += o.letThrough
	t.moved += o.moved
	t.shedTook.Merge(o.shedTook)
	for i := range t.in {
		t.in[i].calls += o.in[i].calls
		t.in[i].degraded += o.in[i].degraded
		t.in[i].latency.Merge(o.in[i].latency)
	}
	if o.lastDegraded.After(t.lastDegraded) {
		t.lastDegraded = o.lastDegraded
	}
	t.examples = append(t.examples, o.examples...)
	t.examples = t.examples[:min(len(t.examples), maxExamples)]
}

// quantile returns a latency in milliseconds, of the phase where it is worse.
func (t *tally) quantile(percent float64) float64 {
	return float64(max(t.in[during].latency.ValueAtPercentile(percent), t.in[after].latency.ValueAtPercentile(percent))) / 1000
}

// degradedShare returns the share of the phase where it is worse, from 0 to 1.
func (t *tally) degradedShare() float64 {
	share := 0.0
	for _, in := range t.in[during:] {
		if in.calls > 0 {
			share = max(share, float64(in.degraded)/float64(in.calls))
		}
	}
	return share
}

// String returns the counts in lines, for loadOnly.
func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "calls %d, failed %d, shed %d, refused %d, not begun %d\n", t.calls, t.failed, t.shed, t.refused, t.dropped)
	fmt.Fprintf(&b, "latency ms: p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", t.quantile(50), t.quantile(99), t.quantile(99.9), t.quantile(100))
	fmt.Fprintf(&b, "honest not allowed %d, attack not blocked %d, degraded %.1f%%", t.wrong, t.letThrough, 100*t.degradedShare())
	for _, e := range t.examples {
		b.WriteString("\nfailed: " + e)
	}
	return b.String()
}
