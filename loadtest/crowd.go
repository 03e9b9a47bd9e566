package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// A crowd is a closed loop: each of its connections calls as soon as it was answered,
// also with a 503, because callers without patience are the worst. So it finds out how
// much an instance carries, and what becomes of callers beyond that. One call in twenty
// is of an attack, which is judged call by call. The other calls are honest: nineteen new
// IP addresses with a card each, then one of them again.
type crowd struct {
	conns  int
	window atomic.Pointer[window] // that calls which are answered now count in
	attack *cardTesters
	over   atomic.Bool
	all    sync.WaitGroup

	mu      sync.Mutex
	open    []net.Conn
	failure string // how the first call failed
	failed  int64
}

// Honest shoppers and attackers come from different halves of the IP addresses there
// are; each number is used once in a run of this program.
var (
	shoppers     atomic.Uint32
	nextAttacker atomic.Uint32
)

const (
	firstAttacker = calls.Addresses / 2
	attackOneIn   = 20 // calls
	returnOneIn   = 20 // honest calls
)

// newCrowd has n members call the instance until close. It returns when all are
// connected, or when the first could not connect.
func newCrowd(addr, auth string, attack *cardTesters, n int) (*crowd, error) {
	if limit := files(n + 1000); limit < n+100 {
		return nil, fmt.Errorf("this machine permits %d open files", limit)
	}
	c := &crowd{conns: n, attack: attack}
	dialing := make(chan struct{}, 64)
	var connected errgroup.Group
	for member := range n {
		// Each begins to call as soon as it is connected: the program closes connections
		// that say nothing for limits.read.
		dialing <- struct{}{}
		connected.Go(func() error {
			defer func() { <-dialing }()
			caller, err := calls.Dial(addr, auth)
			if err != nil {
				return err
			}
			c.mu.Lock()
			c.open = append(c.open, caller.Conn)
			c.mu.Unlock()
			c.all.Go(func() {
				defer caller.Conn.Close()
				c.loop(member, caller)
			})
			return nil
		})
	}
	err := connected.Wait()
	if err != nil {
		c.close()
	}
	return c, err
}

// close makes no more calls, waits for the answers to those in flight, at most
// callTimeout, and closes the connections.
func (c *crowd) close() {
	c.over.Store(true)
	c.mu.Lock()
	for _, conn := range c.open {
		_ = conn.SetDeadline(time.Now().Add(callTimeout)) // it may be closed
	}
	c.mu.Unlock()
	c.all.Wait()
}

// loop makes the calls of a member; a call without an answer ends it.
func (c *crowd) loop(n int, member *calls.Caller) {
	var regular uint32
	for call := n; !c.over.Load(); call++ {
		attacking := call%attackOneIn == 0
		var address, card uint32
		switch {
		case attacking:
			address, card = c.attack.next()
		case call%returnOneIn == 1 && regular != 0:
			address, card = regular, regular
		default:
			address = shoppers.Add(1) % firstAttacker
			card, regular = address, address
		}
		begun := time.Now()
		a, err := member.Call(address, card)
		now := time.Now()
		if err != nil {
			c.fail(fmt.Sprintf("%v after %d ms", err, now.Sub(begun).Milliseconds()))
			return
		}
		if a.Status != 200 && !(a.Status == 503 && a.Retry) {
			c.fail(fmt.Sprintf("status %d", a.Status))
			continue
		}
		if w := c.window.Load(); w != nil {
			w.note(n, a, attacking, now.Sub(begun))
		}
		if attacking && a.Status == 200 {
			c.attack.note(address, a, begun, now)
		}
	}
}

// fail counts a call that was not answered as it should be, and keeps the first one's
// reason.
func (c *crowd) fail(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed++; c.failure == "" {
		c.failure = reason
	}
}

// measure returns what the calls that are answered from now on, for so long, were
// answered.
func (c *crowd) measure(ctx context.Context, lasts time.Duration) (*window, error) {
	w := newWindow()
	begun := time.Now()
	c.window.Store(w)
	err := testbed.Pause(ctx, lasts)
	c.window.Store(nil)
	w.lasted = time.Since(begun)
	return w.merged(), err
}
