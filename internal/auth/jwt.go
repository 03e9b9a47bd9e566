package auth

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxToken bounds what is parsed of a stranger's token, in bytes.
	maxToken = 4096
	// leeway is how far the issuer's clock may be from ours.
	leeway = 30 * time.Second
	// maxName bounds a caller's name, in characters.
	maxName = 128
	// maxDate bounds the dates of a token, in seconds from 1970: what JSON carries
	// exactly. Far beyond it they wrap around, and what is to come has been.
	maxDate = 1 << 53
)

// An Encoding is how the secret stands in the configuration. Base64 may have its
// padding or lack it: issuers hand out both.
type Encoding string

// The encodings.
const (
	EncodingClear     Encoding = "clear"     // the bytes themselves
	EncodingBase64Std Encoding = "base64std" // RFC 4648 section 4, with + and /
	EncodingBase64URL Encoding = "base64url" // RFC 4648 section 5, with - and _
)

// JWTSettings say whose tokens are believed. The keys are one of Secret, PublicKey
// and JWKS.
type JWTSettings struct {
	ClientID  string   // must be among the token's audiences (aud)
	Secret    string   // shared with the issuer; at least 16 bytes once decoded
	Encoding  Encoding // how Secret is written
	PublicKey []byte   // PEM of the issuer's key or certificate, of which only the key counts
	JWKS      []byte   // JSON of the issuer's keys: a JWK Set (RFC 7517)
	// Algorithms are believed, whatever a token asks for: HS256, HS384 and HS512 with
	// a secret; RS256, ES256 and EdDSA with public keys, each only with its own type
	// of key. Nil: HS256 with a secret, those of the keys otherwise.
	Algorithms []string
	Issuer     string // must be the token's issuer (iss), unless empty
	RolesClaim string // the claim that holds the roles
	// RoleMap gives the role's name for a value of that claim. The values
	// "checker" and "analyst" need no entry; "operator" does, so that no foreign
	// issuer makes operators without being told to.
	RoleMap map[string]string
	Now     func() time.Time // nil: time.Now
}

// A JWTError names the setting that cannot be.
type JWTError struct {
	Key      string // as the configuration spells it
	Expected string
}

func (e *JWTError) Error() string { return fmt.Sprintf("jwt.%s: expected %s", e.Key, e.Expected) }

// JWT is the scheme of RFC 6750 with the signed tokens of RFC 7519. It follows the
// advice of RFC 8725: the configuration and not the token chooses the algorithm,
// tokens expire and are meant for us, and no key is taken from a token.
//
// Of a member given twice the last counts, as RFC 7515 and RFC 7519 (section 4 of
// both) allow; names are compared exactly.
type JWT struct {
	terms  jwtTerms
	keys   keys
	parser *jwt.Parser
	known  *known
}

// jwtTerms are what a token means here, whichever key it is signed with.
type jwtTerms struct {
	clientID, issuer, rolesClaim string
	roles                        map[string]Roles // by the claim's value
}

// NewJWT checks the settings; the error is a *JWTError.
func NewJWT(s JWTSettings) (*JWT, error) {
	fail := func(key, expected string) (*JWT, error) {
		return nil, &JWTError{Key: key, Expected: expected}
	}
	if s.ClientID == "" {
		return fail("client_id", "at least one character")
	}
	if s.RolesClaim == "" {
		return fail("roles_claim", "at least one character")
	}
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	roles := map[string]Roles{RoleNames[0]: Checker, RoleNames[1]: Analyst}
	for value, name := range s.RoleMap {
		role, ok := RoleNamed(name)
		if !ok {
			return fail("role_map", "checker, analyst or operator for each value")
		}
		roles[value] = role
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return &JWT{
		terms: jwtTerms{clientID: s.ClientID, issuer: s.Issuer, rolesClaim: s.RolesClaim, roles: roles},
		keys:  keys,
		parser: jwt.NewParser(
			jwt.WithValidMethods(keys.algorithms()),
			jwt.WithStrictDecoding(), // one signature, one spelling
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), // or the library would not look at iat
			jwt.WithAudience(s.ClientID),
			jwt.WithIssuer(s.Issuer),
			jwt.WithLeeway(leeway),
			jwt.WithTimeFunc(s.Now),
		),
		known: newKnown(),
	}, nil
}

