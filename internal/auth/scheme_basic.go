package auth

import (
	"bytes"
	"encoding/base64"
	"strings"
	"time"
)

// basicScheme is a user name and a password (RFC 7617). A failure costs the same
// whichever user is tried: see [password.Costliest].
//
// A request takes one of three ways. Credentials that were found good before pass at
// once: see [verified]. A fast hash (clear, sha256) is compared at once. A slow one waits
// its turn: see verifySlow.
type basicScheme struct{ accounts *accounts }

var basicKind = kind{
	name:      "basic",
	challenge: `Basic realm="fraudcheck", charset="UTF-8"`,
	results:   []Failure{Malformed, Invalid, TooManyFailures, Overloaded},
	compile: func(c *compiled) (scheme, error) {
		if c.policy.basic == nil {
			return nil, nil
		}
		return c.policy.basic, nil
	},
}

const (
	// maxHeader bounds a Basic header that is decoded, in bytes.
	maxHeader = 4096
	// maxWaiting is how many requests may wait for a slow hash, with any credentials: each
	// takes a place of those that may be in flight, and some KiB.
	maxWaiting = 1024
)

// errTooManyWaiting refuses a request while maxWaiting others wait for a slow hash.
var errTooManyWaiting = &Later{Failure: Overloaded, After: time.Second}

// owns is true for Basic of at most maxHeader bytes; a longer header is malformed.
func (s *basicScheme) owns(_ *Guard, r *Request) bool {
	return r.authorization.is("Basic") && r.authorization.length <= maxHeader
}

// verifyNamePassword finds the user by a name and a password that are not from a header,
// as those of a login are, as if they were.
func (s *basicScheme) verifyNamePassword(c call, name, secret string) (*Caller, error) {
	if strings.Contains(name, ":") {
		name = "" // otherwise it would be read as another name; no user has an empty one
	}
	credentials := base64.StdEncoding.AppendEncode(nil, []byte(name+":"+secret))
	if len(credentials) > maxHeader {
		return nil, c.chargeFailure(c.Request, []byte(name), Invalid)
	}
	return s.verify(c, credentials)
}

// unknownUser stands in for a user that is not there, so that one costs what a known
// one costs.
var unknownUser account

// authenticate implements scheme.
func (s *basicScheme) authenticate(c call) (*Caller, error) {
	return s.verify(c, c.authorization.value)
}

// verify finds the user by name and password with a colon between, in base64 (RFC 7617
// section 2). Credentials that are no such text are Malformed and charged to nobody.
func (s *basicScheme) verify(c call, credentials []byte) (*Caller, error) {
	if v := c.Last.find(c.verified, credentials, c.At); v != nil {
		return v.caller, nil
	}
	id := c.verified.id(credentials)
	v, age := c.verified.find(&id, c.At)
	if age == fresh {
		c.Last.keep(c.verified, credentials, v)
		return v.caller, nil
	}
	var buf [maxHeader]byte
	n, err := base64.StdEncoding.Strict().Decode(buf[:], credentials)
	if err != nil {
		return nil, flawBase64
	}
	name, secret, found := bytes.Cut(buf[:n], []byte(":"))
	if !found {
		return nil, flawNoColon
	}
	user := s.accounts.passwords[string(name)]
	if user == nil {
		user = &unknownUser
	}
	if !user.hash.IsSlow() {
		if user.hash.MatchesFast(secret) {
			c.verified.addPassword(id, user)
			return &user.caller, nil
		}
		if s.accounts.costliest.IsZero() {
			return nil, c.chargeFailure(c.Request, name, Invalid)
		}
	}
	return s.verifySlow(c, user, id, string(name), string(secret), age)
}

// verifySlow hashes the password, once for all requests that show it at this moment,
// and then it is one guess. Credentials that were never found good are charged to the
// throttle before they are hashed, and wait in the hasher's queue.
func (s *basicScheme) verifySlow(c call, user *account, id credentialID, name, secret string, age age) (*Caller, error) {
	began := time.Now()
	defer func() { c.Turn.Excuse(time.Since(began)) }()
	defer c.verified.waiting.Add(-1)
	if c.verified.waiting.Add(1) > maxWaiting && age == unknown {
		return nil, errTooManyWaiting
	}
	_, err, _ := c.verified.underWay.Do(string(id[:]), func() (any, error) {
		if _, now := c.verified.find(&id, c.At); now > expired {
			return nil, nil // another request was quicker
		}
		var guess charge
		if age == unknown {
			var err error
			if guess, err = c.charge(c.Request, []byte(name)); err != nil {
				return nil, err
			}
			done, ok := c.hasher.Queue()
			if !ok {
				c.throttle.refund(guess)
				return nil, errTooManyWaiting
			}
			defer done()
		}
		if !c.hasher.Verify(&user.hash, secret, &s.accounts.costliest) {
			c.verified.forgetPassword(id) // what was good once is a guess from now on
			return nil, Invalid
		}
		c.throttle.refund(guess)
		c.verified.addPassword(id, user)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &user.caller, nil
}

// confirm implements rememberer: it takes what was verified of a user whose password is
// what it was. Where it is another hash, it may be of the same password: then what was
// good has expired, so that it is verified once more and is no guess.
func (s *basicScheme) confirm(v *verification) *verification {
	user := s.accounts.passwords[v.caller.Name]
	if user == nil {
		return nil
	}
	if !user.hash.Same(v.hash) {
		return &verification{caller: &user.caller, again: true, hash: &user.hash}
	}
	return &verification{caller: &user.caller, hash: &user.hash}
}

// recheck implements scheme. Credentials that are not known any more are not hashed again,
// but for a user whose hash, perhaps of the same password, is another one now.
func (s *basicScheme) recheck(c call) (*Caller, error) {
	user := s.accounts.passwords[c.caller]
	if user == nil {
		return nil, Invalid
	}
	id := c.verified.id(c.authorization.value)
	switch _, age := c.verified.find(&id, c.At); {
	case age == fresh:
		return &user.caller, nil
	case age == unknown && user.hash.IsSlow():
		return nil, Invalid
	}
	credentials, err := base64.StdEncoding.Strict().DecodeString(string(c.authorization.value))
	_, secret, found := bytes.Cut(credentials, []byte(":"))
	if err != nil || !found {
		return nil, Invalid
	}
	if user.hash.IsSlow() {
		return s.verifySlow(c, user, id, c.caller, string(secret), expired)
	}
	if !user.hash.MatchesFast(secret) {
		return nil, Invalid
	}
	return &user.caller, nil
}
