package auth

import "fraudcheck/internal/auth/password"

// Watch calls began before each slow hash, which waits until began returns, and ended
// after it with what it came to: rounds of bcrypt, KiB of argon2id.
func (b *Basic) Watch(began func(), ended func(rounds, blocks uint64)) {
	b.hasher.Began = began
	b.hasher.Ended = func(w password.Work) { ended(w.Rounds, w.Blocks) }
}

// Waiting is how many requests wait for a slow hash, and how many verifications that
// may be guesses run or queue.
func (b *Basic) Waiting() (all, queued int) { return int(b.waiting.Load()), b.hasher.Queued() }

// Renewing reports whether any verified password is being renewed.
func (b *Basic) Renewing() (renewing bool) {
	b.known.carry(func(p *proof) *proof {
		renewing = renewing || p.renewing.Load()
		return nil
	})
	return renewing
}

// MaxWaiting is the bound.
const MaxWaiting = maxWaiting