// Algorithms are those that a token may be signed with.
func (j *JWT) Algorithms() []string { return j.keys.algorithms() }

// Warnings say what is unwise about the keys, as in "secret is too short".
func (j *JWT) Warnings() (warnings []string) {
	for _, k := range j.keys {
		if secret, ok := k.key.([]byte); ok && len(secret) < hmacSizes[k.alg] {
			warnings = append(warnings, fmt.Sprintf("secret has fewer than the %d bytes that %s should have (RFC 7518)", hmacSizes[k.alg], k.alg))
		}
	}
	return warnings
}

// inherit takes over the tokens that old has verified, as far as they mean the same
// here and their key is still one of ours.
func (j *JWT) inherit(old *JWT) {
	if !reflect.DeepEqual(j.terms, old.terms) {
		return
	}
	j.known = old.known.carry(func(p *proof) *proof {
		if i := slices.IndexFunc(j.keys, p.by.equal); i >= 0 {
			return &proof{caller: p.caller, until: p.until, by: j.keys[i]}
		}
		return nil
	})
}

func (j *JWT) authenticate(token []byte, k knock) (*Caller, error) {
	if len(token) > maxToken {
		return nil, k.wrong(nil, TokenInvalid)
	}
	id := j.known.id(token)
	if p, standing := j.known.find(&id, k.now); standing > over {
		return p.caller, nil
	}
	p, err := j.verify(token)
	if err == TokenInvalid { // one that expired was once given to who shows it
		return nil, k.wrong(nil, TokenInvalid)
	}
	if err != nil {
		return nil, err
	}
	j.known.add(id, p)
	return p.caller, nil
}

// verify says who the token speaks of, by which key and until when. The library's
// errors quote the token, so they end here.
func (j *JWT) verify(token []byte) (*proof, error) {
	if bytes.ContainsAny(token, lineEnds) {
		return nil, TokenInvalid
	}
	p, claims := new(proof), jwt.MapClaims{}
	_, err := j.parser.ParseWithClaims(string(token), claims, func(t *jwt.Token) (any, error) {
		key, err := j.key(t)
		if err != nil {
			return nil, err
		}
		p.by = key
		return key.key, nil
	})
	if errors.Is(err, jwt.ErrTokenExpired) { // found only after the signature was
		return nil, TokenExpired
	}
	if err != nil {
		return nil, TokenInvalid
	}
	for _, name := range [...]string{"exp", "nbf", "iat"} { // the library took them for numbers
		if date, given := claims[name].(float64); given && math.Abs(date) > maxDate {
			return nil, TokenInvalid
		}
	}
	name, err := claims.GetSubject()
	if err != nil {
		return nil, TokenInvalid
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return nil, TokenInvalid
	}
	p.until = expiry.Add(leeway)
	p.caller = &Caller{Name: callerName(name), Roles: j.rolesOf(claims[j.terms.rolesClaim])}
	return p, nil
}

// key is the one of ours that the header names, unless it wants more than that: an
// extension that must be understood (crit, and b64 of RFC 7797), or a key of the
// token's own choosing.
func (j *JWT) key(token *jwt.Token) (*verificationKey, error) {
	for _, name := range [...]string{"b64", "crit", "jku", "jwk", "x5u"} {
		if _, given := token.Header[name]; given {
			return nil, errors.New("a header parameter that is refused")
		}
	}
	if key := j.keys.find(token); key != nil {
		return key, nil
	}
	return nil, errors.New("a key that is not known")
}

// rolesOf reads a claim that is text with blanks between the values, as scope is in
// RFC 8693, or an array. What names no role, or is of another type, gives none.
func (j *JWT) rolesOf(claim any) Roles {
	var roles Roles
	switch claim := claim.(type) {
	case string:
		for value := range strings.FieldsSeq(claim) {
			roles |= j.terms.roles[value]
		}
	case []any:
		for _, value := range claim {
			if value, ok := value.(string); ok {
				roles |= j.terms.roles[value]
			}
		}
	}
	return roles
}

// callerName is the subject, bounded. It is the issuer's text: it may hold any
// character.
func callerName(subject string) string {
	if subject == "" {
		return "jwt"
	}
	characters := 0
	for i := range subject {
		if characters == maxName {
			return strings.Clone(subject[:i]) // not the whole of it kept for a part
		}
		characters++
	}
	return subject
}
