package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A saturation is a crowd at an instance, with an attack that began with it.
type saturation struct {
	trial    *trial
	instance *testbed.Instance
	*crowd
}

// A stage is what a crowd was answered in a window, and what the instance's metrics say
// of it.
type stage struct {
	*window
	conns              int
	waited, unanswered float64   // degraded checks: no turn in time, no answer of the store
	untold             bool      // the metric does not tell one from the other
	wait               histogram // of checks for a turn
	others             float64   // share of the machine that processes outside the trial took
}

// saturate has n connections call the instance, and attackers among them, until the
// saturation is closed.
func (s *trial) saturate(i *testbed.Instance, n int) (*saturation, error) {
	c, err := newCrowd(i.Addr, testbed.Basic("shop", s.password), newCardTesters(), n)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, c.close)
	return &saturation{s, i, c}, testbed.Pause(s.ctx, s.warm())
}

// warm is how long a crowd calls before anything is measured.
func (s *trial) warm() time.Duration {
	if s.Short {
		return 100 * time.Millisecond
	}
	return 500 * time.Millisecond
}

// stage measures a window.
func (x *saturation) stage(lasts time.Duration) (*stage, error) {
	before, err := x.instance.Metrics()
	if err != nil {
		return nil, err
	}
	from, err := x.trial.usage()
	if err != nil {
		return nil, err
	}
	w, err := x.measure(x.trial.ctx, lasts)
	if err != nil {
		return nil, err
	}
	to, err := x.trial.usage()
	if err != nil {
		return nil, err
	}
	after, err := x.instance.Metrics()
	if err != nil {
		return nil, err
	}
	st := &stage{window: w, conns: x.conns, wait: grown(before, after, "fraudcheck_check_wait_seconds"), others: to.others(from)}
	for reason, n := range map[string]*float64{"wait": &st.waited, "store": &st.unanswered} {
		series := `fraudcheck_degraded_checks_total{reason="` + reason + `"}`
		if _, there := after[series]; !there {
			st.untold = true
		}
		*n = after[series] - before[series]
	}
	return st, nil
}

// saturated runs a crowd of n at the instance for one window, and ends it.
func (s *trial) saturated(i *testbed.Instance, n int, lasts time.Duration) (*stage, *crowd, error) {
	x, err := s.saturate(i, n)
	if err != nil {
		return nil, nil, err
	}
	st, err := x.stage(lasts)
	x.close()
	return st, x.crowd, err
}

// A histogram has, by upper bound in seconds, how many were at most that.
type histogram map[float64]float64

// grown returns by how much a histogram of an instance grew; nil where there is none.
func grown(before, after testbed.Metrics, name string) histogram {
	var h histogram
	for series, n := range after {
		bound, found := strings.CutPrefix(series, name+`_bucket{le="`)
		if !found {
			continue
		}
		le, err := strconv.ParseFloat(strings.TrimSuffix(bound, `"}`), 64)
		if err != nil {
			continue
		}
		if h == nil {
			h = make(histogram)
		}
		h[le] = n - before[series]
	}
	return h
}

// median returns the least bound, in milliseconds, that half of all do not pass: the
// median is not above it. NaN for an empty histogram.
func (h histogram) median() float64 {
	total := h[math.Inf(1)]
	if total == 0 {
		return math.NaN()
	}
	var bounds []float64
	for le := range h {
		bounds = append(bounds, le)
	}
	slices.Sort(bounds)
	for _, le := range bounds {
		if h[le] >= total/2 {
			return le * 1000
		}
	}
	return math.Inf(1)
}

// String shows the stage for a note.
func (st *stage) String() string {
	text := fmt.Sprintf("%d connections: %.0f/s, p99 %.0f ms", st.conns, st.rate(), st.quantile(99))
	if st.degraded > 0 {
		text += fmt.Sprintf(", %.2f%% degraded (%.0f without a turn, %.0f by the store)", 100*(1-st.fresh()), st.waited, st.unanswered)
	}
	if st.others > busyShare {
		text += fmt.Sprintf(", others took %.0f%% of the machine", 100*st.others)
	}
	if st.shed > 0 {
		text += fmt.Sprintf(", %.0f/s shed within %.0f ms at p99", float64(st.shed)/st.lasted.Seconds(), float64(st.shedTook.ValueAtPercentile(99))/1000)
	}
	return text
}
