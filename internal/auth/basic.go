package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
)

// A User is one entry of the configuration.
type User struct {
	Name       string // at least one character, no colon (RFC 7617)
	Password   string
	Encryption password.Encryption
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
// A failure costs the same whichever user is tried: see [password.Costliest].
type Basic struct {
	users map[string]*basicUser
	// nobody stands in for an unknown user, so that one costs what a known one costs.
	nobody    basicUser
	costliest password.Costliest
	hasher    *password.Hasher
	waiting   atomic.Int32       // requests for a verification
	flights   singleflight.Group // verifications under way, by credential
	known     *known
}

type basicUser struct {
	caller Caller
	hash   password.Hash
	login  session.User
}

// maxWaiting is how many requests may wait for a slow hash: many may wait for one
// credential.
const maxWaiting = 1024

// crowded refuses a request while too many wait.
var crowded = &Later{Failure: TooManyFailures, After: time.Second}

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
		users: make(map[string]*basicUser, len(users)), hasher: password.NewHasher(), known: newKnown(),
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
		switch user.hash, err = password.Parse(u.Encryption, u.Password); err {
		case nil:
			b.costliest.Include(&user.hash)
		case password.ErrEncryption:
			return fail("encryption", err.Error())
		default:
			return fail("password", err.Error())
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
	b.hasher = old.hasher
	b.known = old.known.carry(func(p *proof) *proof {
		was, user := old.users[p.caller.Name], b.users[p.caller.Name]
		if user == nil || !user.hash.Same(&was.hash) {
			return nil
		}
		return &proof{caller: &user.caller, until: p.until}
	})
}

// words finds the user by a name and a password that came without a header. A name
// with a colon would be another name in one; nobody has none.
func (b *Basic) words(name, secret string, k knock) (*Caller, error) {
	if strings.Contains(name, ":") {
		name = ""
	}
	credentials := base64.StdEncoding.AppendEncode(nil, []byte(name+":"+secret))
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
	name, secret, found := bytes.Cut(buf[:n], []byte(":"))
	if !found {
		return nil, Malformed
	}
	user := b.users[string(name)]
	if user == nil {
		user = &b.nobody
	}
	if standing == ageing {
		go b.renew(user, p, id, string(secret), k)
		return p.caller, nil
	}
	if !user.hash.IsSlow() {
		if user.hash.MatchesFast(secret) {
			b.known.add(id, &proof{caller: &user.caller})
			return &user.caller, nil
		}
		if b.costliest.IsZero() {
			return nil, k.wrong(name, Invalid)
		}
	}
	return b.verify(user, id, string(name), string(secret), standing, k)
}

// renew hashes the password again while its proof still holds.
func (b *Basic) renew(user *basicUser, p *proof, id knownID, secret string, k knock) {
	defer p.renewing.Store(false)
	if b.hasher.Verify(&user.hash, secret, &b.costliest) {
		b.remember(id, user, k)
	}
}

// remember is for a password that was hashed.
func (b *Basic) remember(id knownID, user *basicUser, k knock) {
	b.known.add(id, &proof{caller: &user.caller, until: k.now.Add(rememberedFor)})
}

// verify hashes the password, once for all who present it at this moment, and then
// it is one guess.
func (b *Basic) verify(user *basicUser, id knownID, name, secret string, standing standing, k knock) (*Caller, error) {
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > maxWaiting && standing == unknown {
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
			done, ok := b.hasher.Queue()
			if !ok {
				k.giveBack(guess)
				return nil, crowded
			}
			defer done()
		}
		if !b.hasher.Verify(&user.hash, secret, &b.costliest) {
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
