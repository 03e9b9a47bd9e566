// Package jwt verifies signed JSON Web Tokens (RFC 7519) of a foreign issuer. It follows
// the advice of RFC 8725: the settings and not the token choose the algorithm, tokens
// expire and are meant for us, and no key is taken from a token.
//
// # Keys
//
// They have one source: a secret that issuer and service share (HS256, HS384, HS512), one
// public key or certificate (PEM), or a JWK Set (RFC 7517) for RS256, ES256 and EdDSA.
// Each key is good for one algorithm.
//
// # What a token must say
//
// A good signature; exp, not past by more than 30 s; nbf and iat, where they are given,
// not in the future by more than that; the client id among aud; the issuer, where one is
// configured. Roles come from one claim: text with blanks between, or an array.
//
// # Refusals
//
// Tokens over 4 KiB, encrypted or unsigned ones, the header parameters crit, b64, jku,
// jwk and x5u, a kid that no key has. When a member of a JSON object is given twice, the
// last one counts, as RFC 7515 and RFC 7519 (section 4 of both) allow; names are compared
// exactly.
package jwt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxToken is the length of the longest token that is looked at, in bytes.
	MaxToken = 4096
	// leeway is how far the issuer's clock may be from ours.
	leeway = 30 * time.Second
	// maxDate bounds the dates of a token, in seconds since 1970: what JSON carries
	// exactly. Dates far beyond it overflow, and the future becomes the past.
	maxDate = 1 << 53
)

// An Encoding says how the secret is written in the configuration. Base64 may be padded or
// not: issuers hand out both.
type Encoding string

// The encodings.
const (
	EncodingClear     Encoding = "clear"     // the bytes themselves
	EncodingBase64Std Encoding = "base64std" // RFC 4648 section 4, with + and /
	EncodingBase64URL Encoding = "base64url" // RFC 4648 section 5, with - and _
)

// Settings say whose tokens are good. The keys are one of Secret, PublicKey and JWKS.
type Settings struct {
	ClientID  string   // must be among the token's audiences (aud)
	Secret    string   // shared with the issuer; at least 16 bytes once decoded
	Encoding  Encoding // of Secret
	PublicKey []byte   // PEM of the issuer's key or certificate, of which only the key counts
	JWKS      []byte   // JSON of the issuer's keys: a JWK Set (RFC 7517)
	// Algorithms are those accepted, whatever a token asks for: HS256, HS384 and HS512
	// with a secret; RS256, ES256 and EdDSA with public keys, each only with its own
	// type of key. Nil: HS256 with a secret, those of the keys otherwise.
	Algorithms []string
	Issuer     string           // must be the token's issuer (iss), unless empty
	RolesClaim string           // the claim that holds the roles
	Now        func() time.Time // nil: time.Now
}

// A SettingError names the setting that is wrong.
type SettingError struct {
	Key      string // as the configuration spells it
	Expected string
}

func (e *SettingError) Error() string { return fmt.Sprintf("jwt.%s: expected %s", e.Key, e.Expected) }

// The failures of a token.
var (
	ErrExpired = errors.New("the token has expired") // its signature is good
	ErrInvalid = errors.New("the token is not valid")
)

// A Verifier verifies tokens. It is immutable.
type Verifier struct {
	terms  terms
	keys   keys
	parser *jwt.Parser
}

// terms are what a token must say, whichever key it is signed with.
type terms struct{ clientID, issuer, rolesClaim string }

