// Package jwt verifies signed JSON Web Tokens (RFC 7519) of a foreign issuer. It follows
// the advice of RFC 8725: the settings and not the token choose the algorithm, tokens
// expire and are meant for us, and no key is taken from a token.
//
// # Keys
//
// They have one source: a secret that issuer and service share (HS256, HS384, HS512), one
// public key or certificate (PEM), or a JWK Set (RFC 7517) for RS256, ES256 and EdDSA.
// Each key is good for one algorithm. Beside a secret the one before it may be good, so
// that issuer and service need not change at the same moment.
//
// # What a token must say
//
// A good signature; exp, not past by more than 30 s; nbf and iat, where they are given,
// not in the future by more than that; the client id among aud; the issuer, where one is
// configured. Roles come from one claim, which may be inside other ones
// (realm_access.roles): text with blanks between, or an array.
//
// # Refusals
//
// Tokens over 4 KiB, encrypted or unsigned ones, the header parameters crit, b64, jku,
// jwk and x5u, a kid that no key has, and what can be told to be no access token: see
// isAccessToken. When a member of a JSON object is given twice, the last one counts, as
// RFC 7515 and RFC 7519 (section 4 of both) allow; names are compared exactly.
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
	Previous  string   // the secret before it, good beside it; may be empty
	Encoding  Encoding // of both
	PublicKey []byte   // PEM of the issuer's key or certificate, of which only the key counts
	JWKS      []byte   // JSON of the issuer's keys: a JWK Set (RFC 7517)
	// Algorithms are those accepted, whatever a token asks for: HS256, HS384 and HS512
	// with a secret; RS256, ES256 and EdDSA with public keys, each only with its own
	// type of key. Nil: HS256 with a secret, those of the keys otherwise.
	Algorithms []string
	Issuer     string           // must be the token's issuer (iss), unless empty
	RolesClaim string           // the claim that holds the roles; dots lead into other claims
	Profile    []string         // claims that Token.Profile holds
	Now        func() time.Time // nil: time.Now
}

// A SettingError names the setting that is wrong.
type SettingError struct {
	Key      string // as the configuration spells it
	Expected string
}

func (e *SettingError) Error() string { return fmt.Sprintf("jwt.%s: expected %s", e.Key, e.Expected) }

// A Verifier verifies tokens. It is immutable.
type Verifier struct {
	terms    terms
	profile  []string
	keys     keys
	previous keys // of the secret before; nil for none
	parser   *jwt.Parser
}

// terms are what a token must say, whichever key it is signed with.
type terms struct{ clientID, issuer, rolesClaim, profile string }

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
	previous, err := s.previousKeys()
	if err != nil {
		return nil, err
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return &Verifier{
		terms:    terms{clientID: s.ClientID, issuer: s.Issuer, rolesClaim: s.RolesClaim, profile: strings.Join(s.Profile, "\n")},
		profile:  s.Profile,
		keys:     keys,
		previous: previous,
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
	for _, k := range slices.Concat(v.keys, v.previous) {
		if secret, ok := k.key.([]byte); ok && len(secret) < hmacSizes[k.alg] {
			setting := "secret"
			if slices.Contains(v.previous, k) {
				setting = "previous_secret_file"
			}
			warnings = append(warnings, fmt.Sprintf(setting+" has fewer than the %d bytes that %s should have (RFC 7518)", hmacSizes[k.alg], k.alg))
		}
	}
	return warnings
}

// A Token was found valid. It shares no memory with its text.
type Token struct {
	Subject string // sub, which is the issuer's text: any characters, also none
	Issuer  string // iss, likewise
	Roles   []string
	Profile []byte    // JSON object of the claims of Settings.Profile; nil where none is asked for
	Until   time.Time // from then on it has expired, the leeway included

	terms terms // that it was verified under
	key   *verificationKey
}

// Accepts reports whether v would find a token valid that another Verifier found valid
// and that has not expired: the terms are the same, and its key is one of v's.
func (v *Verifier) Accepts(t *Token) bool {
	return v.terms == t.terms && (slices.ContainsFunc(v.keys, t.key.equal) || slices.ContainsFunc(v.previous, t.key.equal))
}

// Verify verifies the text of a token; the error is a [Reason].
func (v *Verifier) Verify(text []byte) (*Token, error) {
	if len(text) > MaxToken {
		return nil, tooLong
	}
	if bytes.ContainsAny(text, lineEnds) {
		return nil, malformed
	}
	t, reason := v.verify(string(text), v.keys)
	if reason == badSignature && v.previous != nil {
		if before, another := v.verify(string(text), v.previous); another != badSignature {
			t, reason = before, another
		}
	}
	if reason != "" {
		return nil, reason
	}
	return t, nil
}

// verify verifies a token that must be signed with one of the keys.
func (v *Verifier) verify(text string, with keys) (*Token, Reason) {
	t, claims := &Token{terms: v.terms}, jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(text, claims, func(parsed *jwt.Token) (any, error) {
		key, err := with.of(parsed)
		if err != nil {
			return nil, err
		}
		t.key = key
		return key.key, nil
	})
	switch {
	case err == nil:
	case t.key == nil && errors.Is(err, jwt.ErrTokenSignatureInvalid): // no key was looked for
		return nil, badAlgorithm
	default:
		return nil, reasonOf(err, claims)
	}
	for _, name := range [...]string{"exp", "nbf", "iat"} { // the library took them for numbers
		if date, given := claims[name].(float64); given && math.Abs(date) > maxDate {
			return nil, badDate
		}
	}
	subject, err := claims.GetSubject()
	if err != nil {
		return nil, badSubject
	}
	issuer, err := claims.GetIssuer()
	if err != nil {
		return nil, badIssuer
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return nil, badDate
	}
	if !isAccessToken(parsed.Header, claims) {
		return nil, noAccessToken
	}
	t.Subject, t.Issuer, t.Until = strings.Clone(subject), strings.Clone(issuer), expiry.Add(leeway)
	t.Roles, t.Profile = rolesOf(claimAt(claims, v.terms.rolesClaim)), profileOf(text, v.profile)
	return t, ""
}
