package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
)

// A User is one entry of the configuration.
type User struct {
	Name       string // at least one character, no colon (RFC 7617)
	Password   string
	Encryption password.Encryption
	Roles      Roles
	// Networks are addresses and networks that the user may call from; "!" before one
	// excludes it. The most specific decides; none at all: from anywhere.
	Networks []string
	// BindIP makes what a login issues good only from the [session.ClientNetwork] that
	// logged in.
	BindIP bool
	Note   string // for the list of users
	// SigningKey is base64 of at least 32 bytes, or empty: the user signs requests, and
	// needs no password.
	SigningKey string
}

// accounts are the users of a policy.
type accounts struct {
	passwords map[string]*account // those with a password
	costliest password.Costliest  // of their hashes
	signers   map[string]*Caller  // those with a signing key
	keys      map[string]*httpsig.Key
}

// An account is a user with a password.
type account struct {
	caller Caller
	hash   password.Hash
	login  session.User
}

// newAccounts checks and compiles the users; the error is a *SettingError with the list
// "users".
func newAccounts(users []User) (*accounts, error) {
	a := &accounts{passwords: make(map[string]*account), signers: make(map[string]*Caller), keys: make(map[string]*httpsig.Key)}
	names := make(map[string]bool, len(users))
	for i := range users {
		wrong := &SettingError{List: "users", Index: i}
		if names[users[i].Name] {
			wrong.Key, wrong.Expected = "username", "a name no other user has"
			return nil, wrong
		}
		names[users[i].Name] = true
		if wrong.Key, wrong.Expected = a.add(&users[i]); wrong.Key != "" {
			return nil, wrong
		}
	}
	return a, nil
}

// add compiles a user; where a setting is wrong it returns its key and what is expected.
func (a *accounts) add(u *User) (key, expected string) {
	if u.Name == "" || strings.Contains(u.Name, ":") {
		return "username", "at least one character and no colon"
	}
	networks, err := newNetworks(u.Networks)
	var wrong *SettingError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("networks[%d]", wrong.Index), wrong.Expected
	}
	caller := Caller{Name: u.Name, Roles: u.Roles, networks: networks}
	if u.Password != "" || u.SigningKey == "" {
		hash, err := password.Parse(u.Encryption, u.Password)
		switch {
		case err == password.ErrEncryption:
			return "encryption", err.Error()
		case err != nil:
			return "password", err.Error()
		}
		a.costliest.Include(&hash)
		a.passwords[u.Name] = &account{caller, hash, session.User{Name: u.Name, Password: u.passwordVersion(), BindIP: u.BindIP}}
	}
	if u.SigningKey == "" {
		return "", ""
	}
	secret, err := decodeKey(u.SigningKey)
	if err != nil || len(secret) < httpsig.MinKey { // the error quotes the key
		return "signing_key", fmt.Sprintf("base64 of at least %d bytes", httpsig.MinKey)
	}
	if a.keys[u.Name], err = httpsig.NewKey(u.Name, secret); err != nil {
		return "username", "printable ASCII characters, where there is a signing_key"
	}
	a.signers[u.Name] = &caller
	return "", ""
}

// passwordVersion changes with the configured password or its encryption, so that a
// changed password ends the user's logins.
func (u *User) passwordVersion() (v session.PasswordVersion) {
	sum := sha256.Sum256([]byte(string(u.Encryption) + ":" + u.Password))
	copy(v[:], sum[:])
	return v
}

// decodeKey decodes base64 with all of its padding or none, and nothing in between.
func decodeKey(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // encoding/base64 skips them even where it is strict
		return nil, errors.New("a line end")
	}
	if strings.HasSuffix(text, "=") {
		return base64.StdEncoding.Strict().DecodeString(text)
	}
	return base64.RawStdEncoding.Strict().DecodeString(text)
}
