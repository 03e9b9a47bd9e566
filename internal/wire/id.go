package wire

import (
	"crypto/rand"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewID is an identifier that sorts by time (ULID).
func NewID(now time.Time) []byte {
	id := ulid.MustNew(ulid.Timestamp(now), rand.Reader)
	text := make([]byte, ulid.EncodedSize)
	_ = id.MarshalTextTo(text) // the size is right
	return text
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
