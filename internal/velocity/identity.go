package velocity

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// An identity names one subject or element in a fixed width: a tag that says how it
// was made, then 32 bytes. No two different ones have the same bytes. It can be read
// back (an address, a card), so it never leaves memory: stores see what Keys makes
// of it.
type identity [33]byte

const (
	tagNetwork = 'N' // 16 address bytes, prefix length
	tagCard    = 'C' // last four digits, month, year
	tagExpiry  = 'E' // month, year
	tagText    = 'T' // SHA-256 of a caller's string
	tagAttempt = 'A' // SHA-256 of a card's identity, or a second, and the caller's attempt_id
	tagSecond  = 'S' // of an attempt whose card is not known: seconds since the Unix epoch
)

// known reports whether the attempt has the subject or element at all.
func (id *identity) known() bool { return id[0] != 0 }

// networkIdentity is the address cut to the prefix length of its family; unknown
// where there is no address. The length is part of it: a /64 and a /56 that begin
// alike are two networks. IPv4 is written as IPv4-mapped IPv6.
func networkIdentity(addr netip.Addr, bits4, bits6 int) (id identity) {
	bits := bits6
	if addr.Is4() {
		bits = bits4
	}
	network, err := addr.Prefix(bits)
	if err != nil || !addr.IsValid() {
		return id
	}
	id[0] = tagNetwork
	a := network.Addr().As16()
	copy(id[1:], a[:])
	id[17] = byte(bits)
	if addr.Is4() {
		id[17] += 96
	}
	return id
}

// cardIdentity is what a card shows without its number. Two cards may share it:
// there are about 600,000 pairs of last four digits and expiry.
func cardIdentity(last4 string, month, year int) (id identity) {
	id[0] = tagCard
	copy(id[1:5], last4)
	id[5] = byte(month)
	binary.BigEndian.PutUint16(id[6:], uint16(year))
	return id
}

// expiryIdentity is the expiry by itself; unknown for the month 0.
func expiryIdentity(month, year int) (id identity) {
	if month == 0 {
		return id
	}
	id[0], id[1] = tagExpiry, byte(month)
	binary.BigEndian.PutUint16(id[2:], uint16(year))
	return id
}

// textIdentity is a caller's string of at most maxText characters; unknown for an empty
// string.
func textIdentity(text string) (id identity) {
	if text == "" {
		return id
	}
	var buf [maxText * 4]byte // a character takes at most 4 bytes in UTF-8
	sum := sha256.Sum256(buf[:copy(buf[:], text)])
	id[0] = tagText
	copy(id[1:], sum[:])
	return id
}

// attemptIdentity tells attempts apart by attempt_id and card: a retry has both
// alike, but shops send one attempt_id, an order's, with many cards. It is unknown
// without an attempt_id. The card comes first, in its fixed width, so that no two
// pairs are hashed alike.
func attemptIdentity(attemptID string, card *identity) (id identity) {
	if attemptID == "" {
		return id
	}
	var buf [len(identity{}) + maxID*4]byte
	n := copy(buf[:], card[:])
	n += copy(buf[n:], attemptID)
	sum := sha256.Sum256(buf[:n])
	id[0] = tagAttempt
	copy(id[1:], sum[:])
	return id
}

// laterAttemptIdentity tells attempts apart whose card is not known: by attempt_id and the
// second of t. A retry may come in the second after, see Update.observe.
func laterAttemptIdentity(attemptID string, t Time) identity {
	at := identity{0: tagSecond}
	binary.BigEndian.PutUint64(at[1:], uint64(t/second))
	return attemptIdentity(attemptID, &at)
}
