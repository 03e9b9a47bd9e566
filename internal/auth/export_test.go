package auth

import (
	"time"

	"fraudcheck/internal/auth/password"
)

// Watch calls began before each slow hash, which waits until began returns, and ended
// after it with what it came to: rounds of bcrypt, KiB of argon2id.
func (g *Guard) Watch(began func(), ended func(rounds, blocks uint64)) {
	g.hasher.Began = began
	g.hasher.Ended = func(w password.Work) { ended(w.Rounds, w.Blocks) }
}

// Waiting is how many requests wait for a slow hash, and how many verifications that
// may be guesses run or queue.
func (g *Guard) Waiting() (all, queued int) {
	for _, v := range g.inForce.Load().verified {
		all += int(v.waiting.Load())
	}
	return all, g.hasher.Queued()
}

// Remembered is how many credentials are remembered.
func (g *Guard) Remembered() (n int) {
	for _, v := range g.inForce.Load().verified {
		n += len(v.young) + len(v.old)
	}
	return n
}

// MaxWaiting is the bound.
const MaxWaiting = maxWaiting

// Compares reports whether a request with these credentials is let in by comparing them
// alone.
func (g *Guard) Compares(l *LastCredentials, credentials string, now time.Time) bool {
	for _, v := range g.inForce.Load().verified {
		if l.find(v, []byte(credentials), now) != nil {
			return true
		}
	}
	return false
}
