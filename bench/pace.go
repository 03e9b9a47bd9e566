package main

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A paced call is due at its instant whether or not earlier ones were answered,
// and its latency counts from there.

// A paced caller has at most one call in flight; two goroutines share it, one that sends
// and one that receives.
type paced struct {
	*caller
	due  chan time.Time // of the call that was sent
	sent attempt
}

// openLoop makes calls due at fixed instants; rate is in calls a second. One thread sends
// them all, because timers of the Go runtime may be a millisecond late. A call that finds
// no free connection waits, and its latency counts that.
func (l *load) openLoop(rate int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 1)) // one for the thread that sleeps
	free := make(chan *paced, len(l.callers))
	var all sync.WaitGroup
	for _, c := range l.callers {
		p := &paced{caller: c, due: make(chan time.Time, 1)}
		all.Go(func() { p.answers(l, free) })
		free <- p
	}
	all.Go(func() { l.send(rate, free) })
	all.Wait()
}

// send sends until the load is over, and then tells every connection so.
func (l *load) send(rate int, free chan *paced) {
	// The thread may not end: processes that it started would end with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // ns; else 50 µs
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
	every := time.Second / time.Duration(rate)
	for due := time.Now(); l.phase.Load() != over; due = due.Add(every) {
		if early := time.Until(due); early > 0 {
			sleep := unix.NsecToTimespec(int64(early))
			_ = unix.Nanosleep(&sleep, nil) // after a signal the call is early
		}
		// Waits while every connection has a call in flight; the latency counts it, see
		// due.
		p := <-free
		p.sent = p.next()
		p.due <- due
		if err := p.Send(p.sent.address, p.sent.card); err != nil {
			_ = p.Conn.Close() // receive returns the error
		}
	}
	for range l.callers {
		close((<-free).due)
	}
}

// answers receives the answer of each call that was sent, and makes the connection free
// again. After an error it goes on without counting, so that send finds a free
// connection.
func (p *paced) answers(l *load, free chan *paced) {
	for due := range p.due {
		if p.tally.err == nil {
			a, err := p.Receive()
			now := time.Now()
			if p.tally.err = err; err == nil {
				p.tally.note(p.sent, a, false)
				if l.phase.Load() == measuring {
					p.tally.recordLatency(now.Sub(due))
				}
			}
		}
		free <- p
	}
}
