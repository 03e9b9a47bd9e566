package auth

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

// Renewing reports whether any proof is being renewed.
func (b *Basic) Renewing() (renewing bool) {
	b.known.carry(func(p *proof) *proof {
		renewing = renewing || p.renewing.Load()
		return nil
	})
	return renewing
}

// The bounds.
const (
	MaxQueued  = maxQueued
	MaxWaiting = maxWaiting
)
