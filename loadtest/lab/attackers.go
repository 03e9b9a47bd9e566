package lab

import (
	"math/rand/v2"

	"fraudcheck/internal/velocity"
)

// An attacker goes through a list of cards. A card is learnt when the issuer has answered
// for it: good or not, the attacker knows. A card of which something must be guessed is
// learnt with the right guess.
type attacker struct {
	*world
	*attack
	number  int // among the scenario's
	random  *rand.Rand
	address int // which of the network
	used    int // attempts from it
	card    int
	value   int // the next guess
	right   int // the right one, for this card
}

// attack plans the attack's first attempt.
func (w *world) attack(i int) {
	a := &attacker{world: w, attack: &w.scenario.Attacks[i], number: i, random: w.random("attack", i)}
	a.result.Cards += a.Cards
	a.draw()
	a.after(a.From, a.next)
}

// draw draws what the attacker does not know of the next card.
func (a *attacker) draw() {
	a.value, a.right = 0, 0
	if a.Values > 0 {
		a.right = a.random.IntN(a.Values)
	}
}

// next makes one attempt, and plans the next one.
func (a *attacker) next() {
	if a.PerAddress > 0 && a.used == a.PerAddress {
		a.address, a.used = a.address+1, 0
	}
	address := a.address
	if a.Scattered {
		address = scatter(address)
	}
	t := &attempt{
		id: a.newID(), ip: nth(a.Network, address), later: a.Later,
		card: attackedCard(a.number, a.card), month: 1 + a.card%12, year: 2027,
	}
	t.cart = t.id
	if a.OneCart {
		t.cart = attackedCart(a.number)
	}
	t.email, t.device = t.id+"@example.com", t.id // thrown away, too
	if a.Guess == "expiry" {
		t.month, t.year = 1+a.value%12, 2026+a.value/12
	}
	a.used++
	d := a.check(t)
	a.result.count(d, true)
	if d.Outcome != velocity.Block {
		a.passed(t)
	} else if a.MovesOn {
		a.address, a.used = a.address+1, 0
	} else {
		a.step(false)
	}
	if a.card < a.Cards {
		a.after(between(a.random, a.Every*3/4, a.Every*5/4), a.next)
	}
}

// passed has the issuer judge the attempt.
func (a *attacker) passed(t *attempt) {
	outcome, reason := "declined", "invalid_number"
	found := a.Guess == "" || a.value == a.right
	switch {
	case a.Guess != "" && !found:
		reason = "invalid_credentials"
	case a.random.IntN(100) < a.Live:
		outcome, reason = "approved", ""
	}
	a.charge(t, outcome, reason, func(bool) {})
	if found {
		a.result.Learnt++
	}
	a.step(found)
}

// step goes on to the next guess, or the next card.
func (a *attacker) step(found bool) {
	if a.value++; found || a.value >= a.Values {
		a.card++
		a.draw()
	}
}
