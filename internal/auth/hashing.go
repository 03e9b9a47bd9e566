package auth

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	hashesAtOnce = 2
	// maxQueued is how many credentials never verified before may be hashed or wait
	// for it.
	maxQueued = 32
	// maxWaiting is how many requests may wait in all: many may wait for one
	// credential.
	maxWaiting = 1024
)

// crowded is for those who find the queue full.
var crowded = &Later{Failure: TooManyFailures, After: time.Second}

// hashing is where slow hashes are run, two at once. Who was verified before does
// not queue behind those who may be guessing: these stand in a queue of their own
// until they have a turn, and leave one processor to those who are known.
type hashing struct {
	turns   chan struct{} // of those never verified before
	slots   chan struct{} // of everybody
	queued  atomic.Int32
	waiting atomic.Int32

	// Tests look on here.
	began func()
	ended func(spent work)
}

func newHashing() *hashing {
	turns := max(1, min(hashesAtOnce, runtime.GOMAXPROCS(0)-1))
	return &hashing{turns: make(chan struct{}, turns), slots: make(chan struct{}, hashesAtOnce)}
}

// queue waits for a turn at the slots; done gives it back. False: too many wait.
func (h *hashing) queue() (done func(), ok bool) {
	if h.queued.Add(1) > maxQueued {
		h.queued.Add(-1)
		return nil, false
	}
	h.turns <- struct{}{}
	return func() {
		<-h.turns
		h.queued.Add(-1)
	}, true
}

// try hashes the password when a slot is free. No hash, or another's password, costs
// as much as the dearest.
func (h *hashing) try(hash slowHash, password string, most *dearest) bool {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	if h.began != nil {
		h.began()
	}
	var spent work
	matches := false
	if hash != nil {
		matches, spent = hash.matches(password), hash.work()
	}
	if !matches {
		rest := most.spendRest(spent)
		spent.rounds, spent.blocks = spent.rounds+rest.rounds, spent.blocks+rest.blocks
	}
	if h.ended != nil {
		h.ended(spent)
	}
	return matches
}
