package logging

import (
	"io"
	"slices"
	"sync"
	"time"
)

const (
	queueLines   = 8192        // lines that wait for one writer
	sureLines    = 1024        // audit lines that wait for one writer, beside those
	closeTimeout = time.Second // that close gives a writer that blocks

	// gatherFor is how long lines are gathered before they are written: to wake the writer
	// and to write cost more than a line does. Audit lines end it.
	gatherFor = 5 * time.Millisecond

	// lookInterval is how often a file is looked after while no line comes: it may have
	// been removed or replaced, or a day may have ended.
	lookInterval = 30 * time.Second

	// auditTimeout is how long an audit line waits for being written: a change is not
	// refused because a pipe is full.
	auditTimeout = time.Second

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
	lines    int             // in pending, without audit lines
	sure     int             // audit lines in pending
	waiting  []chan struct{} // closed once pending is written
	room     sync.Cond       // signals that sure is 0, or closed
	dropped  uint64          // since the start
	reported uint64          // of dropped, in a log line
	lastDrop time.Time
	closed   bool

	wake   chan struct{} // holds a token when there may be something to do
	urgent chan struct{} // likewise, without gathering
	done   chan struct{}
}

// newQueue starts the goroutine that writes to w; at its end it closes closer, which
// may be nil. report appends the line that says how many lines were dropped. That line
// has no level: the lines lost may have had any. failed is called after a failed Write.
func newQueue(w io.Writer, closer io.Closer, report func([]byte, uint64, time.Time) []byte, failed func(error)) *queue {
	q := &queue{w: w, closer: closer, report: report, failed: failed, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), done: make(chan struct{})}
	q.room.L = &q.mu
	go q.run()
	return q
}

// put queues a copy of that many lines, or drops them when the queue is full or closed.
func (q *queue) put(lines []byte, n int, at time.Time) {
	q.mu.Lock()
	switch {
	case q.closed:
	case q.lines+n > queueLines:
		q.dropped += uint64(n)
		q.lastDrop = at
	default:
		if len(q.pending) == 0 { // the others come along with it
			notify(q.wake)
		}
		q.pending = append(q.pending, lines...)
		q.lines += n
	}
	q.mu.Unlock() // not deferred: that is a good part of what this costs
}

// putSurely queues a copy of an audit line, which is never dropped: where sureLines wait
// already, it waits until they are taken. The channel is closed once the line is written,
// or could not be.
func (q *queue) putSurely(line []byte) (written <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.sure >= sureLines && !q.closed {
		q.room.Wait()
	}
	done := make(chan struct{})
	if q.closed {
		close(done)
		return done
	}
	q.pending = append(q.pending, line...)
	q.sure++
	q.waiting = append(q.waiting, done)
	notify(q.urgent)
	return done
}

// close waits until the queued lines are written, for at most closeTimeout. It may be
// called more than once.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	notify(q.urgent)
	q.room.Broadcast()
	q.mu.Unlock()

	late := time.NewTimer(closeTimeout)
	defer late.Stop()
	select {
	case <-q.done:
	case <-late.C:
		_, _, _ = q.take(nil) // nothing may be written to w after close has returned
	}
}

// droppedSoFar returns the number of lines dropped since the start.
func (q *queue) droppedSoFar() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// notify wakes the writing goroutine.
func notify(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default: // a token is there already
	}
}

// run writes what is queued, a batch at a time, until the queue is closed.
func (q *queue) run() {
	defer close(q.done)
	if q.closer != nil {
		defer q.closer.Close()
	}
	gather := time.NewTimer(gatherFor)
	gather.Stop()
	var look <-chan time.Time
	if q.closer != nil {
		ticker := time.NewTicker(lookInterval)
		defer ticker.Stop()
		look = ticker.C
	}
	var batch []byte
	for {
		looking := false
		select {
		case <-q.wake:
			gather.Reset(gatherFor)
			select {
			case <-gather.C:
			case <-q.urgent:
				gather.Stop()
			}
		case <-q.urgent:
		case <-look:
			looking = true // an empty Write makes the file look after itself
		}
		var waiting []chan struct{}
		var last bool
		batch, waiting, last = q.take(batch[:0])
		if len(batch) > 0 || looking {
			if _, err := q.w.Write(batch); err != nil && q.failed != nil {
				q.failed(err)
			}
		}
		for _, written := range waiting {
			close(written)
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
// stands behind the lines that filled the queue. waiting are to be closed once the batch
// is written; last says that nothing will follow.
func (q *queue) take(empty []byte) (batch []byte, waiting []chan struct{}, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.pending, q.lines = q.pending, empty, 0
	waiting, q.waiting, q.sure = q.waiting, nil, 0
	q.room.Broadcast()
	if q.dropped > q.reported {
		batch = q.report(batch, q.dropped-q.reported, q.lastDrop)
		q.reported = q.dropped
	}
	return batch, waiting, q.closed
}

// queues get the same lines.
type queues []*queue

func (qs queues) put(lines []byte, n int, at time.Time) {
	for _, q := range qs {
		q.put(lines, n, at)
	}
}

// putSurely queues an audit line for all, and waits until it is written, for at most
// auditTimeout: a writer that blocks may keep it for longer.
func (qs queues) putSurely(line []byte) {
	late := time.NewTimer(auditTimeout)
	defer late.Stop()
	written := make([]<-chan struct{}, len(qs))
	for i, q := range qs {
		written[i] = q.putSurely(line)
	}
	for _, w := range written {
		select {
		case <-w:
		case <-late.C:
			return
		}
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
