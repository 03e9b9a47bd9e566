package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync/atomic"
	"time"
)

// rememberedFor is how long a verified password is believed without hashing it
// again. It is renewed from half of that on, so that whoever comes at least once in
// that time never waits.
const rememberedFor = time.Minute

// A credentialID is the keyed hash of a user's name and password.
type credentialID [sha256.Size]byte

// A memory holds what was verified of one user: a user has one password, so one
// proof is all. It goes with the user's entry in the configuration.
type memory struct {
	proof    atomic.Pointer[proof]
	renewing atomic.Bool
}

type proof struct {
	id credentialID
	at time.Time
}

// What a memory says of a credential.
type standing int

const (
	unknown standing = iota
	once             // verified, too long ago to be believed: yet no guess, so it need not queue
	ageing           // believed, and to be renewed
	fresh            // believed
)

func (m *memory) standing(id *credentialID, now time.Time) standing {
	p := m.proof.Load()
	if p == nil || subtle.ConstantTimeCompare(p.id[:], id[:]) != 1 {
		return unknown
	}
	switch age := now.Sub(p.at); {
	case age >= rememberedFor:
		return once
	case age >= rememberedFor/2:
		return ageing
	}
	return fresh
}

func (m *memory) remember(id credentialID, now time.Time) {
	m.proof.Store(&proof{id: id, at: now})
}
