// Package password verifies passwords against the hashes of a configuration, and hashes
// new ones. Slow hashes (bcrypt, argon2id) run in a [Hasher], which bounds how many run
// at once. A refused password takes as long for an unknown user as for a known one: see
// [Costliest].
package password

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
)

// An Encryption says how a password is written in the configuration.
type Encryption string

// The encryptions.
const (
	Clear    Encryption = "clear"    // the password itself
	SHA256   Encryption = "sha256"   // 64 hexadecimal digits
	Bcrypt   Encryption = "bcrypt"   // $2a$, $2b$ or $2y$
	Argon2id Encryption = "argon2id" // a PHC string
)

// ErrEncryption is an encryption of another name.
var ErrEncryption = errors.New("clear, sha256, bcrypt or argon2id")

// A Hash is what a password is verified against. It is immutable. The zero value matches
// no password. A clear password is kept as its SHA-256, so that memory holds no password
// and comparing takes the same time whatever its length.
type Hash struct {
	digest [sha256.Size]byte // of a clear or sha256 password
	fast   bool              // there is a digest
	slow   slowHash          // of the others
	stored string            // the slow hash as it is configured
}

// Parse reads what is stored of a password. The error says what is expected of it and
// never quotes it; it is [ErrEncryption] where the encryption is wrong. The bounds of
// slow hashes are those of slow.go.
func Parse(encryption Encryption, stored string) (Hash, error) {
	switch encryption {
	case Clear:
		if stored == "" {
			return Hash{}, errors.New("at least one character")
		}
		return Hash{digest: sha256.Sum256([]byte(stored)), fast: true}, nil
	case SHA256:
		raw, err := hex.DecodeString(stored)
		if err != nil || len(raw) != sha256.Size {
			return Hash{}, errors.New("64 hexadecimal digits, the SHA-256 of the password")
		}
		return Hash{digest: [sha256.Size]byte(raw), fast: true}, nil
	case Bcrypt:
		slow, err := newBcrypt(stored)
		return Hash{slow: slow, stored: stored}, err
	case Argon2id:
		slow, err := newArgon(stored)
		return Hash{slow: slow, stored: stored}, err
	}
	return Hash{}, ErrEncryption
}

// MatchesFast reports whether the password is right, where that takes no slow hash to
// find out; false for every slow one.
func (h *Hash) MatchesFast(password []byte) bool {
	given := sha256.Sum256(password)
	return subtle.ConstantTimeCompare(given[:], h.digest[:]) == 1 && h.fast
}

// IsSlow reports whether it takes a slow hash to verify a password.
func (h *Hash) IsSlow() bool { return h.slow != nil }

// Same reports whether o holds the same password in the same way: what was verified
// against one is verified against the other.
func (h *Hash) Same(o *Hash) bool {
	return h.digest == o.digest && h.fast == o.fast && h.stored == o.stored
}
