package auth

import (
	"bytes"

	"fraudcheck/internal/auth/session"
)

// tokenScheme is an access token that a login issued, as a Bearer token (RFC 6750). While
// the store does not answer it is still good for its signature.
type tokenScheme struct{ accounts *accounts }

var tokenKind = kind{
	name:      "token",
	challenge: bearerChallenge,
	results:   []Failure{Malformed, okLocal, TokenExpired, TokenInvalid, TooManyFailures},
	compile: func(c *compiled) (scheme, error) {
		if c.policy.logins == nil {
			return nil, nil
		}
		return &tokenScheme{c.accounts}, nil
	},
}

// owns is true for a Bearer token with the prefix of our own.
func (s *tokenScheme) owns(g *Guard, r *Request) bool {
	return g.Logins != nil && r.authorization.is("Bearer") && bytes.HasPrefix(r.authorization.value, []byte(session.Prefix))
}

// authenticate implements scheme.
func (s *tokenScheme) authenticate(c call) (*Caller, error) {
	if err := flawOfToken(c.authorization.value); err != nil {
		return nil, err
	}
	shown, err := c.Logins.Access(c.policy.logins, c.authorization.value, c.from, c.At, c.Turn)
	c.login = shown.Login
	if err != nil {
		return nil, c.tokenFailure(c.Request, failureOf(err))
	}
	c.Grant = Grant{Expires: shown.Expires, Fresh: shown.Fresh, Local: shown.Local}
	return &s.accounts.passwords[shown.User.Name].caller, nil
}

// recheck implements scheme.
func (s *tokenScheme) recheck(c call) (*Caller, error) {
	shown, err := c.Logins.PeekAccess(c.policy.logins, c.authorization.value, c.from, c.At, c.Turn)
	if err != nil {
		return nil, failureOf(err)
	}
	return &s.accounts.passwords[shown.User.Name].caller, nil
}
