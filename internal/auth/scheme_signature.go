package auth

import (
	"encoding/base64"
	"errors"
	"time"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/turns"
)

// signatureScheme is a signed request (RFC 9421), by the users' signing keys. The key's
// id is the user's name. The answer to such a request is signed with the same key.
type signatureScheme struct {
	*httpsig.Verifier
	accounts *accounts
}

var signatureKind = kind{
	name: "signature",
	// Signatures have no challenge of their own, and a 401 needs one (RFC 9110 section
	// 11.6.1).
	challenge: `Signature realm="fraudcheck"`, fallback: true,
	results: []Failure{Malformed, Invalid, TokenExpired, TokenInvalid, TooManyFailures},
	compile: func(c *compiled) (scheme, error) {
		if len(c.accounts.keys) == 0 {
			return nil, nil
		}
		return &signatureScheme{httpsig.NewVerifier(c.accounts.keys), c.accounts}, nil
	},
}

// A Flaw is a Failure that says what was expected of a signature. It never says
// what was given.
type Flaw struct {
	Failure
	Expected string
}

// Error says what was expected of the signature.
func (f *Flaw) Error() string { return "expected " + f.Expected }

// Unwrap returns the Failure.
func (f *Flaw) Unwrap() error { return f.Failure }

var flawTwo = &Flaw{Malformed, "a signature or an Authorization header, not both"}

// owns is true for a request with any part of a signature: half a signature is refused,
// not passed over.
func (s *signatureScheme) owns(_ *Guard, r *Request) bool { return httpsig.IsSigned(r.Header) }

// authenticate implements scheme.
func (s *signatureScheme) authenticate(c call) (*Caller, error) {
	if c.authorization.headers > 0 {
		return nil, flawTwo
	}
	r := httpsig.Request{
		Header: c.Header, Method: c.Method, Target: c.Target, Host: c.Host, Body: c.Body, Unread: c.TooLarge, TLS: c.TLS,
		Turn: c.Turn,
	}
	keyID, answer, err := s.Verify(&r, c.At, c.Guard)
	if err != nil {
		return nil, c.signatureFailure(keyID, err)
	}
	c.answer = answer
	return s.accounts.signers[keyID], nil
}

// signatureFailure returns the failure that an error of httpsig means. Only a signature
// by an unknown or wrong key is a guess, and charged.
func (c call) signatureFailure(keyID string, err error) error {
	var wrong *httpsig.Error
	if !errors.As(err, &wrong) {
		return err
	}
	switch wrong.Reason {
	case httpsig.Forged:
		return c.chargeFailure(c.Request, []byte(keyID), Invalid)
	case httpsig.Expired:
		return &Flaw{TokenExpired, wrong.Expected}
	case httpsig.Refused:
		return &Flaw{TokenInvalid, wrong.Expected}
	}
	return &Flaw{Malformed, wrong.Expected}
}

// nonceKept is how long instances tell each other of a nonce: twice the two minutes for
// which a signature may be good, since their clocks may differ, and a request that is too
// old for one is not for another.
const nonceKept = 4 * time.Minute

// Once implements [httpsig.Nonces]: a nonce is good once here and, as far as SharedNonces
// answers, on all instances. It asks this instance first, which costs no round trip.
func (g *Guard) Once(n httpsig.NonceID, now, until time.Time, turn *turns.Turn) (first bool) {
	if !g.nonces.Once(n, now, until) {
		return false
	}
	if g.SharedNonces == nil {
		return true
	}
	key := "fraudcheck-nonce:" + base64.RawURLEncoding.EncodeToString(n[:])
	err := g.SharedNonces.Put(key, nil, 0, now, now.Add(nonceKept), turn)
	return err != session.ErrConflict
}

// Signed reports whether Authenticate found the caller by a signature: then the
// answer is to be signed as well.
func (r *Request) Signed() bool { return r.answer.Signs() }

// SignAnswer returns the fields that sign an answer with that status and body to a
// request that was Signed, with the caller's own key.
func (r *Request) SignAnswer(status int, body []byte) (contentDigest, signatureInput, signature string) {
	return r.answer.Sign(status, body)
}

// recheck implements scheme: the user must still have the key.
func (s *signatureScheme) recheck(c call) (*Caller, error) {
	if key := s.accounts.keys[c.caller]; key == nil || !c.answer.IsOf(key) {
		return nil, Invalid
	}
	return s.accounts.signers[c.caller], nil
}
