package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Prefix is what everything that we issue begins with. A JSON Web Token begins with
// "e", so neither can be taken for the other.
const Prefix = "fc_"

// The prefixes of each kind.
const (
	accessPrefix  = Prefix + "a_"
	refreshPrefix = Prefix + "r_"
	sessionPrefix = Prefix + "s_"
	idOfSession   = Prefix + "i_" // is never issued: see loginOf
)

// A LoginID names a login: its tokens and its session. It is no secret: nothing can be
// made of it without our key.
type LoginID [16]byte

// An accessToken is believed for its signature, until it expires or its login is known to
// be revoked. It holds no roles: those of the configuration in force count. Its payload
// is the fields in this order, times big-endian, and the name to the end.
type accessToken struct {
	login                 LoginID
	issued, expires, ends int64 // ms; ends is when the login does
	from                  network
	name                  []byte
}

// accessFixed is the length of a payload without the name, in bytes.
const accessFixed = 16 + 3*8 + len(network{})

// append appends the payload.
func (t *accessToken) append(b []byte) []byte {
	b = append(b, t.login[:]...)
	for _, ms := range [...]int64{t.issued, t.expires, t.ends} {
		b = binary.BigEndian.AppendUint64(b, uint64(ms))
	}
	return append(append(b, t.from[:]...), t.name...)
}

// readAccess decodes the payload; the name is a part of it, not a copy.
func readAccess(payload []byte) (t accessToken, ok bool) {
	if len(payload) < accessFixed {
		return t, false
	}
	rest := payload[copy(t.login[:], payload):]
	for _, ms := range [...]*int64{&t.issued, &t.expires, &t.ends} {
		*ms, rest = int64(binary.BigEndian.Uint64(rest)), rest[8:]
	}
	t.name = rest[copy(t.from[:], rest):]
	return t, true
}

// access reads an access token; false where it is not one of ours. Its name is good until
// the signer's next call.
func (s *signer) access(text []byte) (t accessToken, ok bool) {
	payload, genuine := s.read(accessPrefix, text)
	if !genuine {
		return t, false
	}
	return readAccess(payload)
}

// A refreshToken is good once.
type refreshToken struct {
	login LoginID
	ends  int64 // ms
}

const refreshSize = 16 + 8 + 16 // the last 16 bytes are random

// newRefresh returns the payload of a new refresh token.
func newRefresh(login LoginID, ends int64) (payload []byte) {
	payload = append(make([]byte, 0, refreshSize), login[:]...)
	payload = binary.BigEndian.AppendUint64(payload, uint64(ends))
	return append(payload, randomBytes(16)...)
}

// refresh reads a refresh token; false where it is not one of ours.
func (s *signer) refresh(text []byte) (t refreshToken, ok bool) {
	payload, genuine := s.read(refreshPrefix, text)
	if !genuine || len(payload) != refreshSize {
		return t, false
	}
	copy(t.login[:], payload)
	t.ends = int64(binary.BigEndian.Uint64(payload[16:]))
	return t, true
}

// sessionSize is the length of a session's random id, in bytes.
const sessionSize = 32

// loginOf returns the login of a session: a hash of its random id, so that neither a token
// nor the store tells the id. No key is in it, so that it is the same under every hash key.
func loginOf(session []byte) (id LoginID) {
	var buf [len(idOfSession) + sessionSize]byte
	copy(buf[copy(buf[:], idOfSession):], session)
	sum := sha256.Sum256(buf[:])
	copy(id[:], sum[:])
	return id
}

// session reads the text of a session; false where it is not one of ours.
func (s *signer) session(text []byte) (id LoginID, ok bool) {
	payload, genuine := s.read(sessionPrefix, text)
	if !genuine || len(payload) != sessionSize {
		return id, false
	}
	return loginOf(payload), true
}

// randomBytes returns n bytes of crypto/rand.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// ClientNetwork returns the network that an address stands for: an IPv4 address itself,
// of an IPv6 address the /64, which is the least that a provider gives one customer. It
// is not valid for the zero address.
func ClientNetwork(from netip.Addr) netip.Prefix {
	from = from.Unmap()
	network, _ := from.Prefix(min(from.BitLen(), 64)) // the length fits
	return network
}

// A network is a [ClientNetwork] as tokens and records hold it: 4 and the IPv4
// address, or 6 and the first 8 bytes of the IPv6 address. The zero value is bound to
// none.
type network [9]byte

// networkOf returns the network of an address; the zero value for none.
func networkOf(a netip.Addr) (n network) {
	switch client := ClientNetwork(a).Addr(); {
	case client.Is4():
		n[0] = 4
		b := client.As4()
		copy(n[1:], b[:])
	case client.Is6():
		n[0] = 6
		b := client.As16()
		copy(n[1:], b[:8])
	}
	return n
}

// admits reports whether a login that began in n is good from the address; bound says
// whether the user is bound to an address (bind_ip).
func (n network) admits(bound bool, from netip.Addr) bool {
	if n == (network{}) {
		return !bound
	}
	return n == networkOf(from)
}

// toMs and fromMs convert between times and ms since 1970, as records and tokens hold
// them.
func toMs(t time.Time) int64 { return t.UnixMilli() }

func fromMs(ms int64) time.Time { return time.UnixMilli(ms) }
