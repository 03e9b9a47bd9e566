package auth

import (
	"math/bits"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// dearest is what a failure costs: of each kind of hash in use, the dearest one.
// Whoever is guessed at, the rest after the user's own hash is spent on nothing, so
// that time tells neither who exists nor how their password is kept.
type dearest struct {
	work
	passes  uint32 // of the dearest argon2id
	threads uint8
}

func (d *dearest) include(h slowHash) {
	w := h.work()
	d.rounds = max(d.rounds, w.rounds)
	if argon, ok := h.(*argonHash); ok && w.blocks > d.blocks {
		d.blocks, d.passes, d.threads = w.blocks, argon.passes, argon.threads
	}
}

// nothing reports whether no slow hash is in use.
func (d *dearest) nothing() bool { return d.work == work{} }

// spendRest hashes for nothing what d has over own, and returns what that was.
func (d *dearest) spendRest(own work) (spent work) {
	// The difference of two powers of two is a row of ones: one hash for each.
	for rest := d.rounds - own.rounds; rest > 0; rest &= rest - 1 {
		cost := bits.TrailingZeros64(rest)
		_, _ = bcrypt.GenerateFromPassword(nil, cost) // it fails for no cost we take
		spent.rounds += 1 << cost
	}
	if d.passes == 0 {
		return spent
	}
	if memory := uint32((d.blocks - own.blocks) / uint64(d.passes)); memory >= 8*uint32(d.threads) {
		argon2.IDKey(nil, make([]byte, 16), d.passes, memory, d.threads, 32)
		spent.blocks += uint64(memory) * uint64(d.passes)
	}
	return spent
}
