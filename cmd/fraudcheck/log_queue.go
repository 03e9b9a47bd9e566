package main

import (
	"io"
	"runtime"
	"sync"
	"time"
)

const (
	logQueueLines  = 8192
	logCloseWithin = time.Second

	// A batch that a burst made larger than this is not kept.
	logMaxBatch = 1 << 20
)

// logQueue stands between those who log and a writer that may be slow. Lines
// gather in one buffer while the writer is busy with another, so a caller
// waits for a copy of its line and never for w.
type logQueue struct {
	w      io.Writer
	closer io.Closer // w, when it is ours to close
	report func(dst []byte, dropped uint64, last time.Time) []byte

	mu       sync.Mutex
	pending  []byte
	lines    int    // in pending
	dropped  uint64 // since the start
	told     uint64 // those of them a line has told of
	lastDrop time.Time
	closed   bool

	wake chan struct{} // holds a token when there may be something to do
	done chan struct{}
}

// newLogQueue starts the writing goroutine, which closes w at its end when it is
// given as closer too. report
// appends the line that says how many were dropped; no level filters it,
// whatever was lost may have mattered.
func newLogQueue(w io.Writer, closer io.Closer, report func([]byte, uint64, time.Time) []byte) *logQueue {
	q := &logQueue{w: w, closer: closer, report: report, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// put queues a copy of line, or drops it when there is no room or no writer
// any more.
func (q *logQueue) put(line []byte, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
	case q.lines == logQueueLines:
		q.dropped++
		q.lastDrop = at
	default:
		q.pending = append(q.pending, line...)
		q.lines++
		q.signal()
	}
}

// close writes what is queued. It may be called more than once.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.signal()
	q.mu.Unlock()

	late := time.NewTimer(logCloseWithin)
	defer late.Stop()
	select {
	case <-q.done:
	case <-late.C:
		q.take(nil) // w may belong to someone else from here on: leave it nothing
	}
}

func (q *logQueue) droppedSoFar() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

func (q *logQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // a token is there already
	}
}

func (q *logQueue) run() {
	defer close(q.done)
	if q.closer != nil {
		defer q.closer.Close()
	}
	var batch []byte
	for range q.wake {
		runtime.Gosched() // who is about to log goes along
		var last bool
		batch, last = q.take(batch[:0])
		if len(batch) > 0 {
			_, _ = q.w.Write(batch) // there is no one left to tell of a failure
		}
		if last {
			return
		}
		if cap(batch) > logMaxBatch {
			batch = nil
		}
	}
}

// take exchanges the pending lines for an empty buffer. Drops are told behind
// the lines that were in their way; last says that nothing will follow.
func (q *logQueue) take(empty []byte) (batch []byte, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.pending, q.lines = q.pending, empty, 0
	if q.dropped > q.told {
		batch = q.report(batch, q.dropped-q.told, q.lastDrop)
		q.told = q.dropped
	}
	return batch, q.closed
}

// logQueues get every line alike.
type logQueues []*logQueue

func (qs logQueues) put(line []byte, at time.Time) {
	for _, q := range qs {
		q.put(line, at)
	}
}

func (qs logQueues) close() {
	var all sync.WaitGroup
	for _, q := range qs {
		all.Go(q.close)
	}
	all.Wait()
}

// dropped adds up all queues, since the start.
func (qs logQueues) dropped() (n uint64) {
	for _, q := range qs {
		n += q.droppedSoFar()
	}
	return n
}
