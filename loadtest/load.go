package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/testbed"
)

// A phase is when a call is due: before, during or after the fault.
type phase int32

const (
	before phase = iota // warming up: answers are judged, times are not
	during
	after
	phases
)

// backlog is how many due calls may wait for a caller; further ones are dropped.
const backlog = 1 << 16

// A load is an open loop: calls are due at fixed instants, whether or not earlier ones
// were answered, as those of shoppers are. A call that finds all callers busy waits, and
// its latency counts from the instant it was due.
type load struct {
	rate      int // a second
	callers   int // each with one connection to each endpoint
	endpoints []string
	auth      string       // the Authorization header
	next      func() call  // from one goroutine
	phase     atomic.Int32 // of calls that are due now
}

// A call is one attempt to be checked.
type call struct {
	body   []byte
	attack bool // must be blocked; otherwise it must be allowed
	due    time.Time
	begun  time.Time // when a caller took it up
	phase  phase
}

// run makes calls until ctx ends, and then waits for the answers to those that began, at
// most callTimeout each.
func (l *load) run(ctx context.Context) *tally {
	queue := make(chan call, backlog)
	tallies := make([]*tally, l.callers)
	var callers sync.WaitGroup
	for i := range tallies {
		t := newTally()
		tallies[i] = t
		c := newCaller(l.endpoints, l.auth, i)
		callers.Go(func() {
			defer c.close()
			for next := range queue {
				next.begun = time.Now()
				t.note(next, c.call(next.body), time.Now())
			}
		})
	}
	all := newTally()
	start := time.Now()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
		if testbed.Pause(ctx, time.Until(due)) != nil {
			break
		}
		next := l.next()
		next.due, next.phase = due, phase(l.phase.Load())
		all.late = max(all.late, time.Since(due))
		select {
		case queue <- next:
		default:
			all.dropped++
		}
	}
	close(queue)
	callers.Wait()
	for _, t := range tallies {
		all.add(t)
	}
	return all
}

// loadOnly puts load on a program that runs already (--target), prints the counts, and
// fails where a call was not answered as the default rule would.
func loadOnly(ctx context.Context, o *options, stdout io.Writer) error {
	u, err := url.Parse(o.Target)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return errors.New("--target: expected http://host:port")
	}
	if u.Port() == "" {
		u.Host += ":80"
	}
	t := newTraffic(o.Mix)
	l := &load{rate: o.Rate, callers: 256, endpoints: []string{u.Host}, auth: testbed.Basic(o.User, o.Password), next: t.next}
	if o.Mix != "honest" {
		if err := t.block(l.endpoints, l.auth); err != nil {
			return err
		}
	}
	l.phase.Store(int32(during))
	ctx, stop := context.WithTimeout(ctx, o.Duration)
	defer stop()
	all := l.run(ctx)
	fmt.Fprintln(stdout, all)
	if all.failed+all.refused+all.dropped+all.wrong+all.letThrough > 0 {
		return errBroken
	}
	return nil
}
