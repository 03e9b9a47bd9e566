package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"fraudcheck/internal/auth/jwt"
	"fraudcheck/internal/auth/password"
)

const (
	// maxVerified is how many credentials of a scheme are remembered at most.
	maxVerified = 10_000
	// maxCredentials bounds the credentials that are looked up, in bytes.
	maxCredentials = max(maxHeader, jwt.MaxToken)
	// rememberedFor is how long a slow password is good without being hashed again. It
	// is renewed from half of that on, so a caller that calls at least once in that time
	// never waits.
	rememberedFor = time.Minute
)

// verified remembers the credentials of a scheme that were found good, so that they are
// neither decoded nor verified again. It holds hashes of them, and only what was found
// good gets in: a stranger cannot fill it. Each scheme has its own, or an issuer with
// a token for every call would push slow passwords out.
//
// There are two generations. When the young one is full it becomes the old one, and
// what was old is forgotten at once: it is verified again.
type verified struct {
	key        [sha256.Size]byte // random: no table made outside the process fits
	mu         sync.RWMutex
	young, old map[credentialID]*verification

	underWay singleflight.Group // verifications, by credentialID
	waiting  atomic.Int32       // requests for one of them
}

// A credentialID is the keyed hash of credentials. It never leaves the process, so a
// plain hash of key and credentials does for an HMAC: there is none to extend.
type credentialID [sha256.Size]byte

// A verification is what was found of good credentials.
type verification struct {
	caller   *Caller
	until    time.Time      // from then on it is no good; zero: always good
	again    bool           // it is to be made anew, whatever until says
	hash     *password.Hash // that a password was verified against
	token    *jwt.Token     // that was shown
	renewing atomic.Bool    // of a slow password
}

// An age is how old a verification is.
type age int

const (
	unknown age = iota // there is none
	expired            // the credentials were good: no guess, but to be verified again
	ageing             // they are good, and not for long
	fresh
)

// newVerified makes an empty memory with a random key.
func newVerified() *verified {
	k := &verified{young: make(map[credentialID]*verification)}
	_, _ = rand.Read(k.key[:]) // never fails
	return k
}

// id hashes credentials of at most maxCredentials bytes, without an allocation where
// they are of a usual length.
func (k *verified) id(credentials []byte) credentialID {
	var usual [1024]byte // to clear maxCredentials bytes would cost as much as to hash
	row := usual[:0]
	if len(credentials) > len(usual)-len(k.key) {
		row = make([]byte, 0, sha256.Size+maxCredentials)
	}
	row = append(row, k.key[:]...)
	return sha256.Sum256(append(row, credentials...))
}

// find returns the verification and its age at now; nil where the credentials are
// unknown.
func (k *verified) find(id *credentialID, now time.Time) (*verification, age) {
	k.mu.RLock()
	v := k.young[*id]
	if v == nil {
		v = k.old[*id]
	}
	k.mu.RUnlock()
	if v == nil {
		return nil, unknown
	}
	return v, v.age(now)
}

// age returns how old the verification is at now.
func (v *verification) age(now time.Time) age {
	switch {
	case v.again:
		return expired
	case v.until.IsZero():
		return fresh
	}
	switch left := v.until.Sub(now); {
	case left <= 0:
		return expired
	case left <= rememberedFor/2:
		return ageing
	}
	return fresh
}

// add remembers a verification, in the young generation.
func (k *verified) add(id credentialID, v *verification) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.young) >= maxVerified/2 {
		k.young, k.old = make(map[credentialID]*verification), k.young
	}
	k.young[id] = v
}

// forget forgets credentials that turned out to be good no more.
func (k *verified) forget(id credentialID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.young, id)
	delete(k.old, id)
}

// carryOver returns what is known under another policy: what confirm returns for each
// verification, nil where it is forgotten. The key stays, so that the ids stay good.
func (k *verified) carryOver(confirm func(*verification) *verification) *verified {
	k.mu.RLock()
	defer k.mu.RUnlock()
	carried := func(old map[credentialID]*verification) map[credentialID]*verification {
		next := make(map[credentialID]*verification, len(old))
		for id, v := range old {
			if v = confirm(v); v != nil {
				next[id] = v
			}
		}
		return next
	}
	return &verified{key: k.key, young: carried(k.young), old: carried(k.old)}
}