// New checks the settings and parses the keys; the error is a *SettingError, which never
// shows a secret.
func New(s Settings) (*Verifier, error) {
	if s.ClientID == "" {
		return nil, &SettingError{"client_id", "the audience (aud) that tokens are issued for"}
	}
	if s.RolesClaim == "" {
		return nil, &SettingError{"roles_claim", "at least one character"}
	}
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return &Verifier{
		terms: terms{clientID: s.ClientID, issuer: s.Issuer, rolesClaim: s.RolesClaim},
		keys:  keys,
		parser: jwt.NewParser(
			jwt.WithValidMethods(keys.algorithms()),
			jwt.WithStrictDecoding(), // one signature, one spelling
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), // otherwise the library ignores iat
			jwt.WithAudience(s.ClientID),
			jwt.WithIssuer(s.Issuer),
			jwt.WithLeeway(leeway),
			jwt.WithTimeFunc(s.Now),
		),
	}, nil
}

// Algorithms returns those that a token may be signed with, each once.
func (v *Verifier) Algorithms() []string { return v.keys.algorithms() }

// Warnings returns what is unwise about the keys, one for each algorithm whose secret is
// short; each begins with the key of the setting.
func (v *Verifier) Warnings() (warnings []string) {
	for _, k := range v.keys {
		if secret, ok := k.key.([]byte); ok && len(secret) < hmacSizes[k.alg] {
			warnings = append(warnings, fmt.Sprintf("secret has fewer than the %d bytes that %s should have (RFC 7518)", hmacSizes[k.alg], k.alg))
		}
	}
	return warnings
}

// A Token was found valid. It shares no memory with its text.
type Token struct {
	Subject string // sub, which is the issuer's text: any characters, also none
	Roles   []string
	Until   time.Time // from then on it has expired, the leeway included

	terms terms // that it was verified under
	key   *verificationKey
}

// Accepts reports whether v would find a token valid that another Verifier found valid
// and that has not expired: the terms are the same, and its key is one of v's.
func (v *Verifier) Accepts(t *Token) bool {
	return v.terms == t.terms && slices.ContainsFunc(v.keys, t.key.equal)
}

// Verify verifies the text of a token. The error is [ErrExpired] or [ErrInvalid]; the
// library's errors quote the token, so they end here.
func (v *Verifier) Verify(text []byte) (*Token, error) {
	if len(text) > MaxToken || bytes.ContainsAny(text, lineEnds) {
		return nil, ErrInvalid
	}
	t, claims := &Token{terms: v.terms}, jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(string(text), claims, func(parsed *jwt.Token) (any, error) {
		key, err := v.key(parsed)
		if err != nil {
			return nil, err
		}
		t.key = key
		return key.key, nil
	})
	if errors.Is(err, jwt.ErrTokenExpired) { // found only after the signature was
		return nil, ErrExpired
	}
	if err != nil {
		return nil, ErrInvalid
	}
	for _, name := range [...]string{"exp", "nbf", "iat"} { // the library took them for numbers
		if date, given := claims[name].(float64); given && math.Abs(date) > maxDate {
			return nil, ErrInvalid
		}
	}
	subject, err := claims.GetSubject()
	if err != nil {
		return nil, ErrInvalid
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return nil, ErrInvalid
	}
	t.Subject, t.Until, t.Roles = strings.Clone(subject), expiry.Add(leeway), rolesOf(claims[v.terms.rolesClaim])
	return t, nil
}

// key returns the key that the token's header names. It refuses an extension that must be
// understood (crit, and b64 of RFC 7797), and a key of the token's own choosing.
func (v *Verifier) key(token *jwt.Token) (*verificationKey, error) {
	for _, name := range [...]string{"b64", "crit", "jku", "jwk", "x5u"} {
		if _, given := token.Header[name]; given {
			return nil, errors.New("a header parameter that is refused")
		}
	}
	if key := v.keys.find(token); key != nil {
		return key, nil
	}
	return nil, errors.New("a key that is not known")
}

// rolesOf reads a claim that is text with blanks between the values, as scope is in
// RFC 8693, or an array. Values of another type are left out.
func rolesOf(claim any) (roles []string) {
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim)
	case []any:
		for _, value := range claim {
			if value, ok := value.(string); ok {
				roles = append(roles, value)
			}
		}
	}
	return roles
}
