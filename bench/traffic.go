package main

import "sync/atomic"

// An attempt is an address that shows a card, both by number: see calls.Request.
type attempt struct {
	address, card uint32
	attack        bool
	fresh         bool // the address was never seen before
	outcome       bool // no check, but what became of the last one
	declined      bool // that is a decline
}

// A traffic is a kind of load: which address shows which card next. Each connection has a
// stream of attempts, which is for one goroutine. Each connection makes the first seed
// attempts, at least one, before anything is measured; beside is the number of new
// addresses besides those that fresh attempts bring.
type traffic struct {
	name   string
	seed   int
	beside int
	orders bool // the calls tell what the recommended rules count: see calls.NewOrder
	stream func(conn int) func() attempt
	judge  func(t *tally) string // what is wrong with the answers; empty for nothing
}

// addressCounter counts the addresses used so far, for any target in any round, so that
// a new address is new to every target.
var addressCounter atomic.Uint32

// blockSize is how many numbers a stream takes from a shared counter at once.
const blockSize = 1024

// numbers returns numbers of a counter that streams share, each number once.
func numbers(shared *atomic.Uint32) func() uint32 {
	next, end := uint32(0), uint32(0)
	return func() uint32 {
		if next == end {
			end = shared.Add(blockSize)
			next = end - blockSize
		}
		next++
		return next - 1
	}
}

// Of returningOneIn honest attempts one is of an address that came before.
const returningOneIn = 20

// honestAttempts returns the stream of honest: see there.
func honestAttempts() func() attempt {
	address := numbers(&addressCounter)
	calls, regular := 0, uint32(0)
	return func() attempt {
		if calls++; calls%returningOneIn == 0 {
			return attempt{address: regular, card: regular}
		}
		n := address()
		if calls%returningOneIn == 1 {
			regular = n
		}
		return attempt{address: n, card: n, fresh: true}
	}
}

// honest is 19 new addresses with one card each, then one of them again with its card.
func honest() *traffic {
	return &traffic{
		name: "honest", seed: 1,
		stream: func(int) func() attempt { return honestAttempts() },
		judge:  func(t *tally) string { return t.wrongHonest(1) },
	}
}

// Of honestOneIn attempts of an attack one is honest.
const honestOneIn = 10

// attack is one address that shows a new card each time, and some honest shoppers.
func attack() *traffic {
	var cards atomic.Uint32
	address := addressCounter.Add(blockSize) - blockSize
	return &traffic{
		name: "attack", seed: 1, beside: 1,
		stream: func(int) func() attempt {
			card, other, calls := numbers(&cards), honestAttempts(), 0
			return func() attempt {
				if calls++; calls%honestOneIn == 0 {
					return other()
				}
				return attempt{address: address, card: card(), attack: true}
			}
		},
		judge: func(t *tally) string { return firstProblem(t.wrongAttack(), t.wrongHonest(1)) },
	}
}

// hotKey is the attack without honest shoppers: every call updates one record, whichever
// instance and connection it comes by.
func hotKey() *traffic {
	var cards atomic.Uint32
	address := addressCounter.Add(blockSize) - blockSize
	return &traffic{
		name: "hot key", seed: 1, beside: 1,
		stream: func(int) func() attempt {
			card := numbers(&cards)
			return func() attempt { return attempt{address: address, card: card(), attack: true} }
		},
		judge: func(t *tally) string { return t.wrongAttack() },
	}
}

// regulars is the number of addresses that each connection of the retry traffic uses.
const regulars = 50

// retry is addresses that show their card again: every call finds a record and leaves its
// count.
func retry() *traffic {
	return &traffic{
		name: "retry", seed: regulars,
		stream: func(int) func() attempt {
			address := numbers(&addressCounter)
			var known [regulars]uint32
			calls := 0
			return func() attempt {
				n := calls
				calls++
				if n < regulars {
					known[n] = address()
					return attempt{address: known[n], card: known[n], fresh: true}
				}
				a := known[n%regulars]
				return attempt{address: a, card: a}
			}
		},
		judge: func(t *tally) string { return firstProblem(t.wrongHonest(1), t.anyFresh()) },
	}
}

// shown is one address that has shown the given number of cards, and shows them again.
func shown(cards, conns int) *traffic {
	address := addressCounter.Add(blockSize) - blockSize
	return &traffic{
		name: "retry", seed: (cards + conns - 1) / conns, beside: 1,
		stream: func(conn int) func() attempt {
			// Connection n shows the cards n, n+conns, n+2*conns and so on, so the
			// seeding calls of all show each card once.
			n := conn - conns
			return func() attempt {
				n += conns
				return attempt{address: address, card: uint32(n % cards)}
			}
		},
		judge: func(t *tally) string { return t.wrongShown(cards) },
	}
}

// firstProblem returns the first text that is not empty.
func firstProblem(problems ...string) string {
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}
