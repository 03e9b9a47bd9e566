package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// An Encryption is how a user's password stands in the configuration.
type Encryption string

// The encryptions.
const (
	Clear  Encryption = "clear"  // the password itself
	SHA256 Encryption = "sha256" // 64 hexadecimal digits
)

// A User is one entry of the configuration.
type User struct {
	Name       string // at least one character, no colon (RFC 7617)
	Password   string
	Encryption Encryption
	Roles      Roles
	// Networks are addresses and networks the user may ask from; "!" before one
	// excludes it. The most specific decides; none at all: from anywhere.
	Networks []string
	// BindIP makes what a login issues good only from the address (of IPv6, the /64)
	// that logged in.
	BindIP bool
	// SigningKey is base64 of at least 32 bytes, or empty: see Signed. A user who has
	// one needs no password.
	SigningKey string
}

// caller is who the user is, by whichever scheme.
func (u *User) caller() (Caller, *UserError) {
	from, err := newNetworks(u.Networks)
	var wrong *WhereError
	if errors.As(err, &wrong) {
		return Caller{}, &UserError{Key: fmt.Sprintf("networks[%d]", wrong.Index), Expected: wrong.Expected}
	}
	return Caller{Name: u.Name, Roles: u.Roles, networks: from}, nil
}

// Basic is the scheme of RFC 7617: a user name and a password.
type Basic struct {
	users map[string]*basicUser
	// nobody stands in for an unknown user, so that one costs what a known one costs.
	nobody basicUser
}

type basicUser struct {
	caller   Caller
	password [sha256.Size]byte
	bindIP   bool
	stamp    stamp
}

// A UserError names the setting of the user that cannot be.
type UserError struct {
	Index    int    // of the user in the list, from 0
	Key      string // the setting, as the configuration spells it
	Expected string
}

func (e *UserError) Error() string {
	return fmt.Sprintf("users[%d].%s: expected %s", e.Index, e.Key, e.Expected)
}

// NewBasic checks the users, and returns nil when none of them has a password; the
// error is a *UserError.
func NewBasic(users []User) (*Basic, error) {
	b := &Basic{users: make(map[string]*basicUser, len(users))}
	for i, u := range users {
		fail := func(key, expected string) (*Basic, error) {
			return nil, &UserError{Index: i, Key: key, Expected: expected}
		}
		if u.Name == "" || strings.Contains(u.Name, ":") {
			return fail("username", "at least one character and no colon")
		}
		if b.users[u.Name] != nil {
			return fail("username", "a name no other user has")
		}
		if u.Password == "" && u.SigningKey != "" {
			continue // unknown here: this user only signs
		}
		if u.Encryption != Clear && u.Encryption != SHA256 {
			return fail("encryption", "clear or sha256")
		}
		password, err := u.digest()
		if err != nil {
			return fail("password", err.Error())
		}
		caller, wrong := u.caller()
		if wrong != nil {
			return fail(wrong.Key, wrong.Expected)
		}
		b.users[u.Name] = &basicUser{caller: caller, password: password, bindIP: u.BindIP, stamp: u.stamp()}
	}
	if len(b.users) == 0 {
		return nil, nil
	}
	return b, nil
}

// A stamp tells one configured password from the next: what was issued for the old
// one is no good any more. It leaves the process only encrypted.
type stamp [8]byte

func (u *User) stamp() (s stamp) {
	sum := sha256.Sum256([]byte(string(u.Encryption) + ":" + u.Password))
	copy(s[:], sum[:])
	return s
}

// digest is what a presented password is compared by: its SHA-256, whichever way
// it was configured.
func (u *User) digest() (digest [sha256.Size]byte, err error) {
	if u.Encryption == Clear {
		if u.Password == "" {
			return digest, errors.New("at least one character")
		}
		return sha256.Sum256([]byte(u.Password)), nil
	}
	raw, err := hex.DecodeString(u.Password)
	if err != nil || len(raw) != sha256.Size {
		return digest, errors.New("64 hexadecimal digits, the SHA-256 of the password")
	}
	return [sha256.Size]byte(raw), nil
}

func (b *Basic) authenticate(credentials []byte, k knock) (*Caller, error) {
	var buf [maxHeader]byte
	n, err := base64.StdEncoding.Strict().Decode(buf[:], credentials)
	if err != nil {
		return nil, Malformed
	}
	name, password, found := bytes.Cut(buf[:n], []byte(":"))
	if !found {
		return nil, Malformed
	}
	return b.find(name, password, k)
}

// find returns the user of that name, if that is the password.
func (b *Basic) find(name, password []byte, k knock) (*Caller, error) {
	user := b.users[string(name)]
	known := user != nil
	if !known {
		user = &b.nobody
	}
	given := sha256.Sum256(password)
	if subtle.ConstantTimeCompare(given[:], user.password[:]) != 1 || !known {
		return nil, k.wrong(name, Invalid)
	}
	return &user.caller, nil
}
