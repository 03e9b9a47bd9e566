// Package auth says who is asking: it turns a [Request] into a [Caller] with
// roles, or into a [Failure]. It knows no HTTP library; both doors use it.
//
// A further scheme is one file here and one line where they are chosen.
//
// Who logs in with a password gets tokens and a session of our own: see package session.
//
// It slows guessing, and it knows where a caller asks from: credentials come
// first, then the network, then the role.
//
// What it refuses on purpose: X-Forwarded-For of anybody but a trusted proxy, a
// header given twice, trying one scheme after another, and telling an unknown user
// from a wrong password.
package auth

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth/session"
)

// Roles is a set of roles.
type Roles uint8

// What a caller may do.
const (
	Checker  Roles = 1 << iota // check attempts, report outcomes
	Analyst                    // read and forget addresses and subjects
	Operator                   // everything
	// Anyone is no role: it is needed where it is enough to be known.
	Anyone Roles = 1 << 7
)

// RoleNames are the roles' names in the configuration, in the order of their bits.
var RoleNames = [...]string{"checker", "analyst", "operator"}

// RoleNamed returns the role of that name.
func RoleNamed(name string) (Roles, bool) {
	for i, n := range RoleNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names are the names of the roles in r, in the order of [RoleNames].
func (r Roles) Names() (names []string) {
	for i, n := range RoleNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// Permit reports whether a holder of r may do what needs one of the roles in need.
func (r Roles) Permit(need Roles) bool { return need&Anyone != 0 || r&(need|Operator) != 0 }

// A Caller is somebody whose credentials were found valid.
type Caller struct {
	Name  string
	Roles Roles

	networks *networks // where this one may come from
}

// A Failure is why nobody could be authenticated. Its values are the contract's
// error codes.
type Failure string

// The failures.
const (
	Missing   Failure = "authorization_missing"
	Malformed Failure = "authorization_malformed"
	Invalid   Failure = "credentials_invalid"
	// The token's signature is good and its time is over.
	TokenExpired Failure = "token_expired"
	TokenInvalid Failure = "token_invalid" // any other flaw of a token
	// The credentials are good; who has them asks from outside the networks.
	NetworkRefused Failure = "network_refused"
	// A page of another origin asks for a change with what a browser sends by itself.
	OriginRefused Failure = "origin_refused"
	// The credentials are good; who has them lacks what [Request.Needs] asks for.
	RoleMissing Failure = "role_missing"
	// Too many were wrong, from there or in that name, or wait to be verified. Its
	// error is a [Later].
	TooManyFailures Failure = "too_many_failures"
	// The store would have to say, and does not answer.
	Unavailable Failure = "overloaded"
)

func (f Failure) Error() string {
	switch f {
	case Missing:
		return "the Authorization header is missing"
	case Malformed:
		return "the Authorization header is not one of a known scheme with well-formed credentials"
	case TokenExpired:
		return "the token has expired"
	case TokenInvalid:
		return "the token is not valid"
	case NetworkRefused:
		return "the caller may not ask from this network"
	case OriginRefused:
		return "a session changes nothing unless the request says, in Sec-Fetch-Site or Origin, that it comes from a page of this origin"
	case RoleMissing:
		return "the caller lacks the role that this path needs"
	case TooManyFailures:
		return "too many credentials from this address, or for this user, were not valid, or too many wait to be verified; see Retry-After"
	case Unavailable:
		return "the store does not answer, and only it could tell; try again"
	default:
		return "the credentials are not valid"
	}
}

// A Later is a failure that passes by itself.
type Later struct {
	Failure
	After time.Duration // until asking again may help; more than 0
}

// Unwrap returns the Failure.
func (l *Later) Unwrap() error { return l.Failure }

// maxHeader bounds what is decoded of a stranger's Basic header, in bytes.
const maxHeader = 4096

// A Guard knows the configured schemes. It may be used from many goroutines at once.
type Guard struct {
	// Observe is told how every authentication ended: the scheme's name, "none"
	// where no known one was tried, and "ok" or the Failure; "ok_local" where the
	// store did not answer. So it is told of "login", "refresh", which may end as
	// "reused" too, and "logout". May be nil.
	Observe func(scheme, result string)
	// Logins issue tokens and sessions, as WithTokens says. May be nil: none.
	Logins *session.Logins
	// SharedNonces remembers those of signed requests for all instances. Where it is
	// nil or does not answer, each nonce is good once per instance.
	SharedNonces session.Store
	// Now is the time of a request that does not say it: time.Now, unless it is
	// changed before the first use.
	Now func() time.Time

	nonces  *NonceMemory
	schemes atomic.Pointer[schemes]
	tries   *tries
}

// schemes are those configured; one that is not is nil.
type schemes struct {
	basic     *Basic
	jwt       *JWT
	signed    *Signed
	tokens    session.Settings
	logins    *session.Policy
	challenge string
	where     *Where // nil: from anywhere, and without proxies
}

// NewGuard makes a guard; a scheme that is not configured is nil.
func NewGuard(basic *Basic, jwt *JWT) *Guard {
	g := &Guard{Now: time.Now, nonces: NewNonceMemory(maxNonces), tries: newTries()}
	g.set(schemes{basic: basic, jwt: jwt})
	return g
}

// WithTokens makes g let Basic's users log in, where there are Logins, and returns
// it; it is called before g is used.
func (g *Guard) WithTokens(t session.Settings) *Guard {
	s := *g.schemes.Load()
	s.tokens = t
	g.set(s)
	return g
}

// WithSigned makes g take signed requests too, before it is used, and returns it;
// signed may be nil.
func (g *Guard) WithSigned(signed *Signed) *Guard {
	s := *g.schemes.Load()
	s.signed = signed
	g.set(s)
	return g
}

// Within makes g let callers in from where only, from the next call on, and
// returns it.
func (g *Guard) Within(where *Where) *Guard {
	s := *g.schemes.Load()
	s.where = where
	g.set(s)
	return g
}

func (g *Guard) set(s schemes) {
	var challenges []string
	if s.basic != nil {
		s.logins = &session.Policy{Settings: s.tokens, Users: make(map[string]*session.User)}
		for name, user := range s.basic.users {
			s.logins.Users[name] = &user.login
		}
	}
	if s.basic != nil {
		challenges = append(challenges, `Basic realm="fraudcheck", charset="UTF-8"`)
	}
	if s.jwt != nil || s.basic != nil && s.tokens.TTL > 0 {
		challenges = append(challenges, `Bearer realm="fraudcheck"`)
	}
	if s.signed != nil && challenges == nil {
		// Signatures have no challenge of their own, and a 401 needs one all the same
		// (RFC 9110 section 11.6.1). Beside another scheme they need not be named.
		challenges = []string{`Signature realm="fraudcheck"`}
	}
	s.challenge = strings.Join(challenges, ", ")
	g.schemes.Store(&s)
}

// Replace makes g go by what other knows, from the next call on; other must not be
// in use. What was verified before stays known as far as other would find the same,
// and what failed stays counted.
func (g *Guard) Replace(other *Guard) {
	old, next := g.schemes.Load(), other.schemes.Load()
	if old.basic != nil && next.basic != nil {
		next.basic.inherit(old.basic)
	}
	if old.jwt != nil && next.jwt != nil {
		next.jwt.inherit(old.jwt)
	}
	g.schemes.Store(next)
}

// Challenge is the value of the WWW-Authenticate header of a 401: the configured
// schemes.
func (g *Guard) Challenge() string { return g.schemes.Load().challenge }

// Authenticate finds the caller. Of several Authorization headers none is believed:
// which would be meant? A session counts only where there is none. The error is a
// Failure or wraps one.
func (g *Guard) Authenticate(r *Request) (*Caller, error) {
	k, s := g.knock(r), g.schemes.Load()
	var caller *Caller
	scheme, err := "none", error(Malformed)
	if s.signed != nil && s.signed.concerns(r) {
		scheme = "signature"
		caller, err = s.signed.authenticate(r, k, usedNonces{g.nonces, g.SharedNonces})
	} else {
		switch headers := r.Header.Values("Authorization"); len(headers) {
		case 0:
			caller, scheme, err = g.bySession(r, s, k)
		case 1:
			caller, scheme, err = g.authenticate(r, s, headers[0], k)
		}
	}
	if scheme != "none" {
		r.scheme = scheme
	}
	if err == nil {
		r.caller = caller.Name
		err = s.admit(caller, r)
	}
	g.observe(scheme, err, r.Grant.Local)
	if err != nil {
		return nil, err
	}
	return caller, nil
}

func (g *Guard) observe(scheme string, err error, local bool) {
	if g.Observe != nil {
		g.Observe(scheme, resultOf(err, local))
	}
}

func resultOf(err error, local bool) string {
	switch {
	case err == nil && local:
		return "ok_local"
	case err == nil:
		return "ok"
	}
	var failure Failure
	errors.As(err, &failure)
	return string(failure)
}

// admit judges a caller who is known: where from, and what for.
func (s *schemes) admit(c *Caller, r *Request) error {
	switch {
	case s.outside(c, r):
		r.Grant = Grant{}
		return NetworkRefused
	case r.Needs != 0 && !c.Roles.Permit(r.Needs):
		return RoleMissing
	}
	return nil
}

// outside reports whether the caller asks from where it may not.
func (s *schemes) outside(c *Caller, r *Request) bool {
	return s.where != nil && !s.where.networks.hold(r.from) || !c.networks.hold(r.from)
}

func (g *Guard) authenticate(r *Request, s *schemes, header []byte, k knock) (c *Caller, scheme string, err error) {
	if len(header) == 0 {
		return nil, "none", Missing
	}
	name, credentials, found := bytes.Cut(header, []byte(" "))
	credentials = bytes.TrimLeft(credentials, " ")
	switch {
	case !found:
	case s.basic != nil && named(name, "Basic") && len(header) <= maxHeader:
		c, err = s.basic.authenticate(credentials, k)
		return c, "basic", err
	case bytes.HasPrefix(credentials, []byte(session.Prefix)) && named(name, "Bearer") && g.issues(s):
		c, err = g.byToken(r, s, credentials)
		return c, "token", k.token(err)
	case s.jwt != nil && named(name, "Bearer"):
		c, err = s.jwt.authenticate(credentials, k)
		return c, "bearer", err
	}
	return nil, "none", Malformed
}

// issues reports whether there are tokens and sessions of our own.
func (g *Guard) issues(s *schemes) bool {
	if g.Logins == nil || s.basic == nil || s.tokens.TTL == 0 {
		return false
	}
	return true
}

// named compares in any letter case. The length rules out the look-alikes beyond
// ASCII, which EqualFold takes too.
func named(scheme []byte, name string) bool {
	return len(scheme) == len(name) && bytes.EqualFold(scheme, []byte(name))
}
