package password

import (
	"math/bits"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A Costliest is the work that every refused password costs: of each kind of slow hash
// in use, the costliest one. What the user's own hash leaves of it is spent on nothing,
// so the time tells neither which users exist nor how their passwords are stored.
type Costliest struct {
	Work
	passes  uint32 // of the costliest argon2id
	threads uint8
}

// Work is what hashing costs. Each kind has its own unit, so it adds up exactly on
// every machine.
type Work struct {
	Rounds uint64 // of bcrypt: two to the power of its cost
	Blocks uint64 // of argon2id: KiB of memory times passes over it
}

// Include counts a hash that is in use.
func (c *Costliest) Include(h *Hash) {
	if h.slow == nil {
		return
	}
	w := h.slow.work()
	c.Rounds = max(c.Rounds, w.Rounds)
	if argon, ok := h.slow.(*argonHash); ok && w.Blocks > c.Blocks {
		c.Blocks, c.passes, c.threads = w.Blocks, argon.passes, argon.threads
	}
}

// IsZero reports whether no slow hash is in use.
func (c *Costliest) IsZero() bool { return c.Work == Work{} }

// spendRest hashes for nothing what c has over spent, and returns the work of both. A
// rest of argon2id below 8 KiB for each thread, the least that it takes, is not spent.
func (c *Costliest) spendRest(spent Work) Work {
	// The difference of two powers of two is a row of ones: one hash for each.
	for rest := c.Rounds - min(c.Rounds, spent.Rounds); rest > 0; rest &= rest - 1 {
		cost := bits.TrailingZeros64(rest)
		_, _ = bcrypt.GenerateFromPassword(nil, cost) // fails for costs that are not accepted
		spent.Rounds += 1 << cost
	}
	if c.passes == 0 {
		return spent
	}
	if memory := uint32((c.Blocks - min(c.Blocks, spent.Blocks)) / uint64(c.passes)); memory >= 8*uint32(c.threads) {
		argon2.IDKey(nil, make([]byte, 16), c.passes, memory, c.threads, 32)
		spent.Blocks += uint64(memory) * uint64(c.passes)
	}
	return spent
}
