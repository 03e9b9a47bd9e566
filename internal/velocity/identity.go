package velocity

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// An identity names one subject or element in a fixed width, so that no two
// different ones are ever written alike: a tag for how it was made, then 32
// bytes. It still tells who it is and never leaves memory; Keys hashes it.
type identity [33]byte

const (
	tagNetwork = 'N' // 16 address bytes, prefix length
	tagCard    = 'C' // last four digits and expiry
	tagText    = 'T' // SHA-256 of a caller's string
	tagAttempt = 'A' // SHA-256 of a card's identity and the caller's attempt_id
)

func (id *identity) known() bool { return id[0] != 0 }

// networkIdentity is the address cut to the prefix of its family; unknown where
// there is no address. The prefix length is part of it: a /64 and a /56 that
// begin alike are two networks.
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

// textIdentity stands for a caller's string of at most maxText characters, with
// ASCII letters in lower case when fold is set; unknown where there is none.
func textIdentity(text string, fold bool) (id identity) {
	if text == "" {
		return id
	}
	var buf [maxText * 4]byte
	b := buf[:copy(buf[:], text)]
	for i, c := range b {
		if fold && 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	sum := sha256.Sum256(b)
	id[0] = tagText
	copy(id[1:], sum[:])
	return id
}

// attemptIdentity tells attempts apart by attempt_id and card: a retry has both
// alike, while shops send one attempt_id, an order's, with many cards. It is unknown
// where there is no attempt_id. The card comes first, in its fixed width, so that no
// two pairs are hashed alike.
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
