package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A row is a line of the table. Times are in milliseconds unless the name says otherwise.
type row struct {
	Fault    string   `json:"fault"`
	Calls    int64    `json:"calls"`
	Non200   int64    `json:"non_200"` // without those that were shed
	Shed     int64    `json:"shed"`
	Refused  int64    `json:"refused"`
	P50      float64  `json:"p50_ms"`
	P99      float64  `json:"p99_ms"`
	P999     float64  `json:"p99_9_ms"`
	Max      float64  `json:"max_ms"`
	Degraded float64  `json:"degraded_share"`
	Recovery float64  `json:"recovery_seconds"`
	Kept     bool     `json:"kept"`
	Broken   []string `json:"broken,omitempty"`
	Unjudged []string `json:"unjudged,omitempty"` // missed, where this machine is the reason
	Notes    []string `json:"notes,omitempty"`
}

// busy is how late a call may begin; beyond it the row notes that this machine had no
// processor time to spare, so that the times say little about the program.
const busy = 20 * time.Millisecond

// printHeader prints what the machine is, and the titles of the columns.
func printHeader(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", testbed.Machine())
	fmt.Fprintf(w, "%-24s %8s %8s %6s %8s %8s %8s %8s %9s %9s  %s\n",
		"fault", "calls", "non-200", "shed", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "degraded", "recover s", "promise")
}

// print prints the row; the last column is "kept", or what was broken or could not be
// judged.
func (r *row) print(w io.Writer) {
	verdict := "kept"
	if !r.Kept {
		var why []string
		if len(r.Broken) > 0 {
			why = append(why, "BROKEN: "+strings.Join(r.Broken, "; "))
		}
		if len(r.Unjudged) > 0 {
			why = append(why, "NOT JUDGED: "+strings.Join(r.Unjudged, "; "))
		}
		verdict = strings.Join(why, "; ")
	}
	if len(r.Notes) > 0 {
		verdict += " (" + strings.Join(r.Notes, ", ") + ")"
	}
	fmt.Fprintf(w, "%-24s %8d %8d %6d %8.1f %8.1f %8.1f %8.1f %8.1f%% %9.2f  %s\n",
		r.Fault, r.Calls, r.Non200, r.Shed, r.P50, r.P99, r.P999, r.Max, 100*r.Degraded, r.Recovery, verdict)
}

// judge decides which promises held. own is the error of a promise that only this fault
// makes, or nil; end is when the fault was over. In a short run the p99 is not judged,
// nor is the recovery where this machine had no processor time to spare. In a full run
// the p99 and the degraded share that such a machine shows are NOT JUDGED.
func (s *trial) judge(f fault, t *tally, end time.Time, own error) row {
	r := row{
		Fault: f.name, Calls: t.calls, Non200: t.failed, Shed: t.shed, Refused: t.refused,
		P50: t.quantile(50), P99: t.quantile(99), P999: t.quantile(99.9), Max: t.quantile(100),
		Degraded: t.degradedShare(), Recovery: max(0, t.lastDegraded.Sub(end).Seconds()), Notes: s.notes,
	}
	breaks := func(when bool, format string, args ...any) {
		if when {
			r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
		}
	}
	breaks(own != nil, "%v", own)
	if f.promise&(answered|orShed) != 0 {
		breaks(t.failed > 0, "%d calls failed (%s)", t.failed, strings.Join(t.examples, ", "))
	}
	breaks(f.promise&mayRefuse == 0 && t.refused > 0, "%d calls refused: no process listened", t.refused)
	breaks(f.promise&orShed == 0 && t.shed > 0, "%d calls shed", t.shed)
	breaks(f.promise&orShed != 0 && t.shed == 0, "nothing shed")
	breaks(t.dropped > 0, "%d calls not even begun", t.dropped)
	breaks(t.wrong > 0, "%d honest calls not allowed", t.wrong)
	breaks(f.promise&blocked != 0 && t.letThrough > 0, "%d calls of the blocked let through", t.letThrough)
	breaks(f.promise&degrades != 0 && r.Degraded == 0, "no answer was degraded: the fault had no effect")
	starved := s.Short && t.late > busy
	missed := func(when bool, format string, args ...any) {
		if when && t.late > busy {
			r.Unjudged = append(r.Unjudged, fmt.Sprintf(format, args...))
		} else {
			breaks(when, format, args...)
		}
	}
	missed(s.mostDegraded > 0 && r.Degraded > s.mostDegraded && !starved, "%.0f%% degraded", 100*r.Degraded)
	if f.promise&recovers != 0 && !starved {
		within := min(recovery, s.tail-200*time.Millisecond) // a short run ends sooner
		breaks(r.Recovery > within.Seconds(), "recovered after %.1f s", r.Recovery)
	}
	if f.promise&fast != 0 && !s.Short {
		missed(r.P99 >= slowest, "p99 %.0f ms", r.P99)
	}
	if f.promise&mayRefuse != 0 && r.Refused > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d refused: no process listened", r.Refused))
	}
	if t.shed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("shed within %.1f ms at p99, %.1f at most, from sent to answered",
			float64(t.shedTook.ValueAtPercentile(99))/1000, float64(t.shedTook.Max())/1000))
	}
	if t.moved > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d moved to another instance", t.moved))
	}
	if f.promise&blocked == 0 && t.letThrough > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of the blocked let through", t.letThrough))
	}
	if t.late > busy {
		r.Notes = append(r.Notes, fmt.Sprintf("this machine was busy elsewhere: calls began up to %d ms late", t.late.Milliseconds()))
	}
	r.Kept = len(r.Broken)+len(r.Unjudged) == 0
	return r
}

// row returns the line of a crowd.
func (st *stage) row(f fault, v *verdict) row {
	return row{
		Fault: f.name, Calls: st.answered + st.shed, Shed: st.shed,
		P50: st.quantile(50), P99: st.quantile(99), P999: st.quantile(99.9), Max: st.quantile(100),
		Degraded: 1 - st.fresh(), Kept: len(v.broken)+len(v.missedBy) == 0,
		Broken: v.broken, Unjudged: v.unjudged(), Notes: v.notes,
	}
}
