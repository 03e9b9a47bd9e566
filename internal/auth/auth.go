// Package auth finds the caller of a request: it turns a [Request] into a [Caller] with
// roles, or into a [Failure]. It knows no HTTP library; both ports use it.
//
// A [Guard] works under a [Policy], which is compiled whole from [Settings] and replaced
// at once by a reload. Each way to authenticate is a scheme: Basic, access tokens and
// sessions of our own, JSON Web Tokens, signed requests, proofs of other instances. The
// packages below do their work: password, session, jwt, httpsig and proof. The kind of credentials in a request decides
// which scheme judges it; no other scheme is tried.
//
// # Order
//
// Credentials are judged first, then the network that the caller calls from, then its
// role. So a caller learns that its network or role is wrong only if it is known.
//
// # Memory
//
// A Guard remembers which credentials it found good, so that a password is hashed once
// while its user stays as configured, and a token verified once; on a kept-alive
// connection they are then only compared. It slows guessing by client network and by user
// name: see throttle. A reload keeps both.
//
// # Refusals
//
// X-Forwarded-For is believed from a trusted proxy only. Two Authorization headers are
// refused. The answer to an unknown user is that to a wrong password, and takes as long.
package auth

import "time"

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

// RoleNamed returns the role of that name, compared exactly; false for other names.
func RoleNamed(name string) (Roles, bool) {
	for i, n := range RoleNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names returns the names of the roles in r, in the order of [RoleNames]. Anyone has
// none.
func (r Roles) Names() (names []string) {
	for i, n := range RoleNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// Permit reports whether a holder of r may do what needs one of the roles in need. An
// operator may do everything; everything that needs Anyone, any caller may.
func (r Roles) Permit(need Roles) bool { return need&Anyone != 0 || r&(need|Operator) != 0 }

// A Caller is a program or a person whose credentials were found valid.
type Caller struct {
	Name    string // of the user; of a JSON Web Token its subject, any text
	Roles   Roles
	Profile []byte // JSON object of claims of its token; nil where none are asked for

	peer     bool      // another instance of this service asks, for a caller of that name
	issuer   string    // of its token, any text; empty for a user of ours
	networks *networks // that it may call from, beside those for all
}

// IsPeer reports whether another instance of this service asks. Name is then that of the
// caller for whom it asks, and its Roles are none: it may read what is for peers.
func (c *Caller) IsPeer() bool { return c.peer }

// A Failure is why a request was not authenticated. Its values are the codes of the
// problems that are answered.
type Failure string

// The failures.
const (
	Missing   Failure = "authorization_missing"
	Malformed Failure = "authorization_malformed"
	Invalid   Failure = "credentials_invalid"
	// The token's signature is good, and it has expired.
	TokenExpired Failure = "token_expired"
	TokenInvalid Failure = "token_invalid" // any other flaw of a token
	// The credentials are good; the caller calls from outside the networks.
	NetworkRefused Failure = "network_refused"
	// A page of another origin asks for a change with credentials that a browser adds.
	OriginRefused Failure = "origin_refused"
	// The credentials are good; the caller has none of the roles in [Request.Needs].
	RoleMissing Failure = "role_missing"
	// Too many credentials from the client network or for the user were wrong. The error
	// is a [Later].
	TooManyFailures Failure = "too_many_failures"
	// Too many requests wait for their password to be verified. The error is a [Later].
	Overloaded Failure = "overloaded"
	// Only the store could tell, and it does not answer.
	Unavailable Failure = "store_unreachable"
)

// Error returns the detail of the answer. It never says more than the failure does: which
// part of the credentials is wrong stays here.
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
		return "too many credentials from this address, or for this user, were not valid; see Retry-After"
	case Overloaded:
		return "too many callers wait for their password to be verified for the first time; see Retry-After"
	case Unavailable:
		return "the store does not answer, and only it could tell; try again"
	default:
		return "the credentials are not valid"
	}
}

// A Later is a Failure that passes with time.
type Later struct {
	Failure
	After time.Duration // until the request may be tried again; more than 0
}

// Unwrap returns the Failure.
func (l *Later) Unwrap() error { return l.Failure }
