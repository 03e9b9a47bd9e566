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
	// maxVerified is how many tokens are remembered at most. Of passwords it is one for
	// each user.
	maxVerified = 10_000
	// maxCredentials bounds the credentials that are looked up, in bytes.
	maxCredentials = max(maxHeader, jwt.MaxToken)
)

// verified remembers the credentials of a scheme that were found good, so that they are
// neither decoded nor verified again. It holds hashes of them, and only what was found
// good gets in: a stranger cannot fill it. Each scheme has its own, or an issuer with
// a token for every call would push slow passwords out.
//
// A user's password is remembered until a reload changes or removes the user, or another
// password is found good in its place: a caller that calls once in an hour waits for a
// slow hash once in the life of the process, like one that calls every second.
//
// Of tokens there are two generations. When the young one is full it becomes the old one,
// and what was old is forgotten at once: it is verified again.
type verified struct {
	key        [sha256.Size]byte // random: no table made outside the process fits
	mu         sync.RWMutex
	young, old map[credentialID]*verification
	passwords  map[string]credentialID // those of each user in young

	underWay singleflight.Group // verifications, by credentialID
	waiting  atomic.Int32       // requests for one of them
}

// A credentialID is the keyed hash of credentials. It never leaves the process, so a
// plain hash of key and credentials does for an HMAC: there is none to extend.
type credentialID [sha256.Size]byte

// A verification is what was found of good credentials.
type verification struct {
	caller *Caller
	until  time.Time      // from then on it is no good; zero: always good
	again  bool           // it is to be made anew, whatever until says
	hash   *password.Hash // that a password was verified against
	token  *jwt.Token     // that was shown
}

// An age is how old a verification is.
type age int

const (
	unknown age = iota // there is none
	expired            // the credentials were good: no guess, but to be verified again
	fresh
)

// newVerified makes an empty memory with a random key.
func newVerified() *verified {
	k := &verified{young: make(map[credentialID]*verification), passwords: make(map[string]credentialID)}
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
	if v.again || !v.until.IsZero() && !v.until.After(now) {
		return expired
	}
	return fresh
}

// addPassword remembers a user's password in place of the one before.
func (k *verified) addPassword(id credentialID, of *account) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.young, k.passwords[of.caller.Name])
	k.young[id] = &verification{caller: &of.caller, hash: &of.hash}
	k.passwords[of.caller.Name] = id
}

// add remembers the verification of a token, in the young generation.
func (k *verified) add(id credentialID, v *verification) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.young) >= maxVerified/2 {
		k.young, k.old = make(map[credentialID]*verification), k.young
	}
	k.young[id] = v
}

// forgetPassword forgets a password that turned out to be good no more.
func (k *verified) forgetPassword(id credentialID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v := k.young[id]; v != nil {
		delete(k.passwords, v.caller.Name)
		delete(k.young, id)
	}
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
	next := &verified{key: k.key, young: carried(k.young), old: carried(k.old), passwords: make(map[string]credentialID)}
	for name, id := range k.passwords {
		if next.young[id] != nil {
			next.passwords[name] = id
		}
	}
	return next
}
