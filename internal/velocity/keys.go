package velocity

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// MinHashKey is the minimum length of the hash key, in bytes.
const MinHashKey = 32

// A Key is the key under which a subject's record is stored: 128 bits of HMAC-SHA-256
// over the subject's kind and identity. Without the hash key it names no subject, so
// neither does a store that is read or stolen.
type Key [16]byte

// Keys turns subjects and elements into what may leave this process. From the one hash
// key it derives a key for each purpose (HKDF-SHA-256, RFC 5869), so that a value made
// for one purpose is worthless for another. It may be used from many goroutines at once.
//
// A fingerprint is 64 bits of HMAC-SHA-256 over the subject's key and the element. One
// card has another fingerprint under every subject, so a stolen store cannot follow it
// from address to address. Two cards that share last four digits and expiry share the
// fingerprint.
type Keys struct {
	subject, element, record []byte
	snapshot                 []byte
	shown                    []byte    // for the short ids of elements
	override, overrideNonce  []byte    // see sealOverride
	id                       [6]byte   // part of item keys: which hash key a record was made with
	macs                     sync.Pool // *macs
}

// macs holds ready HMAC states and buffers; reusing a state costs a fifth of making
// one. It is for one goroutine at a time.
type macs struct {
	subject, element, record hash.Hash
	in, out                  []byte
}

// NewKeys derives the keys from the hash key, which must be the same on all instances
// that share a store. The error says that it has fewer than MinHashKey bytes.
func NewKeys(hashKey []byte) (*Keys, error) {
	if len(hashKey) < MinHashKey {
		return nil, errors.New("expected at least 32 bytes")
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, hashKey, nil, "fraudcheck "+purpose, sha256.Size)
		if err != nil { // only for derived keys of more than 8 KiB
			panic("velocity: " + err.Error())
		}
		return key
	}
	k := &Keys{subject: derive("subject"), element: derive("element"), record: derive("record"), snapshot: derive("snapshot"),
		shown: derive("shown element"), override: derive("override"), overrideNonce: derive("override nonce")}
	copy(k.id[:], derive("key id"))
	k.macs.New = func() any {
		return &macs{
			subject: hmac.New(sha256.New, k.subject),
			element: hmac.New(sha256.New, k.element),
			record:  hmac.New(sha256.New, k.record),
			out:     make([]byte, 0, sha256.Size),
		}
	}
	return k, nil
}

// sum returns the HMAC of m.in, valid until the next call on m.
func (m *macs) sum(h hash.Hash) []byte {
	h.Reset()
	h.Write(m.in)
	m.out = h.Sum(m.out[:0])
	return m.out
}

// key returns where the record of the subject with that identity is stored.
func (m *macs) key(k *kind, id *identity) (key Key) {
	m.in = append(append(m.in[:0], k.id), id[:]...)
	copy(key[:], m.sum(m.subject))
	return key
}

// fingerprint returns what stands for the element in the record of the subject.
func (m *macs) fingerprint(subject *Key, k *kind, id *identity) uint64 {
	m.in = append(append(append(m.in[:0], k.id), subject[:]...), id[:]...)
	return binary.BigEndian.Uint64(m.sum(m.element))
}

// elementID returns the eight characters by which an analyst tells apart the elements of
// the subject with that key. They show nothing of the fingerprint.
func (k *Keys) elementID(subject Key, fingerprint uint64) string {
	mac := hmac.New(sha256.New, k.shown)
	mac.Write(binary.BigEndian.AppendUint64(subject[:], fingerprint))
	return shortIDs.EncodeToString(mac.Sum(nil)[:5])
}
