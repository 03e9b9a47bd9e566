package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxKnown is how many credentials of a scheme are remembered at most.
	maxKnown = 10_000
	// maxCredentials bounds the credentials that are looked up, in bytes.
	maxCredentials = max(maxHeader, maxToken)
	// rememberedFor is how long a slow password is believed without hashing it again.
	// It is renewed from half of that on, so that whoever comes at least once in that
	// time never waits.
	rememberedFor = time.Minute
)

// known remembers the credentials of a scheme that were verified, so that they are
// neither decoded nor verified again. It holds none of them, and only what was found
// good gets in: a stranger cannot fill it. Each scheme has its own, or an issuer with
// a token for every call would have slow passwords forgotten.
//
// There are two generations. When the young one is full it becomes the old one,
// and what was old is forgotten at once, whatever its size; what is forgotten too
// early is verified again.
type known struct {
	key        [sha256.Size]byte // of this process alone: no table made elsewhere fits
	mu         sync.RWMutex
	young, old map[knownID]*proof
}

// A knownID is the keyed hash of credentials. It never leaves the process, so there
// is no hash for anybody to extend, and key and credentials in one row do for an HMAC.
type knownID [sha256.Size]byte

// A proof is that credentials were verified.
type proof struct {
	caller   *Caller
	until    time.Time        // first moment at which it is over; zero: never
	by       *verificationKey // of a token
	renewing atomic.Bool      // of a slow password
}

// What is known of credentials.
type standing int

const (
	unknown standing = iota
	over             // they were good: no guess, but to be verified again
	ageing           // they are, and not for long
	good
)

func newKnown() *known {
	k := &known{young: make(map[knownID]*proof)}
	rand.Read(k.key[:]) // never fails: the process would end
	return k
}

// id hashes credentials of at most maxCredentials bytes, without an allocation.
func (k *known) id(credentials []byte) knownID {
	var usual [1024]byte // to clear the most there can be would cost as much as to hash
	row := usual[:0]
	if len(credentials) > len(usual)-len(k.key) {
		row = make([]byte, 0, sha256.Size+maxCredentials)
	}
	row = append(row, k.key[:]...)
	return sha256.Sum256(append(row, credentials...))
}

// find returns no proof for what is unknown.
func (k *known) find(id *knownID, now time.Time) (*proof, standing) {
	k.mu.RLock()
	p := k.young[*id]
	if p == nil {
		p = k.old[*id]
	}
	k.mu.RUnlock()
	switch {
	case p == nil:
		return nil, unknown
	case p.until.IsZero():
		return p, good
	}
	switch left := p.until.Sub(now); {
	case left <= 0:
		return p, over
	case left <= rememberedFor/2:
		return p, ageing
	}
	return p, good
}

func (k *known) add(id knownID, p *proof) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.young) >= maxKnown/2 {
		k.young, k.old = make(map[knownID]*proof), k.young
	}
	k.young[id] = p
}

// carry is what is known after a reload: for each proof another in its place, or nil
// where there is none any more.
func (k *known) carry(another func(*proof) *proof) *known {
	k.mu.RLock()
	defer k.mu.RUnlock()
	carried := func(proofs map[knownID]*proof) map[knownID]*proof {
		of := make(map[knownID]*proof, len(proofs))
		for id, p := range proofs {
			if p = another(p); p != nil {
				of[id] = p
			}
		}
		return of
	}
	return &known{key: k.key, young: carried(k.young), old: carried(k.old)}
}
