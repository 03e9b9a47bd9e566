// Package auth says who is asking: it turns an Authorization header into a
// [Caller] with roles, or into a [Failure]. It knows no HTTP library; both doors
// use it.
//
// A further scheme is one file here and one line in [Guard.Authenticate].
//
// What it refuses on purpose: a header given twice, trying one scheme after
// another, and telling an unknown user from a wrong password.
package auth

import "bytes"

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
)

func (f Failure) Error() string {
	switch f {
	case Missing:
		return "the Authorization header is missing"
	case Malformed:
		return "the Authorization header is not one of a known scheme with well-formed credentials"
	default:
		return "the credentials are not valid"
	}
}

// maxHeader bounds what is decoded of a stranger's header, in bytes.
const maxHeader = 4096

// A Guard knows the configured schemes. It may be used from many goroutines at once.
type Guard struct {
	basic *Basic
}

// NewGuard makes a guard.
func NewGuard(basic *Basic) *Guard { return &Guard{basic: basic} }

// Challenge is the value of the WWW-Authenticate header of a 401.
func (g *Guard) Challenge() string { return `Basic realm="fraudcheck", charset="UTF-8"` }

// Authenticate finds the caller by the value of the Authorization header, empty
// when there is none; it keeps nothing of it. The error is a Failure.
func (g *Guard) Authenticate(header []byte) (*Caller, error) {
	if len(header) == 0 {
		return nil, Missing
	}
	scheme, credentials, found := bytes.Cut(header, []byte(" "))
	if !found || len(header) > maxHeader {
		return nil, Malformed
	}
	switch {
	case len(scheme) == len("Basic") && bytes.EqualFold(scheme, []byte("Basic")):
		return g.basic.authenticate(credentials)
	}
	return nil, Malformed
}
