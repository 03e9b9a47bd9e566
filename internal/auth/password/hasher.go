package password

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxHashing is how many slow hashes run at once: argon2id takes 19 MiB for each.
	maxHashing = 2
	// MaxWait is how long a verification of [Hasher.Queue] waits at most. After a start
	// every caller has to be verified once: in that time a thousand are.
	MaxWait = 30 * time.Second
)

// A Hasher runs slow hashes, two at once. Verifications that may be guesses wait in a
// queue of their own and leave one processor to the others, so guessing does not hold
// up a caller that was verified before.
type Hasher struct {
	queueSlots chan struct{} // of those from the queue
	slots      chan struct{} // of all
	queued     atomic.Int32

	// Began and Ended, where they are set, are called around each verification. They
	// are for tests.
	Began func()
	Ended func(spent Work)
}

// NewHasher makes a Hasher without work.
func NewHasher() *Hasher {
	ofQueue := max(1, min(maxHashing, runtime.GOMAXPROCS(0)-1))
	return &Hasher{queueSlots: make(chan struct{}, ofQueue), slots: make(chan struct{}, maxHashing)}
}

// Queued is how many verifications of the queue run or wait.
func (h *Hasher) Queued() int { return int(h.queued.Load()) }

// Queue waits for a turn to verify a password that may be a guess, first come first
// served; done ends the turn. It returns false after MaxWait.
func (h *Hasher) Queue() (done func(), ok bool) {
	h.queued.Add(1)
	late := time.NewTimer(MaxWait)
	defer late.Stop()
	select {
	case h.queueSlots <- struct{}{}:
	case <-late.C:
		h.queued.Add(-1)
		return nil, false
	}
	return func() {
		<-h.queueSlots
		h.queued.Add(-1)
	}, true
}

// Verify reports whether the password is right. It waits for a slot and then hashes; a
// password that is not right costs as much as the costliest hash in use. A hash that is
// not slow matches nothing here: see [Hash.MatchesFast].
func (h *Hasher) Verify(hash *Hash, password string, costliest *Costliest) bool {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	if h.Began != nil {
		h.Began()
	}
	var spent Work
	matches := false
	if hash.slow != nil {
		matches, spent = hash.slow.matches(password), hash.slow.work()
	}
	if !matches {
		spent = costliest.spendRest(spent)
	}
	if h.Ended != nil {
		h.Ended(spent)
	}
	return matches
}
