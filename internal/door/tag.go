package door

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"hash"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Tags makes the names that log lines have for what they must not show: keyed hashes,
// the same on every instance with one key.
type Tags struct{ taggers sync.Pool }

// A tagger has the memory that one name needs.
type tagger struct {
	mac hash.Hash
	sum []byte
}

// NewTags makes names with the key.
func NewTags(key []byte) *Tags {
	return &Tags{taggers: sync.Pool{New: func() any {
		return &tagger{mac: hmac.New(sha256.New, key), sum: make([]byte, 0, sha256.Size)}
	}}}
}

// AppendTag appends the tag of one conversation of a caller: its address and six
// characters of a keyed hash of what tells the conversations from there apart, as in
// 10.0.0.5-VJ8zq5. A caller without an address came over a unix socket, and its tag
// begins with that word.
func (t *Tags) AppendTag(b []byte, caller netip.Addr, conversation []byte) []byte {
	if caller.IsValid() {
		b = caller.Unmap().WithZone("").AppendTo(b)
	} else {
		b = append(b, "unix"...)
	}
	return t.appendConversation(append(b, '-'), conversation)
}

// appendConversation appends the six characters of a tag that stand for a conversation.
func (t *Tags) appendConversation(b, conversation []byte) []byte {
	p := t.taggers.Get().(*tagger)
	defer t.taggers.Put(p)
	p.mac.Reset()
	p.mac.Write(conversation)
	p.sum = p.mac.Sum(p.sum[:0])
	b = base64.RawURLEncoding.AppendEncode(b, p.sum[:6])
	return b[:len(b)-2]
}

// shortIDs is the alphabet of short ids: letters and digits that a person can read out.
var shortIDs = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// AppendShortID appends eight letters and digits that stand for a text of that kind, such
// as an attempt_id.
func (t *Tags) AppendShortID(b []byte, kind, text string) []byte {
	p := t.taggers.Get().(*tagger)
	defer t.taggers.Put(p)
	p.mac.Reset()
	p.sum = append(append(append(p.sum[:0], kind...), 0), text...)
	p.mac.Write(p.sum)
	p.sum = p.mac.Sum(p.sum[:0])
	return shortIDs.AppendEncode(b, p.sum[:5])
}

// maxNameDigits is how many digits a name may have and be shown. A card number has 12 to
// 19, however they are spelled.
const maxNameDigits = 11

// Name returns the form of a caller's name that is logged. The names are those of
// configured users, and the subjects of tokens, which a foreign issuer chooses: a name
// with 12 digits or more, in any spelling, is shown as a short id, and one with anything
// but letters, digits and a few marks in quotes, so that it cannot pass for more than
// one word of its line.
func (t *Tags) Name(name string) string {
	if shown, ok := ShownName(name); ok {
		return shown
	}
	return string(t.AppendShortID([]byte("masked:"), "name", name))
}

// ShownName returns the name as Tags.Name does; false where it may be a card number, which
// is not shown.
func ShownName(name string) (string, bool) {
	digits, plain := 0, name != ""
	for _, c := range name {
		switch {
		case unicode.IsNumber(c):
			digits++
		case unicode.IsLetter(c), strings.ContainsRune("-_.@:/|+", c):
		default:
			plain = false
		}
	}
	switch {
	case digits > maxNameDigits:
		return "", false
	case plain:
		return name, true
	}
	return strconv.Quote(name), true
}
