package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxToken bounds what is parsed of a stranger's token, in bytes.
	maxToken = 4096
	// minSecret is the least length of a decoded secret, in bytes. RFC 7518
	// section 3.2 asks for 32; secrets of 16 are in use and not guessed either.
	minSecret = 16
	// leeway is how far the issuer's clock may be from ours.
	leeway = 30 * time.Second
	// maxName bounds a caller's name, in characters.
	maxName = 128
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

// JWTSettings say whose tokens are believed.
type JWTSettings struct {
	ClientID   string   // must be among the token's audiences (aud)
	Secret     string   // shared with the issuer; at least 16 bytes once decoded
	Encoding   Encoding // how Secret is written
	Algorithms []string // believed, whatever a token asks for; so far only HS256
	Issuer     string   // must be the token's issuer (iss), unless empty
	RolesClaim string   // the claim that holds the roles
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
	secret     []byte
	parser     *jwt.Parser
	rolesClaim string
	roles      map[string]Roles // by the claim's value
	now        func() time.Time
	known      *tokenCache
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
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	if len(s.Algorithms) == 0 {
		return fail("algorithms", "HS256")
	}
	for _, name := range s.Algorithms {
		if name != jwt.SigningMethodHS256.Alg() {
			return fail("algorithms", "nothing but HS256")
		}
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
		secret: secret,
		parser: jwt.NewParser(
			jwt.WithValidMethods(s.Algorithms),
			jwt.WithStrictDecoding(), // one signature, one spelling
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), // or the library would not look at iat
			jwt.WithAudience(s.ClientID),
			jwt.WithIssuer(s.Issuer),
			jwt.WithLeeway(leeway),
			jwt.WithTimeFunc(s.Now),
		),
		rolesClaim: s.RolesClaim,
		roles:      roles,
		now:        s.Now,
		known:      newTokenCache(),
	}, nil
}

// secret decodes the secret; the error is a *JWTError.
func (s *JWTSettings) secret() ([]byte, error) {
	var secret []byte
	var err error
	switch s.Encoding {
	case EncodingClear:
		secret = []byte(s.Secret)
	case EncodingBase64Std:
		secret, err = decodeBase64(base64.StdEncoding, s.Secret)
	case EncodingBase64URL:
		secret, err = decodeBase64(base64.URLEncoding, s.Secret)
	default:
		return nil, &JWTError{Key: "encoding", Expected: "clear, base64std or base64url"}
	}
	if err != nil { // it quotes the secret
		return nil, &JWTError{Key: "secret", Expected: "text in the encoding " + string(s.Encoding)}
	}
	if len(secret) < minSecret {
		return nil, &JWTError{Key: "secret", Expected: fmt.Sprintf("at least %d bytes, once decoded", minSecret)}
	}
	return secret, nil
}

// decodeBase64 takes text with all of its padding or none.
func decodeBase64(encoding *base64.Encoding, text string) ([]byte, error) {
	if strings.ContainsAny(text, lineEnds) {
		return nil, errors.New("a line end")
	}
	if !strings.Contains(text, "=") {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	return encoding.Strict().DecodeString(text)
}

// lineEnds are the bytes that encoding/base64 skips even where it is strict.
const lineEnds = "\r\n"

func (j *JWT) authenticate(token []byte) (*Caller, error) {
	if len(token) > maxToken || bytes.ContainsAny(token, lineEnds) {
		return nil, TokenInvalid
	}
	id := j.known.id(token)
	if caller := j.known.find(id, j.now()); caller != nil {
		return caller, nil
	}
	caller, until, err := j.verify(string(token))
	if err != nil {
		return nil, err
	}
	j.known.add(id, caller, until)
	return caller, nil
}

// verify says who the token speaks of, and the first moment at which it is refused
// for its age. The library's errors quote the token, so they end here.
func (j *JWT) verify(token string) (*Caller, time.Time, error) {
	claims := jwt.MapClaims{}
	_, err := j.parser.ParseWithClaims(token, claims, j.key)
	if errors.Is(err, jwt.ErrTokenExpired) { // found only after the signature was
		return nil, time.Time{}, TokenExpired
	}
	if err != nil {
		return nil, time.Time{}, TokenInvalid
	}
	name, err := claims.GetSubject()
	if err != nil {
		return nil, time.Time{}, TokenInvalid
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return nil, time.Time{}, TokenInvalid
	}
	caller := &Caller{Name: callerName(name), Roles: j.rolesOf(claims[j.rolesClaim])}
	return caller, expiry.Add(leeway), nil
}

// key is the secret, unless the header wants more than the algorithm: an extension
// that must be understood (crit), or a key of the token's own choosing.
func (j *JWT) key(token *jwt.Token) (any, error) {
	for _, name := range [...]string{"crit", "jku", "jwk", "x5u"} {
		if _, given := token.Header[name]; given {
			return nil, errors.New("a header parameter that is refused")
		}
	}
	return j.secret, nil
}

// rolesOf reads a claim that is text with blanks between the values, as scope is in
// RFC 8693, or an array. What names no role, or is of another type, gives none.
func (j *JWT) rolesOf(claim any) Roles {
	var roles Roles
	switch claim := claim.(type) {
	case string:
		for value := range strings.FieldsSeq(claim) {
			roles |= j.roles[value]
		}
	case []any:
		for _, value := range claim {
			if value, ok := value.(string); ok {
				roles |= j.roles[value]
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
