package auth

import "time"

// SetNow makes the clock the test's.
func (b *Basic) SetNow(now func() time.Time) { b.now = now }

// Watch tells when a slow hash begins, which lasts until began returns, and what it
// came to: rounds of bcrypt, KiB of argon2id.
func (b *Basic) Watch(began func(), ended func(rounds, blocks uint64)) {
	b.hashing.began = began
	b.hashing.ended = func(w work) { ended(w.rounds, w.blocks) }
}

// Waiting is how many requests wait for a slow hash, and how many of them are held
// to be guesses that are hashed or queue.
func (b *Basic) Waiting() (all, queued int) {
	return int(b.hashing.waiting.Load()), int(b.hashing.queued.Load())
}

// Renewing reports whether what is known of the user is being renewed.
func (b *Basic) Renewing(name string) bool { return b.users[name].verified.renewing.Load() }

// The bounds.
const (
	MaxQueued  = maxQueued
	MaxWaiting = maxWaiting
)
