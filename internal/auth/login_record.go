package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A loginRecord is what a store keeps of a login until it ends. Once revoked it
// stays for as long as an access token of it could still be shown.
type loginRecord struct {
	loginState
	name string
}

// loginState is the part of fixed size. Times are in ms.
type loginState struct {
	Version uint8
	Revoked bool
	Refresh [sha256.Size]byte // of the refresh token that is good
	Ends    int64             // of refresh tokens and the session
	Access  int64             // when the last access token issued expires
	Used    int64             // when the session was used, as far as was written
	From    place
	Stamp   stamp // of the password that was shown
}

const recordVersion = 1

var errRecord = errors.New("not a record of a login")

func (r *loginRecord) append(b []byte) []byte {
	r.Version = recordVersion
	b, err := binary.Append(b, binary.BigEndian, &r.loginState)
	if err != nil { // only for a type without a size
		panic("auth: " + err.Error())
	}
	return append(b, r.name...)
}

func (r *loginRecord) read(b []byte) error {
	n, err := binary.Decode(b, binary.BigEndian, &r.loginState)
	if err != nil || r.Version != recordVersion {
		return errRecord
	}
	r.name = string(b[n:])
	return nil
}

// A loginList has a user's logins, the oldest first.
type loginList []loginEntry

type loginEntry struct {
	ID   loginID
	Ends int64 // ms
}

func (l loginList) append(b []byte) []byte {
	b, err := binary.Append(append(b, recordVersion), binary.BigEndian, l)
	if err != nil {
		panic("auth: " + err.Error())
	}
	return b
}

func (l *loginList) read(b []byte) error {
	const size = 24
	if len(b) == 0 || b[0] != recordVersion || (len(b)-1)%size != 0 {
		return errRecord
	}
	*l = make(loginList, (len(b)-1)/size)
	_, err := binary.Decode(b[1:], binary.BigEndian, *l)
	return err
}
