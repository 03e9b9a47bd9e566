package session

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"sync"
)

// Keys sign tokens and sessions, and name and encrypt what a [Store] holds of them.
// Each is derived from the hash key for one purpose (HKDF, RFC 5869), so instances
// with the same hash key believe what another issued.
type Keys struct {
	item    []byte      // of the HMAC that names items
	values  cipher.AEAD // encrypts the items' values
	prefix  string      // of item names: a short id of the hash key
	signers sync.Pool   // *signer

	previous *Keys // of the hash key before; nil without one
}

// NewKeys derives the keys from the hash key, which must not be empty. The purposes are
// part of the derivation, so no key of this package is one of velocity's.
func NewKeys(hashKey []byte) (*Keys, error) {
	if len(hashKey) == 0 {
		return nil, errors.New("expected a hash key")
	}
	var derived [4][]byte
	for i, purpose := range []string{"items", "values", "key id", "tokens"} {
		var err error
		if derived[i], err = hkdf.Key(sha256.New, hashKey, nil, "fraudcheck auth "+purpose, sha256.Size); err != nil {
			return nil, err
		}
	}
	item, value, id, signing := derived[0], derived[1], derived[2], derived[3]
	block, err := aes.NewCipher(value)
	if err != nil {
		return nil, err
	}
	k := &Keys{item: item, prefix: "fraudcheck:" + base64.RawURLEncoding.EncodeToString(id[:6]) + ":"}
	if k.values, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	k.signers.New = func() any { return &signer{mac: hmac.New(sha256.New, signing)} }
	return k, nil
}

// AlsoUnder has everything written and signed under the keys of the previous hash key too,
// and believes what was signed under either. It must be called before the first use.
func (k *Keys) AlsoUnder(previous *Keys) { k.previous = previous }

// itemKey returns the name of an item in the store: a keyed hash, so it names no user and
// no login. kind is "login" or "user"; the zero byte keeps kind and id apart.
func (k *Keys) itemKey(kind string, id []byte) string {
	mac := hmac.New(sha256.New, k.item)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write(id)
	return k.prefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// encrypt returns the value for the item of that name (AES-256-GCM, random nonce);
// decrypt refuses it under any other name.
func (k *Keys) encrypt(name string, value []byte) []byte {
	return k.values.Seal(nil, nil, value, []byte(name))
}

// decrypt returns what encrypt was given; its error says that the value was not encrypted
// under this key and name.
func (k *Keys) decrypt(name string, value []byte) ([]byte, error) {
	return k.values.Open(nil, nil, value, []byte(name))
}

// signer takes a signer from the pool; the caller puts it back.
func (k *Keys) signer() *signer {
	s := k.signers.Get().(*signer)
	if k.previous != nil && s.previous == nil {
		s.previous = k.previous.signers.New().(*signer)
	}
	return s
}

// maxText bounds what is decoded of a token or a session, in bytes.
const maxText = 4096

// A signer writes and reads tokens and sessions: a prefix that says what it is, then
// in base64url a payload and the HMAC-SHA-256 of prefix and payload. Where there is a
// previous hash key a dot and the HMAC under that follow, so that an instance believes the
// text whichever of the two keys it has. It holds the buffers for that, so that reading
// allocates nothing.
type signer struct {
	mac hash.Hash
	raw [maxText]byte
	sum []byte

	previous *signer // of the previous hash key; nil without one
}

// sign returns the HMAC, good until the next call.
func (s *signer) sign(prefix string, payload []byte) []byte {
	s.mac.Reset()
	s.sum = append(append(s.sum[:0], prefix...), payload...)
	s.mac.Write(s.sum)
	s.sum = s.mac.Sum(s.sum[:0])
	return s.sum
}

// write returns the text of a payload: prefix, payload and HMAC, or both HMACs.
func (s *signer) write(prefix string, payload []byte) string {
	text := prefix + base64.RawURLEncoding.EncodeToString(append(payload, s.sign(prefix, payload)...))
	if s.previous != nil {
		text += "." + base64.RawURLEncoding.EncodeToString(s.previous.sign(prefix, payload))
	}
	return text
}

var strictURL = base64.RawURLEncoding.Strict()

// read returns the payload of a text that begins with prefix and was signed by us; only
// texts of at most maxText bytes are decoded. The payload is good until the next call.
func (s *signer) read(prefix string, text []byte) (payload []byte, genuine bool) {
	if len(text) < len(prefix) || string(text[:len(prefix)]) != prefix {
		return nil, false
	}
	text = text[len(prefix):]
	if len(text) > maxText || hasLineEnd(text) {
		return nil, false
	}
	text, second, _ := bytes.Cut(text, []byte("."))
	n, err := strictURL.Decode(s.raw[:], text)
	if err != nil || n < sha256.Size {
		return nil, false
	}
	payload = s.raw[:n-sha256.Size]
	if s.signed(prefix, payload, s.raw[n-sha256.Size:n]) {
		return payload, true
	}
	var mac [sha256.Size]byte
	if len(second) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return payload, false
	}
	n, err = strictURL.Decode(mac[:], second)
	return payload, err == nil && n == len(mac) && s.signed(prefix, payload, mac[:])
}

// signed reports whether the HMAC is one of ours, under either key.
func (s *signer) signed(prefix string, payload, mac []byte) bool {
	return hmac.Equal(mac, s.sign(prefix, payload)) ||
		s.previous != nil && hmac.Equal(mac, s.previous.sign(prefix, payload))
}

// hasLineEnd finds the bytes that encoding/base64 skips even where it is strict.
func hasLineEnd(text []byte) bool {
	for _, c := range text {
		if c == '\r' || c == '\n' {
			return true
		}
	}
	return false
}
