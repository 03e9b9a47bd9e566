package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// A crowd is a closed loop: each of its connections calls as soon as it was answered,
// also when it was shed: callers without patience are the worst. So it finds out how much an instance can carry, and what becomes of callers beyond that.
// One call in twenty is of an attack, which is judged call by call. All other calls are
// honest: nineteen new IP addresses with a card each, then one of them again.
type crowd struct {
	addr, auth string

	members []*calls.Caller
	window  atomic.Pointer[window] // that calls which are answered now count in
	attack  atomic.Pointer[cardTesters]
	over    atomic.Bool
	all     sync.WaitGroup
	mu      sync.Mutex
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

// newCrowd connects n callers to the instance.
func newCrowd(addr, auth string, n int) (*crowd, error) {
	if limit := files(n + 1000); limit < n+100 {
		return nil, fmt.Errorf("this machine permits %d open files", limit)
	}
	c := &crowd{addr: addr, auth: auth}
	for range n {
		member, err := calls.Dial(addr, auth)
		if err != nil {
			c.close()
			return nil, err
		}
		c.members = append(c.members, member)
	}
	return c, nil
}

// start has all members call until close.
func (c *crowd) start() {
	for n, member := range c.members {
		c.all.Go(func() { c.loop(n, member) })
	}
}

// close ends the calls and closes the connections.
func (c *crowd) close() {
	c.over.Store(true)
	c.all.Wait()
	for _, member := range c.members {
		_ = member.Conn.Close()
	}
	c.members = nil
}

// loop makes the calls of a member. A failed call ends its connection, and another is
// made once.
func (c *crowd) loop(n int, member *calls.Caller) {
	_ = member.Conn.SetDeadline(time.Time{})
	var regular uint32
	for call := n; !c.over.Load(); call++ {
		attack := c.attack.Load()
		attacking := attack != nil && call%attackOneIn == 0
		var address, card uint32
		switch {
		case attacking:
			address, card = attack.next()
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
			attack.note(address, a, begun, now)
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
