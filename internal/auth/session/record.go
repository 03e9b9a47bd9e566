package session

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// A loginRecord is what a store keeps of a login until it ends. A revoked one stays
// for as long as an access token of it could still be shown.
type loginRecord struct {
	loginState
	name string
}

// loginState is the part of fixed size, written big-endian in this order. Times are
// in ms since 1970.
type loginState struct {
	Version  uint8
	Revoked  bool
	Refresh  [sha256.Size]byte // SHA-256 of the refresh token that is good
	Ends     int64             // of refresh tokens and the session
	Access   int64             // when the last access token issued expires; later with every refresh
	Used     int64             // when the session was used, as far as was written
	From     network
	Since    int64           // when it began
	Client   [16]byte        // the address that logged in; zero where it is not known
	Password PasswordVersion // that was shown at the login
}

// recordVersion is the first byte of records and lists. Another version is unreadable
// here: such a login counts as missing.
const recordVersion = 2

var errRecord = errors.New("not a record of a login")

// append appends the record: loginState, then the user's name to the end.
func (r *loginRecord) append(b []byte) []byte {
	r.Version = recordVersion
	b, _ = binary.Append(b, binary.BigEndian, &r.loginState) // fails for types without a fixed size
	return append(b, r.name...)
}

// client returns the address that logged in; not valid where it is not known.
func (r *loginRecord) client() netip.Addr {
	if r.Client == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom16(r.Client).Unmap()
}

// read decodes a record; it fails for another version or length.
func (r *loginRecord) read(b []byte) error {
	n, err := binary.Decode(b, binary.BigEndian, &r.loginState)
	if err != nil || r.Version != recordVersion {
		return errRecord
	}
	r.name = string(b[n:])
	return nil
}

// newer returns what two records of one login say together: a revoked one is, and otherwise
// the one holds of which an access token was issued last.
func (r loginRecord) newer(o *loginRecord) loginRecord {
	last := r
	if o.Access >= r.Access {
		last = *o
	}
	last.Revoked = r.Revoked || o.Revoked
	last.Used = max(r.Used, o.Used)
	return last
}

// A loginList is a user's logins, the oldest first. Written, it is the version and 24
// bytes for each entry.
type loginList []loginEntry

// A loginEntry is one login of the list.
type loginEntry struct {
	ID   LoginID
	Ends int64 // ms
}

// with returns the logins of both lists, the oldest first.
func (l loginList) with(o loginList) loginList {
	if len(l) == 0 {
		return o
	}
	for _, e := range o {
		if !slices.ContainsFunc(l, func(have loginEntry) bool { return have.ID == e.ID }) {
			l = append(l, e)
		}
	}
	slices.SortStableFunc(l, func(a, b loginEntry) int { return cmp.Compare(a.Ends, b.Ends) })
	return l
}

// without returns the list without that login.
func (l loginList) without(id LoginID) loginList {
	return slices.DeleteFunc(l, func(e loginEntry) bool { return e.ID == id })
}

// append appends the list.
func (l loginList) append(b []byte) []byte {
	b, _ = binary.Append(append(b, recordVersion), binary.BigEndian, l) // fails as above
	return b
}

// read decodes a list; it fails for another version or a part of an entry.
func (l *loginList) read(b []byte) error {
	const size = 24
	if len(b) == 0 || b[0] != recordVersion || (len(b)-1)%size != 0 {
		return errRecord
	}
	*l = make(loginList, (len(b)-1)/size)
	_, err := binary.Decode(b[1:], binary.BigEndian, *l)
	return err
}
