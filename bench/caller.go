package main

import "fraudcheck/internal/testbed/calls"

// A caller is one connection of the load, the attempts it makes, and how they ended.
type caller struct {
	*calls.Caller
	next  func() attempt
	tally *tally
}

// newCaller connects to addr; auth is the Authorization header of its calls; orders says
// that they tell what the recommended rules count.
func newCaller(addr, auth string, next func() attempt, orders bool) (*caller, error) {
	dial := calls.Dial
	if orders {
		dial = calls.DialOrders
	}
	c, err := dial(addr, auth)
	if err != nil {
		return nil, err
	}
	return &caller{Caller: c, next: next, tally: newTally()}, nil
}

// call makes the next call and returns its attempt and answer.
func (c *caller) call() (attempt, calls.Answer, error) {
	v := c.next()
	if v.outcome {
		a, err := c.Outcome(v.address, v.card, v.declined)
		return v, a, err
	}
	a, err := c.Call(v.address, v.card)
	return v, a, err
}
