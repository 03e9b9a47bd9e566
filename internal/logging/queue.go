package logging

import (
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	queueLines   = 8192        // lines that wait for one writer
	closeTimeout = time.Second // that close gives a writer that blocks

	// maxBatch is the capacity in bytes of the largest buffer that is kept.
	maxBatch = 1 << 20
)

// queue passes lines to a writer that may be slow. New lines are collected in one
// buffer while the writer is busy with another, so a caller waits for the copy of its
// line and never for w.
type queue struct {
	w      io.Writer
	closer io.Closer // w, when it is ours to close
	report func(dst []byte, dropped uint64, last time.Time) []byte
	failed func(error) // nil: failures cannot be reported

	mu       sync.Mutex
	pending  []byte
	lines    int    // in pending
	dropped  uint64 // since the start
	reported uint64 // of dropped, in a log line
	lastDrop time.Time
	closed   bool

	wake chan struct{} // holds a token when there may be something to do
	done chan struct{}
}

// newQueue starts the goroutine that writes to w; at its end it closes closer, which
// may be nil. report appends the line that says how many lines were dropped. That line
// has no level: the lines lost may have had any. failed is called after a failed Write.
func newQueue(w io.Writer, closer io.Closer, report func([]byte, uint64, time.Time) []byte, failed func(error)) *queue {
	q := &queue{w: w, closer: closer, report: report, failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// put queues a copy of line, or drops it when the queue is full or closed.
func (q *queue) put(line []byte, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
	case q.lines == queueLines:
		q.dropped++
		q.lastDrop = at
	default:
		q.pending = append(q.pending, line...)
		q.lines++
		q.signal()
	}
}

// close waits until the queued lines are written, for at most closeTimeout. It may be
// called more than once.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.signal()
	q.mu.Unlock()

	late := time.NewTimer(closeTimeout)
	defer late.Stop()
	select {
	case <-q.done:
	case <-late.C:
		q.take(nil) // nothing may be written to w after close has returned
	}
}

// droppedSoFar returns the number of lines dropped since the start.
func (q *queue) droppedSoFar() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// signal wakes the writing goroutine.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // a token is there already
	}
}

// run writes what is queued, a batch at a time, until the queue is closed.
func (q *queue) run() {
	defer close(q.done)
	if q.closer != nil {
		defer q.closer.Close()
	}
	var batch []byte
	for range q.wake {
		runtime.Gosched() // lines that are logged just now come into the same batch
		var last bool
		batch, last = q.take(batch[:0])
		if len(batch) > 0 {
			if _, err := q.w.Write(batch); err != nil && q.failed != nil {
				q.failed(err)
			}
		}
		if last {
			return
		}
		if cap(batch) > maxBatch {
			batch = nil
		}
	}
}

// take exchanges the pending lines for an empty buffer. The report of dropped lines
// stands behind the lines that filled the queue. last says that nothing will follow.
func (q *queue) take(empty []byte) (batch []byte, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.pending, q.lines = q.pending, empty, 0
	if q.dropped > q.reported {
		batch = q.report(batch, q.dropped-q.reported, q.lastDrop)
		q.reported = q.dropped
	}
	return batch, q.closed
}

// queues get the same lines.
type queues []*queue

func (qs queues) put(line []byte, at time.Time) {
	for _, q := range qs {
		q.put(line, at)
	}
}

// close closes the queues in turn, the first one last: it takes the reports about others.
func (qs queues) close() {
	for _, q := range slices.Backward(qs) {
		q.close()
	}
}

// dropped returns the sum over all queues since the start.
func (qs queues) dropped() (n uint64) {
	for _, q := range qs {
		n += q.droppedSoFar()
	}
	return n
}
