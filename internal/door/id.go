package door

import (
	"math/rand/v2"
	"time"
)

// AppendID appends an identifier of 26 characters that sorts by time, as the ULID
// specification has it: 48 bits of time in ms and 80 random ones, five to a character. It
// is no secret. No two are alike: the random bits are from ChaCha8, seeded by the system.
func AppendID(b []byte, now time.Time) []byte {
	const digits, ofTime, half = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 10, 8
	var id [ofTime + 2*half]byte
	ms, first, second := now.UnixMilli(), rand.Uint64(), rand.Uint64()
	for i := ofTime - 1; i >= 0; i-- {
		id[i] = digits[ms&31]
		ms >>= 5
	}
	for i := ofTime; i < ofTime+half; i++ {
		id[i], id[i+half] = digits[first&31], digits[second&31]
		first, second = first>>5, second>>5
	}
	return append(b, id[:]...)
}

// Traceable reports whether a caller's request id may stand in logs and answers:
// [A-Za-z0-9._-]{1,64}, and nothing that a card number may be: 13 digits in a row, or 13
// digits or more and no letter, however they are separated.
func Traceable(id []byte) bool {
	digits, row, letters := 0, 0, false
	for _, c := range id {
		switch {
		case '0' <= c && c <= '9':
			digits++
			if row++; row == 13 {
				return false
			}
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			row, letters = 0, true
		case c == '.', c == '_', c == '-':
			row = 0
		default:
			return false
		}
	}
	return 1 <= len(id) && len(id) <= 64 && (letters || digits < 13)
}
