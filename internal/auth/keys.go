package auth

import (
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

// Keys make the tokens and sessions of our own, and what is stored of them. They
// come from the hash key, one for each purpose (HKDF, RFC 5869): every instance
// with the same hash key believes what another issued.
type Keys struct {
	item    []byte      // names items
	values  cipher.AEAD // what items hold
	prefix  string      // of item keys, says which hash key they were made with
	signers sync.Pool   // *signer
}

// NewKeys derives the keys from the hash key.
func NewKeys(hashKey []byte) (*Keys, error) {
	if len(hashKey) == 0 {
		return nil, errors.New("expected a hash key")
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, hashKey, nil, "fraudcheck auth "+purpose, sha256.Size)
		if err != nil { // only for lengths beyond 8 KiB
			panic("auth: " + err.Error())
		}
		return key
	}
	block, err := aes.NewCipher(derive("values"))
	if err != nil {
		return nil, err
	}
	k := &Keys{item: derive("items")}
	if k.values, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	k.prefix = "fraudcheck:" + base64.RawURLEncoding.EncodeToString(derive("key id")[:6]) + ":"
	signing := derive("tokens")
	k.signers.New = func() any { return &signer{mac: hmac.New(sha256.New, signing)} }
	return k, nil
}

// itemKey is where a store keeps a thing of that kind: it names nobody.
func (k *Keys) itemKey(kind string, id []byte) string {
	mac := hmac.New(sha256.New, k.item)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write(id)
	return k.prefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// seal makes the value for the item of that key; open refuses it anywhere else.
func (k *Keys) seal(key string, value []byte) []byte {
	return k.values.Seal(nil, nil, value, []byte(key))
}

func (k *Keys) open(key string, sealed []byte) ([]byte, error) {
	return k.values.Open(nil, nil, sealed, []byte(key))
}

// A signer writes and reads credentials of our own: what they are, then in base64
// a payload and its HMAC-SHA-256.
type signer struct {
	mac hash.Hash
	raw [maxToken]byte
	sum []byte
}

func (k *Keys) signer() *signer { return k.signers.Get().(*signer) }

// sign is good until the next call.
func (s *signer) sign(what string, payload []byte) []byte {
	s.mac.Reset()
	s.sum = append(append(s.sum[:0], what...), payload...)
	s.mac.Write(s.sum)
	s.sum = s.mac.Sum(s.sum[:0])
	return s.sum
}

// write makes the text of a credential.
func (s *signer) write(what string, payload []byte) string {
	return what + base64.RawURLEncoding.EncodeToString(append(payload, s.sign(what, payload)...))
}

var strictURL = base64.RawURLEncoding.Strict()

// read returns the payload of a genuine credential, good until the next call. What
// it is has been looked at already.
func (s *signer) read(what string, text []byte) (payload []byte, genuine bool) {
	text = text[len(what):]
	if len(text) > maxToken || hasLineEnd(text) {
		return nil, false
	}
	n, err := strictURL.Decode(s.raw[:], text)
	if err != nil || n < sha256.Size {
		return nil, false
	}
	payload = s.raw[:n-sha256.Size]
	return payload, hmac.Equal(s.raw[n-sha256.Size:n], s.sign(what, payload))
}

// hasLineEnd: encoding/base64 skips line ends even where it is strict.
func hasLineEnd(text []byte) bool {
	for _, c := range text {
		if c == '\r' || c == '\n' {
			return true
		}
	}
	return false
}
