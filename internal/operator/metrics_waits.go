package operator

import (
	"github.com/prometheus/client_golang/prometheus"

	"fraudcheck/internal/turns"
)

// A waitCollector makes the histogram of waits for a turn at each scrape, of what the queue
// has counted itself: most checks wait for nothing, and that costs them one addition.
type waitCollector func() turns.Waits

var waitHistogram = prometheus.NewDesc("fraudcheck_check_wait_seconds",
	"Time that checks waited for their turn to ask the shared store, also those that had none in time.", nil, nil)

// Describe implements prometheus.Collector.
func (w waitCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- waitHistogram }

// Collect implements prometheus.Collector.
func (w waitCollector) Collect(metrics chan<- prometheus.Metric) {
	waits := w()
	buckets, upTo := make(map[float64]uint64, len(turns.WaitBounds)), uint64(0)
	for i, bound := range turns.WaitBounds {
		upTo += waits.Buckets[i]
		buckets[bound.Seconds()] = upTo
	}
	metrics <- prometheus.MustNewConstHistogram(waitHistogram, waits.Count, waits.Sum.Seconds(), buckets)
}
