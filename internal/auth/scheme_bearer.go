package auth

import (
	"cmp"
	"errors"
	"strings"

	"fraudcheck/internal/auth/jwt"
)

// JWTSettings say whose JSON Web Tokens are good, and what their roles mean.
type JWTSettings struct {
	jwt.Settings
	// RoleMap gives the role's name for a value of the claim. The values "checker" and
	// "analyst" need no entry; "operator" does, so that no foreign issuer makes
	// operators without being told to.
	RoleMap map[string]string
}

// bearerScheme is a JSON Web Token of a foreign issuer, as a Bearer token (RFC 6750).
type bearerScheme struct {
	*jwt.Verifier
	roles map[string]Roles // by the claim's value
}

const bearerChallenge = `Bearer realm="fraudcheck"`

var bearerKind = kind{
	name:      "bearer",
	challenge: bearerChallenge,
	results:   []Failure{Malformed, TokenExpired, TokenInvalid, TooManyFailures},
	compile: func(c *compiled) (scheme, error) {
		if c.JWT == nil {
			return nil, nil
		}
		return newBearer(c)
	},
}

// newBearer compiles the settings of JSON Web Tokens, and tells the policy which
// algorithms and warnings came of it.
func newBearer(c *compiled) (scheme, error) {
	verifier, err := jwt.New(c.JWT.Settings)
	var wrong *jwt.SettingError
	if errors.As(err, &wrong) {
		return nil, &SettingError{List: "jwt", Index: -1, Key: wrong.Key, Expected: wrong.Expected}
	}
	if err != nil {
		return nil, err
	}
	s := &bearerScheme{verifier, map[string]Roles{RoleNames[0]: Checker, RoleNames[1]: Analyst}}
	for value, name := range c.JWT.RoleMap {
		role, ok := RoleNamed(name)
		if !ok {
			return nil, &SettingError{List: "jwt", Index: -1, Key: "role_map", Expected: "checker, analyst or operator for each value"}
		}
		s.roles[value] = role
	}
	c.policy.Algorithms = verifier.Algorithms()
	for _, w := range verifier.Warnings() {
		c.policy.Warnings = append(c.policy.Warnings, "auth.jwt."+w)
	}
	return s, nil
}

// owns is true for every Bearer token that tokenScheme, which is asked before, has left.
func (s *bearerScheme) owns(_ *Guard, r *Request) bool { return r.authorization.is("Bearer") }

// authenticate implements scheme. A token is verified once and then remembered until it
// expires. One that has expired is no guess; any other flaw is charged to the throttle.
func (s *bearerScheme) authenticate(c call) (*Caller, error) {
	text := c.authorization.value
	if v := c.Last.find(c.verified, text, c.At); v != nil {
		return v.caller, nil
	}
	var id credentialID
	if len(text) <= jwt.MaxToken {
		id = c.verified.id(text)
		if v, age := c.verified.find(&id, c.At); age > expired {
			c.Last.keep(c.verified, text, v)
			return v.caller, nil
		}
	}
	if err := flawOfToken(text); err != nil {
		return nil, err
	}
	token, err := s.Verify(text)
	if err == nil {
		v := s.verification(token)
		c.verified.add(id, v)
		return v.caller, nil
	}
	if c.reason = err.Error(); err == jwt.Expired {
		return nil, TokenExpired
	}
	return nil, c.tokenFailure(c.Request, TokenInvalid)
}

// verification returns what a valid token means under these settings: values of the roles
// claim that have no role give none.
func (s *bearerScheme) verification(t *jwt.Token) *verification {
	caller := &Caller{Name: callerName(t.Subject), issuer: cmp.Or(t.Issuer, "(none)"), Profile: t.Profile}
	for _, value := range t.Roles {
		caller.Roles |= s.roles[value]
	}
	return &verification{caller: caller, until: t.Until, token: t}
}

// confirm implements rememberer.
func (s *bearerScheme) confirm(v *verification) *verification {
	if !s.Accepts(v.token) {
		return nil
	}
	return s.verification(v.token)
}

// maxName bounds a caller's name, in characters.
const maxName = 128

// callerName returns the subject, of at most maxName characters; "jwt" for an empty one.
// It is the issuer's text: it may hold any character.
func callerName(subject string) string {
	if subject == "" {
		return "jwt"
	}
	characters := 0
	for i := range subject {
		if characters == maxName {
			return strings.Clone(subject[:i]) // not the whole text kept for a part
		}
		characters++
	}
	return subject
}

// recheck implements scheme.
func (s *bearerScheme) recheck(c call) (*Caller, error) {
	token, err := s.Verify(c.authorization.value)
	if err != nil {
		return nil, TokenInvalid
	}
	if v := s.verification(token); v.age(c.At) == fresh {
		return v.caller, nil
	}
	return nil, TokenExpired
}
