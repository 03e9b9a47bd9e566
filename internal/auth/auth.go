// Package auth says who is asking: it turns a [Request] into a [Caller] with
// roles, or into a [Failure]. It knows no HTTP library; both doors use it.
//
// A further scheme is one file here and one line where they are chosen.
//
// What it refuses on purpose: a header given twice, trying one scheme after
// another, and telling an unknown user from a wrong password.
package auth

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
)

// Roles is a set of roles.
type Roles uint8

// What a caller may do.
const (
	Checker  Roles = 1 << iota // check attempts, report outcomes
	Analyst                    // read and forget addresses and subjects
	Operator                   // everything
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

// Permit reports whether a holder of r may do what needs one of the roles in need.
func (r Roles) Permit(need Roles) bool { return r&(need|Operator) != 0 }

// A Caller is somebody whose credentials were found valid.
type Caller struct {
	Name  string
	Roles Roles
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
	default:
		return "the credentials are not valid"
	}
}

// A Request is what the guard looks at of a request. It keeps nothing of it.
type Request struct {
	Header Header
	Method []byte
	Target []byte // of the request line, as sent
	Host   []byte // and of the header
	TLS    bool
	Body   []byte // as sent
	// TooLarge: the body was not read. Who is known all the same may be told so, and
	// nothing else may be done.
	TooLarge bool

	proof proof // of a signed request, once its caller is found
}

// A Header has the fields of a request's header.
type Header interface {
	// Values are the field's values, in the order they were sent; name is spelled
	// as in Content-Type. They are good until the next call.
	Values(name string) [][]byte
}

// maxHeader bounds what is decoded of a stranger's Basic header, in bytes.
const maxHeader = 4096

// A Guard knows the configured schemes. It may be used from many goroutines at once.
type Guard struct {
	// Observe is told how every authentication ended: the scheme's name, "none"
	// where no known one was tried, and "ok" or the Failure. May be nil.
	Observe func(scheme, result string)
	// SharedNonces remember those of signed requests for all instances. Where it is
	// nil or does not know, each nonce is good once per instance.
	SharedNonces Nonces

	nonces  *NonceMemory
	schemes atomic.Pointer[schemes]
}

// schemes are those configured; one that is not is nil.
type schemes struct {
	basic     *Basic
	jwt       *JWT
	signed    *Signed
	challenge string
}

// NewGuard makes a guard; a scheme that is not configured is nil.
func NewGuard(basic *Basic, jwt *JWT) *Guard {
	var challenges []string
	if basic != nil {
		challenges = append(challenges, `Basic realm="fraudcheck", charset="UTF-8"`)
	}
	if jwt != nil {
		challenges = append(challenges, `Bearer realm="fraudcheck"`)
	}
	g := &Guard{nonces: NewNonceMemory(maxNonces)}
	g.schemes.Store(&schemes{basic: basic, jwt: jwt, challenge: strings.Join(challenges, ", ")})
	return g
}

// WithSigned makes g take signed requests too, before it is used; signed may be nil.
func (g *Guard) WithSigned(signed *Signed) *Guard {
	if signed == nil {
		return g
	}
	s := *g.schemes.Load()
	if s.signed = signed; s.challenge == "" {
		// Signatures have no challenge of their own, and a 401 needs one all the same
		// (RFC 9110 section 11.6.1). Beside another scheme they need not be named.
		s.challenge = `Signature realm="fraudcheck"`
	}
	g.schemes.Store(&s)
	return g
}

// Replace makes g go by what other knows, from the next call on.
func (g *Guard) Replace(other *Guard) { g.schemes.Store(other.schemes.Load()) }

// Challenge is the value of the WWW-Authenticate header of a 401: the configured
// schemes.
func (g *Guard) Challenge() string { return g.schemes.Load().challenge }

// Authenticate finds the caller. Of several Authorization headers none is believed:
// which would be meant? The error is a Failure, or wraps one.
func (g *Guard) Authenticate(r *Request) (*Caller, error) {
	caller, scheme, err := g.find(r)
	if g.Observe != nil {
		result := "ok"
		var failure Failure
		if err != nil && errors.As(err, &failure) {
			result = string(failure)
		}
		g.Observe(scheme, result)
	}
	return caller, err
}

// find chooses by what the request brings: a signature, or one Authorization header.
func (g *Guard) find(r *Request) (c *Caller, scheme string, err error) {
	if s := g.schemes.Load().signed; s.concerns(r) {
		used := []Nonces{g.nonces, g.SharedNonces}
		if g.SharedNonces == nil {
			used = used[:1]
		}
		c, err = s.authenticate(r, used...)
		return c, "signature", err
	}
	switch headers := r.Header.Values("Authorization"); len(headers) {
	case 0:
		return nil, "none", Missing
	case 1:
		return g.authenticate(headers[0])
	}
	return nil, "none", Malformed
}

func (g *Guard) authenticate(header []byte) (c *Caller, scheme string, err error) {
	if len(header) == 0 {
		return nil, "none", Missing
	}
	s := g.schemes.Load()
	name, credentials, found := bytes.Cut(header, []byte(" "))
	credentials = bytes.TrimLeft(credentials, " ")
	switch {
	case !found:
	case s.basic != nil && named(name, "Basic") && len(header) <= maxHeader:
		c, err = s.basic.authenticate(credentials)
		return c, "basic", err
	case s.jwt != nil && named(name, "Bearer"):
		c, err = s.jwt.authenticate(credentials)
		return c, "bearer", err
	}
	return nil, "none", Malformed
}

// named compares in any letter case. The length rules out the look-alikes beyond
// ASCII, which EqualFold takes too.
func named(scheme []byte, name string) bool {
	return len(scheme) == len(name) && bytes.EqualFold(scheme, []byte(name))
}
