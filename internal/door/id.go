package door

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"
)

// AppendID appends an identifier of 26 characters that sorts by time (ULID). It is no
// secret. No two are alike: 80 of its bits are random, from ChaCha8, seeded by the
// system.
func AppendID(b []byte, now time.Time) []byte {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(now)) // good until the year 10889
	binary.BigEndian.PutUint16(id[6:], uint16(rand.Uint32()))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	var text [ulid.EncodedSize]byte
	_ = id.MarshalTextTo(text[:]) // the size is right
	return append(b, text[:]...)
}

// Traceable reports whether a caller's request id may stand in logs and answers:
// [A-Za-z0-9._-]{1,64} without 13 digits in a row, as a card number has.
func Traceable(id []byte) bool {
	digits := 0
	for _, c := range id {
		switch {
		case '0' <= c && c <= '9':
			if digits++; digits == 13 {
				return false
			}
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '.', c == '_', c == '-':
			digits = 0
		default:
			return false
		}
	}
	return 1 <= len(id) && len(id) <= 64
}
