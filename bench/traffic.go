package main

import "sync/atomic"

// A visit is an address that shows a card, both by number: see request.put.
type visit struct {
	address, card uint32
	attack        bool
	fresh         bool // the address was never seen before
}

// A crowd is who comes to a shop. Each connection brings a stream of visits, which
// is for one goroutine. Seed is how many of them each connection makes before
// anything is measured, at least one; beside is how many addresses are new beside
// the fresh visits.
type crowd struct {
	name   string
	seed   int
	beside int
	stream func(conn int) func() visit
	judge  func(t *tally) string // what is wrong with the answers; nil when all is well
}

// newcomers counts the addresses that ever came, to any target in any round, so
// that a new one is new wherever it comes.
var newcomers atomic.Uint32

// block is how many numbers a stream takes at once.
const block = 1024

// numbers deals out numbers of a counter that streams share, each once.
func numbers(shared *atomic.Uint32) func() uint32 {
	next, end := uint32(0), uint32(0)
	return func() uint32 {
		if next == end {
			end = shared.Add(block)
			next = end - block
		}
		next++
		return next - 1
	}
}

// Of honest visits one in returning is of an address that came before.
const returning = 20

func honestVisits() func() visit {
	address := numbers(&newcomers)
	calls, regular := 0, uint32(0)
	return func() visit {
		if calls++; calls%returning == 0 {
			return visit{address: regular, card: regular}
		}
		n := address()
		if calls%returning == 1 {
			regular = n
		}
		return visit{address: n, card: n, fresh: true}
	}
}

// honest is 19 addresses never seen, with a card each, and then one of them again
// with the same card.
func honest() *crowd {
	return &crowd{
		name: "honest", seed: 1,
		stream: func(int) func() visit { return honestVisits() },
		judge:  func(t *tally) string { return t.wrongHonest(1) },
	}
}

// Of an attack's visits one in strangers is an honest one.
const strangers = 10

// attack is one address that never shows a card twice, and some honest shoppers.
func attack() *crowd {
	var cards atomic.Uint32
	address := newcomers.Add(block) - block
	return &crowd{
		name: "attack", seed: 1, beside: 1,
		stream: func(int) func() visit {
			card, other, calls := numbers(&cards), honestVisits(), 0
			return func() visit {
				if calls++; calls%strangers == 0 {
					return other()
				}
				return visit{address: address, card: card(), attack: true}
			}
		},
		judge: func(t *tally) string { return either(t.wrongAttack(), t.wrongHonest(1)) },
	}
}

// hotKey is the attack without anybody else.
func hotKey() *crowd {
	var cards atomic.Uint32
	address := newcomers.Add(block) - block
	return &crowd{
		name: "hot key", seed: 1, beside: 1,
		stream: func(int) func() visit {
			card := numbers(&cards)
			return func() visit { return visit{address: address, card: card(), attack: true} }
		},
		judge: func(t *tally) string { return t.wrongAttack() },
	}
}

// Each connection of the retry traffic brings so many addresses.
const regulars = 50

// retry is addresses that show the card again that they have shown before.
func retry() *crowd {
	return &crowd{
		name: "retry", seed: regulars,
		stream: func(int) func() visit {
			address := numbers(&newcomers)
			var known [regulars]uint32
			calls := 0
			return func() visit {
				n := calls
				calls++
				if n < regulars {
					known[n] = address()
					return visit{address: known[n], card: known[n], fresh: true}
				}
				a := known[n%regulars]
				return visit{address: a, card: a}
			}
		},
		judge: func(t *tally) string { return either(t.wrongHonest(1), t.anyFresh()) },
	}
}

// shown is one address that has shown that many cards, and shows them again.
func shown(cards, conns int) *crowd {
	address := newcomers.Add(block) - block
	return &crowd{
		name: "retry", seed: (cards + conns - 1) / conns, beside: 1,
		stream: func(conn int) func() visit {
			n := conn - conns
			return func() visit {
				n += conns
				return visit{address: address, card: uint32(n % cards)}
			}
		},
		judge: func(t *tally) string { return t.wrongShown(cards) },
	}
}

func either(problems ...string) string {
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}
