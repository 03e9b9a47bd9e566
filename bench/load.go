package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/testbed"
)

const (
	warm = 300 * time.Millisecond // under load before the window that is measured
	slow = 10 * time.Second       // longest that an answer may take
)

// A load is all connections to a target. Its methods are called in this order: open,
// closedLoop or openLoop within window, close. A failed call ends its connection, and
// voids the row.
type load struct {
	callers []*caller
	phase   atomic.Int32  // warming, measuring or over
	slow    time.Duration // longest that the seeding, or the last answers, may take
}

// Phases of a load.
const (
	warming = iota
	measuring
	over
)

// open connects, to each address in turn, and makes the seeding calls: those that make
// addresses and credentials known before anything is measured.
func (l *load) open(addrs []string, auth string, from *traffic, conns int) error {
	for n := range conns {
		c, err := newCaller(addrs[n%len(addrs)], auth, from.stream(n), from.orders)
		if err != nil {
			return err
		}
		l.callers = append(l.callers, c)
	}
	if err := l.within(l.slow); err != nil {
		return err
	}
	l.each(func(c *caller) {
		for range from.seed {
			v, a, err := c.call()
			if err != nil {
				c.tally.err = err
				return
			}
			c.tally.note(v, a, true)
		}
	})
	return l.tally().err
}

// close closes the connections.
func (l *load) close() {
	for _, c := range l.callers {
		_ = c.Conn.Close() // no call is in flight
	}
}

// within sets the time after which calls that are not answered fail.
func (l *load) within(d time.Duration) error {
	late := time.Now().Add(d)
	for _, c := range l.callers {
		if err := c.Conn.SetDeadline(late); err != nil {
			return err
		}
	}
	return nil
}

// each runs do for every connection, all at once, and waits for them.
func (l *load) each(do func(*caller)) {
	var all sync.WaitGroup
	for _, c := range l.callers {
		all.Go(func() { do(c) })
	}
	all.Wait()
}

// tally returns the sum of the connections' tallies; no call may be in flight.
func (l *load) tally() *tally {
	t := newTally()
	for _, c := range l.callers {
		t.add(c.tally)
	}
	return t
}

// window runs the load for the warm-up and then for lasts; at is called at both ends of
// the latter, to read clocks. It returns when the last call has been answered.
func (l *load) window(ctx context.Context, lasts time.Duration, at func() error, load func()) error {
	if err := l.within(warm + lasts + l.slow); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { load(); close(done) }()
	err := testbed.Pause(ctx, warm)
	if err == nil {
		err = at()
	}
	if err == nil {
		l.phase.Store(measuring)
		err = testbed.Pause(ctx, lasts)
	}
	l.phase.Store(over)
	if err == nil {
		err = at()
	}
	<-done
	return err
}

// closedLoop has each connection call as soon as it was answered: it measures the most
// checks a second, at a latency that follows from the number of connections.
func (l *load) closedLoop() {
	l.each(func(c *caller) {
		since := time.Now()
		for {
			v, a, err := c.call()
			if err != nil {
				c.tally.err = err
				return
			}
			now := time.Now()
			c.tally.note(v, a, false)
			switch l.phase.Load() {
			case measuring:
				if !v.outcome {
					c.tally.recordLatency(now.Sub(since))
				}
			case over:
				return
			}
			since = now
		}
	})
}
