package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"fraudcheck/internal/testbed/calls"
)

// cardTesters are IP addresses in a crowd that show a new card with each call. Every
// answer is counted, because exactly blockOver of an address's cards may pass.
type cardTesters struct {
	first     uint32 // number of the first IP address
	cards     atomic.Uint32
	addresses [testersInCrowd]attackTally
	slipped   atomic.Int64 // calls that passed although they began after a block was answered
}

// An attackTally is what one address was answered.
type attackTally struct {
	calls, passed, passedDegraded atomic.Int64
	blockedDegraded               atomic.Int64
	blockedSince                  atomic.Int64 // Unix ns; when the first block that is not degraded was answered; 0 for not yet
}

const (
	testersInCrowd = 4
	blockOver      = 5 // of the default rule
)

// newCardTesters returns addresses that were not seen before.
func newCardTesters() *cardTesters {
	return &cardTesters{first: firstAttacker + nextAttacker.Add(testersInCrowd) - testersInCrowd}
}

// next returns an address and a card, both by number.
func (t *cardTesters) next() (address, card uint32) {
	n := t.cards.Add(1)
	return t.first + n%testersInCrowd, n
}

// note counts an answer 200 to a call of the attack.
func (t *cardTesters) note(address uint32, a calls.Answer, begun, now time.Time) {
	s := &t.addresses[address-t.first]
	s.calls.Add(1)
	switch {
	case a.Decision == 'b':
		if a.Degraded {
			s.blockedDegraded.Add(1)
		} else {
			s.blockedSince.CompareAndSwap(0, now.UnixNano())
		}
		return
	case a.Degraded:
		s.passedDegraded.Add(1)
	default:
		s.passed.Add(1)
	}
	if since := s.blockedSince.Load(); since != 0 && begun.UnixNano() > since {
		t.slipped.Add(1)
	}
}

// problem says what is wrong, empty for nothing: more than blockOver cards of an address
// passed, or fewer although nothing degraded explains it, or a blocked address passed. A
// degraded answer knows what this instance knows, and lets as many pass at most: it may
// block a card that memcached counts as one of the first.
func (t *cardTesters) problem() string {
	var all []string
	for i := range t.addresses {
		s := &t.addresses[i]
		passed, degraded := s.passed.Load(), s.passedDegraded.Load()
		switch {
		case s.calls.Load() <= blockOver:
			all = append(all, fmt.Sprintf("an attacker called %d times only", s.calls.Load()))
		case passed > blockOver || degraded > blockOver || passed < blockOver && degraded+s.blockedDegraded.Load() == 0:
			all = append(all, fmt.Sprintf("of an attacker's %d cards %d passed, and %d degraded", s.calls.Load(), passed, degraded))
		}
	}
	if n := t.slipped.Load(); n > 0 {
		all = append(all, fmt.Sprintf("%d calls of the blocked let through", n))
	}
	return strings.Join(all, ", ")
}
