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
