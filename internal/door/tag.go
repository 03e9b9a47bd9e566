package door

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/netip"
	"sync"
)

// Tags makes what log lines call a caller by: the address, and six characters of a keyed
// hash of what tells the conversations from there apart, as in 10.0.0.5-VJ8zq5. With one
// key they are the same on every instance.
type Tags struct{ taggers sync.Pool }

// A tagger has the memory that one tag needs.
type tagger struct {
	mac hash.Hash
	sum []byte
}

// NewTags makes tags with the key, which hashes what tells conversations apart.
func NewTags(key []byte) *Tags {
	return &Tags{taggers: sync.Pool{New: func() any {
		return &tagger{mac: hmac.New(sha256.New, key), sum: make([]byte, 0, sha256.Size)}
	}}}
}

// Loggable returns the form of a caller's name that is logged: the name, or "(a number)"
// where it has twelve digits in a row and may be a card number. The names are those of
// configured users, and the subjects of tokens, which a foreign issuer chooses.
func Loggable(name string) string {
	digits := 0
	for _, c := range name {
		switch {
		case '0' <= c && c <= '9':
			if digits++; digits == 12 {
				return "(a number)"
			}
		case c != ' ' && c != '-':
			digits = 0
		}
	}
	return name
}

// Of returns the tag of one conversation of the caller. A caller without an address came
// over a unix socket, and its tag begins with that word.
func (t *Tags) Of(caller netip.Addr, conversation []byte) string {
	p := t.taggers.Get().(*tagger)
	defer t.taggers.Put(p)
	p.mac.Reset()
	p.mac.Write(conversation)
	p.sum = p.mac.Sum(p.sum[:0])
	tag := make([]byte, 0, 64)
	if caller.IsValid() {
		tag = caller.Unmap().WithZone("").AppendTo(tag)
	} else {
		tag = append(tag, "unix"...)
	}
	tag = base64.RawURLEncoding.AppendEncode(append(tag, '-'), p.sum[:6])
	return string(tag[:len(tag)-2])
}
