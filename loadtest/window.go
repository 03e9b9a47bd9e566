package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"fraudcheck/internal/testbed/calls"
)

// A window counts what the calls of a crowd that ended within it were answered. Members
// share a few parts of it: one each would take more memory than the program under load.
type window struct {
	parts  [16]windowPart
	lasted time.Duration
	windowPart
}

type windowPart struct {
	mu             sync.Mutex
	answered       int64                   // 200
	degraded       int64                   // of those
	shed           int64                   // 503 with Retry-After
	wrong          int64                   // honest calls that were not allowed
	took, shedTook *hdrhistogram.Histogram // µs, of answered and of shed
}

// newWindow makes an empty window; latencies up to a minute are kept with two digits.
func newWindow() *window {
	w := &window{}
	for i := range w.parts {
		w.parts[i].init()
	}
	w.init()
	return w
}

func (p *windowPart) init() {
	p.took = hdrhistogram.New(1, time.Minute.Microseconds(), 2)
	p.shedTook = hdrhistogram.New(1, time.Minute.Microseconds(), 2)
}

// note counts an answer to the member of that number.
func (w *window) note(member int, a calls.Answer, attack bool, took time.Duration) {
	p := &w.parts[member%len(w.parts)]
	us := min(took, time.Minute).Microseconds()
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.Status != 200 {
		p.shed++
		_ = p.shedTook.RecordValue(us)
		return
	}
	p.answered++
	_ = p.took.RecordValue(us)
	if a.Degraded {
		p.degraded++
	}
	if !attack && a.Decision != 'a' {
		p.wrong++
	}
}

// merged adds up the parts.
func (w *window) merged() *window {
	for i := range w.parts {
		p := &w.parts[i]
		p.mu.Lock()
		w.answered += p.answered
		w.degraded += p.degraded
		w.shed += p.shed
		w.wrong += p.wrong
		w.took.Merge(p.took)
		w.shedTook.Merge(p.shedTook)
		p.mu.Unlock()
	}
	return w
}

// rate returns the calls answered 200 a second.
func (w *window) rate() float64 { return float64(w.answered) / w.lasted.Seconds() }

// fresh returns the share of them that was not degraded, from 0 to 1.
func (w *window) fresh() float64 {
	if w.answered == 0 {
		return 0
	}
	return 1 - float64(w.degraded)/float64(w.answered)
}

// quantile returns a latency of answered calls in milliseconds.
func (w *window) quantile(percent float64) float64 {
	return float64(w.took.ValueAtPercentile(percent)) / 1000
}
