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

	"golang.org/x/sync/singleflight"

	"fraudcheck/internal/auth/session"
)

// An Encryption is how a user's password stands in the configuration.
type Encryption string

// The encryptions.
const (
	Clear    Encryption = "clear"    // the password itself
	SHA256   Encryption = "sha256"   // 64 hexadecimal digits
	Bcrypt   Encryption = "bcrypt"   // $2a$, $2b$ or $2y$
	Argon2id Encryption = "argon2id" // a PHC string
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
//
// A failure costs the same whoever it is that is not believed: see [dearest].
type Basic struct {
	users map[string]*basicUser
	// nobody stands in for an unknown user, so that one costs what a known one costs.
	nobody  basicUser
	dearest dearest
	hashing *hashing
	flights singleflight.Group // verifications under way, by credential
	known   *known
}

// A basicUser is kept as a digest, or as a hash that is slow.
type basicUser struct {
	caller Caller
	digest [sha256.Size]byte
	slow   slowHash
	stored string // the hash as it is configured
	login  session.User
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

// NewBasic checks the users, and returns nil when there are some and none has a password; the
// error is a *UserError.
func NewBasic(users []User) (*Basic, error) {
	b := &Basic{
		users: make(map[string]*basicUser, len(users)), hashing: newHashing(), known: newKnown(),
	}
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
		caller, wrong := u.caller()
		if wrong != nil {
			return fail(wrong.Key, wrong.Expected)
		}
		user := &basicUser{caller: caller, login: session.User{Name: u.Name, Password: u.passwordVersion(), BindIP: u.BindIP}}
		var err error
		switch u.Encryption {
		case Clear, SHA256:
			user.digest, err = u.digest()
		case Bcrypt, Argon2id:
			user.stored = u.Password
			user.slow, err = newSlowHash(u.Encryption, u.Password)
		default:
			return fail("encryption", "clear, sha256, bcrypt or argon2id")
		}
		if err != nil {
			return fail("password", err.Error())
		}
		if user.slow != nil {
			b.dearest.include(user.slow)
		}
		b.users[u.Name] = user
	}
	if len(b.users) == 0 && len(users) > 0 {
		return nil, nil
	}
	return b, nil
}

// passwordVersion changes with the configured password or its encryption.
func (u *User) passwordVersion() (v session.PasswordVersion) {
	sum := sha256.Sum256([]byte(string(u.Encryption) + ":" + u.Password))
	copy(v[:], sum[:])
	return v
}

// inherit takes over what was verified of users whose password is what it was. The
// others are forgotten. It must be called before b is used.
func (b *Basic) inherit(old *Basic) {
	b.hashing = old.hashing
	b.known = old.known.carry(func(p *proof) *proof {
		was, user := old.users[p.caller.Name], b.users[p.caller.Name]
		if user == nil || user.stored != was.stored || user.digest != was.digest {
			return nil
		}
		return &proof{caller: &user.caller, until: p.until}
	})
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

// words finds the user by a name and a password that came without a header. A name
// with a colon would be another name in one; nobody has none.
func (b *Basic) words(name, password string, k knock) (*Caller, error) {
	if strings.Contains(name, ":") {
		name = ""
	}
	credentials := base64.StdEncoding.AppendEncode(nil, []byte(name+":"+password))
	if len(credentials) > maxHeader {
		return nil, k.wrong([]byte(name), Invalid)
	}
	return b.authenticate(credentials, k)
}

func (b *Basic) authenticate(credentials []byte, k knock) (*Caller, error) {
	id := b.known.id(credentials)
	p, standing := b.known.find(&id, k.now)
	if standing == good || standing == ageing && !p.renewing.CompareAndSwap(false, true) {
		return p.caller, nil
	}
	var buf [maxHeader]byte
	n, err := base64.StdEncoding.Strict().Decode(buf[:], credentials)
	if err != nil {
		return nil, Malformed
	}
	name, password, found := bytes.Cut(buf[:n], []byte(":"))
	if !found {
		return nil, Malformed
	}
	user := b.users[string(name)]
	exists := user != nil
	if !exists {
		user = &b.nobody
	}
	if standing == ageing {
		go b.renew(user, p, id, string(password), k)
		return p.caller, nil
	}
	if user.slow == nil {
		given := sha256.Sum256(password)
		if subtle.ConstantTimeCompare(given[:], user.digest[:]) == 1 && exists {
			b.known.add(id, &proof{caller: &user.caller})
			return &user.caller, nil
		}
		if b.dearest.nothing() {
			return nil, k.wrong(name, Invalid)
		}
	}
	return b.verify(user, id, string(name), string(password), standing, k)
}

// renew hashes the password again while its proof still holds.
func (b *Basic) renew(user *basicUser, p *proof, id knownID, password string, k knock) {
	defer p.renewing.Store(false)
	if b.hashing.try(user.slow, password, &b.dearest) {
		b.remember(id, user, k)
	}
}

// remember is for a password that was hashed.
func (b *Basic) remember(id knownID, user *basicUser, k knock) {
	b.known.add(id, &proof{caller: &user.caller, until: k.now.Add(rememberedFor)})
}

// verify hashes the password, once for all who present it at this moment, and then
// it is one guess.
func (b *Basic) verify(user *basicUser, id knownID, name, password string, standing standing, k knock) (*Caller, error) {
	defer b.hashing.waiting.Add(-1)
	if b.hashing.waiting.Add(1) > maxWaiting && standing == unknown {
		return nil, crowded
	}
	_, err, _ := b.flights.Do(string(id[:]), func() (any, error) {
		if _, now := b.known.find(&id, k.now); now > over {
			return nil, nil // somebody was quicker
		}
		var guess try
		if standing == unknown {
			var err error
			if guess, err = k.take([]byte(name)); err != nil {
				return nil, err
			}
			done, ok := b.hashing.queue()
			if !ok {
				k.giveBack(guess)
				return nil, crowded
			}
			defer done()
		}
		if !b.hashing.try(user.slow, password, &b.dearest) {
			return nil, Invalid
		}
		k.giveBack(guess)
		b.remember(id, user, k)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &user.caller, nil
}
