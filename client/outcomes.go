package fraudcheck

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	outcomeTimeout = 2 * time.Second // of one delivery
	maxQueued      = 1000            // outcomes not yet delivered; the oldest make room
	maxAge         = time.Hour       // of an outcome that cannot be delivered
	maxPause       = 30 * time.Second
)

// firstPause is the pause after a delivery failed; it doubles with each further one.
const firstPause = 250 * time.Millisecond

// An Outcome is what the issuer answered to an attempt.
type Outcome struct {
	Attempt           // as it was checked, with the AttemptID of the check's Result
	Outcome string    `json:"outcome"`          // approved, declined or error
	Reason  string    `json:"reason,omitempty"` // with declined: invalid_number, invalid_credentials, insufficient_funds or other
	At      time.Time `json:"at,omitzero"`      // when the issuer answered; the zero time is now
}

// Counters are numbers since the client was made.
type Counters struct {
	Checks            uint64 `json:"checks"`
	Answered          uint64 `json:"answered"`    // by the service
	FailedOpen        uint64 `json:"failed_open"` // not answered
	Retries           uint64 `json:"retries"`     // requests sent again because a connection broke
	Faults            uint64 `json:"faults"`      // requests refused because the integration is wrong
	OutcomesDelivered uint64 `json:"outcomes_delivered"`
	OutcomesDropped   uint64 `json:"outcomes_dropped"` // refused by the service, or lost: too many waited, or the client was closed
	OutcomesWaiting   uint64 `json:"outcomes_waiting"` // now
}

type counted struct {
	checks, answered, failedOpen, retries, faults, delivered, dropped atomic.Uint64
}

// Counters returns the counters.
func (c *Client) Counters() Counters {
	c.outcomes.mu.Lock()
	waiting := len(c.outcomes.waiting)
	c.outcomes.mu.Unlock()
	n := &c.counted
	return Counters{
		Checks: n.checks.Load(), Answered: n.answered.Load(), FailedOpen: n.failedOpen.Load(),
		Retries: n.retries.Load(), Faults: n.faults.Load(),
		OutcomesDelivered: n.delivered.Load(), OutcomesDropped: n.dropped.Load(), OutcomesWaiting: uint64(waiting),
	}
}

// A queue holds outcomes until they are delivered.
type queue struct {
	mu      sync.Mutex
	waiting []queued
	closed  bool
	wake    chan struct{}   // holds a token when there may be something to do
	closing chan struct{}   // closed by Close
	ended   chan struct{}   // closed when nothing is delivered any more
	ctx     context.Context // of deliveries
	cancel  context.CancelFunc
}

type queued struct {
	Outcome
	since time.Time
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// Outcome takes what the issuer answered and returns at once. It is delivered in the
// background, and again for up to an hour until the service has taken it; it counts once.
// At most 1,000 wait. What waits when the process ends without Close is lost.
func (c *Client) Outcome(o Outcome) {
	o.Attempt = o.acceptable()
	c.enqueue(queued{Outcome: o, since: time.Now()})
}

func (c *Client) enqueue(o queued) {
	q := c.outcomes
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		c.counted.dropped.Add(1)
		return
	}
	if len(q.waiting) == maxQueued {
		q.waiting = q.waiting[1:]
		c.counted.dropped.Add(1)
	}
	q.waiting = append(q.waiting, o)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for an outcome; there is false when the client is closed and none is left.
func (q *queue) next() (o queued, there bool) {
	for {
		q.mu.Lock()
		closed := q.closed
		if there = len(q.waiting) > 0; there {
			o, q.waiting = q.waiting[0], q.waiting[1:]
		}
		q.mu.Unlock()
		if there || closed {
			return o, there
		}
		select {
		case <-q.wake:
		case <-q.closing:
		}
	}
}

// deliver delivers outcomes one after the other until the client is closed.
func (c *Client) deliver() {
	q := c.outcomes
	defer close(q.ended)
	pause := firstPause
	for {
		o, there := q.next()
		if !there {
			return
		}
		ctx, cancel := context.WithTimeout(q.ctx, outcomeTimeout)
		_, cause := c.exchange(ctx, "/v1/outcomes", o.Outcome, outcomeTimeout, http.StatusAccepted)
		cancel()
		if cause == "" {
			c.counted.delivered.Add(1)
			pause = firstPause
			continue
		}
		if cause == Refused || time.Since(o.since) > maxAge {
			c.counted.dropped.Add(1)
			continue
		}
		// Delivered late, it still counts from when the issuer answered.
		if o.At.IsZero() {
			o.At = o.since
		}
		c.enqueue(o)
		select {
		case <-time.After(pause):
		case <-q.closing:
		}
		pause = min(2*pause, maxPause)
	}
}

// Close tries once more to deliver each outcome that waits, until ctx ends; what is left
// is lost, and so are later outcomes.
func (c *Client) Close(ctx context.Context) {
	q := c.outcomes
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
	q.mu.Unlock()
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.cancel() // each of the others fails at once and is counted as dropped
		<-q.ended
	}
	for k := c.kept(); k != nil; k = c.kept() {
		_ = k.Close()
	}
}
