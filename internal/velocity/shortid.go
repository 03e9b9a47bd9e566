package velocity

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"

	"github.com/dchest/siphash"
)

// A ShortID stands for a card or an attempt_id where people read: 64 bits of SipHash-2-4
// under a key of its own. Without the key it tells nothing, though there are only about
// 600,000 pairs of last four digits and expiry. 0 stands for none.
type ShortID uint64

// ShortIDs makes short ids, the same on every instance with one hash key, and of a card the
// same for every address. It allocates nothing. It may be used from many goroutines at once.
type ShortIDs struct{ card, attempt [2]uint64 }

// NewShortIDs derives the keys from the hash key (HKDF-SHA-256, RFC 5869).
func NewShortIDs(hashKey []byte) *ShortIDs {
	key, err := hkdf.Key(sha256.New, hashKey, nil, "fraudcheck short id", 32)
	if err != nil { // only for derived keys of more than 8 KiB
		panic("velocity: " + err.Error())
	}
	half := func(b []byte) [2]uint64 {
		return [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	}
	return &ShortIDs{card: half(key), attempt: half(key[16:])}
}

// Card returns the short id of the attempt's card; 0 where the card is not known. Two cards
// that share last four digits and expiry share it, unless the shop sends card_id.
func (s *ShortIDs) Card(a *Attempt) ShortID {
	if !a.card.known() {
		return 0
	}
	return shortID(&s.card, a.card[:])
}

// Attempt returns the short id of an attempt_id; 0 for an empty one.
func (s *ShortIDs) Attempt(attemptID string) ShortID {
	if attemptID == "" {
		return 0
	}
	if usual := [64]byte{}; len(attemptID) <= len(usual) { // clearing less costs less
		return shortID(&s.attempt, usual[:copy(usual[:], attemptID)])
	}
	var longest [maxID * 4]byte // a character takes at most 4 bytes in UTF-8
	return shortID(&s.attempt, longest[:copy(longest[:], attemptID)])
}

func shortID(key *[2]uint64, text []byte) ShortID {
	return max(1, ShortID(siphash.Hash(key[0], key[1], text)))
}

// shortIDs is the alphabet of short ids: letters and digits that a person can read out.
var shortIDs = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// AppendTo appends the id as eight letters and digits, which show 40 of its bits; nothing
// for 0.
func (id ShortID) AppendTo(b []byte) []byte {
	if id == 0 {
		return b
	}
	var bits [8]byte
	binary.BigEndian.PutUint64(bits[:], uint64(id))
	return shortIDs.AppendEncode(b, bits[:5])
}

// ParseShortID reads what AppendTo appends, as an id that is [ShortID.Alike] the one it was.
func ParseShortID(text string) (id ShortID, ok bool) {
	bits, err := shortIDs.DecodeString(text)
	if err != nil || len(bits) != 5 {
		return 0, false
	}
	for _, b := range bits {
		id = id<<8 | ShortID(b)
	}
	id = id<<24 | 1 // never that of none
	return id, id.String() == text
}

// Alike reports whether people read the same of both.
func (id ShortID) Alike(o ShortID) bool { return id>>24 == o>>24 }

// String returns what AppendTo appends.
func (id ShortID) String() string { return string(id.AppendTo(nil)) }
