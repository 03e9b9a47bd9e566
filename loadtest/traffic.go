package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// A traffic decides which address shows which card next, with new addresses and cards in
// each run. It is for one goroutine.
type traffic struct {
	attackOf [2]int // of attackOf[0] calls attackOf[1] are the attack's
	calls    int
	card     int // the attack's last one; each is new
	shopper  uint32
	cohort   int // shoppers of the present cohort that had their turn
	turn     int
}

// habits are the cards that a shopper shows, one after the other: one card, one that is
// tried again, or a second one when the first fails. The shoppers of a cohort take
// turns: all show their first card, then those with a second attempt, and so on.
var habits = [...][]int{{0}, {0, 0}, {0}, {0, 1}, {0, 0, 1, 0}}

const (
	cohort    = 150 // shoppers that take turns
	longest   = 4   // of habits
	attackers = 8   // addresses of the attack
)

// newTraffic makes the traffic of a mix: honest, attack or mixed, of whose calls one in
// five is the attack's.
func newTraffic(mix string) *traffic {
	t := &traffic{shopper: rand.Uint32(), card: rand.IntN(1 << 20), attackOf: [2]int{5, 1}}
	switch mix {
	case "honest":
		t.attackOf[1] = 0
	case "attack":
		t.attackOf[1] = 5
	}
	return t
}

// next returns the next call.
func (t *traffic) next() call {
	if t.calls++; t.calls%t.attackOf[0] < t.attackOf[1] {
		return t.attack()
	}
	for {
		if t.cohort++; t.cohort == cohort {
			t.cohort = 0
			if t.turn++; t.turn == longest {
				t.turn = 0
				t.shopper += cohort
			}
		}
		if habit := habits[t.cohort%len(habits)]; t.turn < len(habit) {
			shopper := t.shopper + uint32(t.cohort)
			// Each has a /64, which counts as one address.
			ip := fmt.Sprintf("2001:db8:%x:%x::%x", shopper>>16, shopper&0xffff, 1+t.turn)
			return call{body: attempt(ip, int(shopper)*2+habit[t.turn])}
		}
	}
}

// attack is an address that never shows the same card twice.
func (t *traffic) attack() call {
	t.card++
	return call{body: attempt("203.0.113."+strconv.Itoa(1+t.card%attackers), t.card), attack: true}
}

// attempt returns the JSON of a card, one of a few million, shown from an address.
func attempt(ip string, card int) []byte {
	if card < 0 {
		card = -card
	}
	return fmt.Appendf(nil, `{"ip":"%s","last4":"%04d","exp_month":%d,"exp_year":%d}`,
		ip, card%10_000, 1+card/10_000%12, 2030+card/120_000%60)
}

// block shows cards of the attackers at every endpoint until all are blocked.
func (t *traffic) block(endpoints []string, auth string) error {
	for _, addr := range endpoints {
		c := newCaller([]string{addr}, auth, 0)
		defer c.close()
		const enough = 16 // more than the default rule allows
		for n := range enough * attackers {
			a := c.call(t.attack().body)
			switch {
			case a.err != nil:
				return a.err
			case a.status != 200:
				return fmt.Errorf("answered %d", a.status)
			case a.decision != "block" && n >= (enough-1)*attackers:
				return fmt.Errorf("the attackers are not blocked after %d cards each: another rule than the default one?", enough)
			}
		}
	}
	return nil
}
