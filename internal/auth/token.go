package auth

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"
)

// What credentials of our own begin with: no other can, since a JSON Web Token
// begins with "e", and whoever finds one knows what it is.
const (
	ours          = "fc_"
	accessPrefix  = "fc_a_"
	refreshPrefix = "fc_r_"
	sessionPrefix = "fc_s_"
	idOfSession   = "fc_i_" // is never issued: see loginOf
)

// A loginID names what began with one login: its tokens and its session.
type loginID [16]byte

// An accessToken is believed for its signature, until it expires or its login is
// known to have been revoked. Roles are not in it: the configuration has them.
type accessToken struct {
	login                 loginID
	issued, expires, ends int64 // ms; ends is when the login does
	from                  place
	name                  []byte
}

const accessFixed = 16 + 3*8 + len(place{})

func (t *accessToken) append(b []byte) []byte {
	b = append(b, t.login[:]...)
	for _, ms := range [...]int64{t.issued, t.expires, t.ends} {
		b = binary.BigEndian.AppendUint64(b, uint64(ms))
	}
	return append(append(b, t.from[:]...), t.name...)
}

// readAccess takes the payload apart; the name is a part of it.
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

// A refreshToken is good once.
type refreshToken struct {
	login loginID
	ends  int64 // ms
}

const refreshSize = 16 + 8 + 16 // the rest is random

func newRefresh(login loginID, ends int64) (payload []byte) {
	payload = append(make([]byte, 0, refreshSize), login[:]...)
	payload = binary.BigEndian.AppendUint64(payload, uint64(ends))
	return append(payload, randomBytes(16)...)
}

func readRefresh(payload []byte) (t refreshToken, ok bool) {
	if len(payload) != refreshSize {
		return t, false
	}
	copy(t.login[:], payload)
	t.ends = int64(binary.BigEndian.Uint64(payload[16:]))
	return t, true
}

// sessionSize is the length of a session's random id, in bytes.
const sessionSize = 32

// loginOf is the login of a session: a keyed hash of its id, so that neither a
// token nor the store tells anybody the id.
func (s *signer) loginOf(session []byte) (id loginID) {
	copy(id[:], s.sign(idOfSession, session))
	return id
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// A place is where a login came from: an IPv4 address or an IPv6 /64, the zero
// value for nowhere in particular.
type place [9]byte

func placeOf(a netip.Addr) (p place) {
	switch home := homeOf(a).Addr(); {
	case home.Is4():
		p[0] = 4
		b := home.As4()
		copy(p[1:], b[:])
	case home.Is6():
		p[0] = 6
		b := home.As16()
		copy(p[1:], b[:8])
	}
	return p
}

// admits reports whether what was issued to p, for a user who is bound to an
// address or not, is good from the address.
func (p place) admits(bound bool, from netip.Addr) bool {
	if p == (place{}) {
		return !bound
	}
	return p == placeOf(from)
}

func toMs(t time.Time) int64 { return t.UnixMilli() }

func fromMs(ms int64) time.Time { return time.UnixMilli(ms) }
