package operator

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durations are histograms of times. To observe one costs more than to note it, mostly for
// code and memory that the processor's caches have lost since the last check: so times are
// observed many at once, and whenever somebody reads.
type durations struct {
	*prometheus.HistogramVec

	mu    sync.Mutex
	noted []*notedDurations
}

// mostDurations bounds what one request does for others: a few microseconds.
const mostDurations = 64

// A notedDurations is a histogram with the times that it has not yet seen.
type notedDurations struct {
	histogram prometheus.Observer

	mu   sync.Mutex
	n    int
	took [mostDurations]time.Duration
}

// of returns the histogram with these labels.
func (d *durations) of(labels ...string) *notedDurations {
	one := &notedDurations{histogram: d.WithLabelValues(labels...)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noted = append(d.noted, one)
	return one
}

// Collect implements prometheus.Collector.
func (d *durations) Collect(metrics chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.noted {
		one.mu.Lock()
		one.settle()
		one.mu.Unlock()
	}
	d.HistogramVec.Collect(metrics)
}

func (d *notedDurations) observe(took time.Duration) {
	d.mu.Lock()
	if d.n == mostDurations {
		d.settle()
	}
	d.took[d.n] = took
	d.n++
	d.mu.Unlock()
}

func (d *notedDurations) settle() {
	for _, took := range d.took[:d.n] {
		d.histogram.Observe(took.Seconds())
	}
	d.n = 0
}
