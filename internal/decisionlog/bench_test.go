package decisionlog_test

import (
	"syscall"
	"testing"
	"time"

	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
)

// BenchmarkEvent is what an event costs in all: its copy, its ids, its line and the write.
// CPU-ns/event is the processor time of the whole process.
func BenchmarkEvent(b *testing.B) {
	r := newRecorder(b)
	r.open()
	one := r.event("ip=203.0.113.7", "last4=4242", "expiry=12/30")
	before, watching := used(), time.Duration(0)
	for n := 0; n < b.N; {
		since := time.Now()
		for i := 0; i < 400 && n < b.N; i++ {
			r.log.Watch(one)
			n++
		}
		watching += time.Since(since)
		for r.log.Waiting() > 4000 { // as fast as the writer is, and no faster
			<-time.After(time.Millisecond)
		}
	}
	r.log.Close()
	b.ReportMetric(float64(used()-before)/float64(b.N), "CPU-ns/event")
	b.ReportMetric(float64(watching)/float64(b.N), "ns-on-the-path/event")
	if r.log.Dropped() > 0 {
		b.Fatal("events were dropped")
	}
}

// used is the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWriter is what ids and line of an event cost.
func BenchmarkWriter(b *testing.B) {
	r := newRecorder(b)
	one := r.event("ip=203.0.113.7", "last4=4242", "expiry=12/30")
	var events []*event.Event
	for range 500 {
		events = append(events, one)
	}
	w := decisionlog.NewWriter(b, r.set)
	w.SetFile(discard{})
	write, before := w.Batch(events...), used()
	for b.Loop() {
		write()
	}
	b.ReportMetric(float64(used()-before)/float64(b.N*len(events)), "CPU-ns/event")
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }
