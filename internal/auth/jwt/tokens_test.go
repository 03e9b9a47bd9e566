package jwt_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

const (
	hs256     = `{"alg":"HS256","typ":"JWT"}`
	jwtSecret = "an issuer's secret, 32 bytes >>>"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// after is a JSON date, seconds after noon.
func after(seconds int64) string { return fmt.Sprint(noon.Unix() + seconds) }

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// signWith is the compact serialization of RFC 7515, made without the library that
// is to read it.
func signWith(h func() hash.Hash, secret, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

func sign(header, payload string) string { return signWith(sha256.New, jwtSecret, header, payload) }

// payload is a good claims set with some members changed: name, then JSON, which is
// empty for a member that is left out.
func payload(changes ...string) string {
	members := map[string]string{
		"sub": `"checkout"`, "aud": `"ABC"`, "iss": `"https://id.example"`,
		"iat": after(-60), "nbf": after(-60), "exp": after(600), "roles": `"checker"`,
	}
	for change := range slices.Chunk(changes, 2) {
		members[change[0]] = change[1]
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, members[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func token(changes ...string) string { return sign(hs256, payload(changes...)) }

func jwtSettings() auth.JWTSettings {
	return auth.JWTSettings{Settings: jwt.Settings{
		ClientID: "ABC", Secret: jwtSecret, Encoding: jwt.EncodingClear, Algorithms: []string{"HS256"},
		Issuer: "https://id.example", RolesClaim: "roles", Now: func() time.Time { return noon },
	}}
}

func policyOf(t testing.TB, s auth.JWTSettings) *auth.Policy {
	t.Helper()
	p, err := auth.NewPolicy(auth.Settings{JWT: &s})
	require.NoError(t, err)
	return p
}

// header is a request's header, by name.
type header map[string][][]byte

func (h header) Values(name string) [][]byte { return h[name] }

// authorization is a request with this Authorization header.
func authorization(value string) *auth.Request {
	return &auth.Request{Header: header{"Authorization": {[]byte(value)}}}
}

// bearerGuard accepts the tokens that are good by the settings, and nothing else.
func bearerGuard(t testing.TB, s auth.JWTSettings) *auth.Guard {
	t.Helper()
	guard := auth.NewGuard(policyOf(t, s))
	if s.Now != nil {
		guard.Now = s.Now
	}
	return guard
}

func TestTheFixtureSignsAsTheStandardDoes(t *testing.T) {
	// RFC 7515 appendix A.1.
	secret, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	signed := signWith(sha256.New, string(secret), "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
		"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}")
	assert.True(t, strings.HasSuffix(signed, ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), signed)
}

func TestAValidTokenNamesTheCaller(t *testing.T) {
	tests := []struct{ name, header, caller string }{
		{"as issued", "Bearer " + token(), "checkout"},
		{"the scheme in lower case", "bearer " + token(), "checkout"},
		{"the scheme in mixed case", "bEAReR " + token(), "checkout"},
		{"blanks after the scheme", "Bearer   " + token(), "checkout"},
		{"no subject", "Bearer " + token("sub", ""), "jwt"},
		{"an empty subject", "Bearer " + token("sub", `""`), "jwt"},
		{"a subject of 128 characters", "Bearer " + token("sub", `"`+strings.Repeat("ß", 128)+`"`), strings.Repeat("ß", 128)},
		{"a longer subject", "Bearer " + token("sub", `"`+strings.Repeat("日", 129)+`"`), strings.Repeat("日", 128)},
		{"one of several audiences", "Bearer " + token("aud", `["other","ABC"]`), "checkout"},
		{"neither nbf nor iat", "Bearer " + token("nbf", "", "iat", ""), "checkout"},
		{"expired within the leeway", "Bearer " + token("exp", after(-29)), "checkout"},
		{"not yet, within the leeway", "Bearer " + token("nbf", after(30)), "checkout"},
		{"issued later, within the leeway", "Bearer " + token("iat", after(30)), "checkout"},
		{"a date with a fraction", "Bearer " + token("exp", after(600)+".5"), "checkout"},
		{"a date far ahead", "Bearer " + token("exp", "9e15"), "checkout"},
		{"a key id, which chooses nothing", "Bearer " + sign(`{"alg":"HS256","kid":"../../dev/null"}`, payload()), "checkout"},
		{"a claim twice: the last counts", "Bearer " + sign(hs256, `{"aud":"other",`+payload()[1:]), "checkout"},
		{"another letter case is another claim", "Bearer " + sign(hs256, payload("AUD", `"other"`, "Exp", "1")), "checkout"},
		{"the longest", "Bearer " + sized(t, 4096), "checkout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := bearerGuard(t, jwtSettings()).Authenticate(authorization(tt.header))
			require.NoError(t, err)
			assert.Equal(t, tt.caller, caller.Name)
			assert.Equal(t, auth.Checker, caller.Roles)
		})
	}
}

// sized is a good token of that length in bytes. Base64 never has a length of one
// more than a multiple of four, so the header takes part.
func sized(t testing.TB, length int) string {
	for blanks := range 3 {
		for pad := range length {
			claims := payload("pad", fmt.Sprintf("%q", strings.Repeat("x", pad)))
			if signed := sign(hs256+strings.Repeat(" ", blanks), claims); len(signed) == length {
				return signed
			}
		}
	}
	require.FailNow(t, "no token has that length")
	return ""
}

func TestAMalformedOrForgedTokenIsRefused(t *testing.T) {
	good := token()
	header, rest, _ := strings.Cut(good, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	alg := func(name string) string { return sign(`{"alg":`+name+`}`, payload()) }
	unsigned := func(name string) string { return b64(`{"alg":`+name+`}`) + "." + claims + "." }
	parameter := func(member string) string { return sign(`{"alg":"HS256",`+member+`}`, payload()) }
	const expired, invalid = auth.TokenExpired, auth.TokenInvalid
	tests := []struct {
		name, token string
		want        auth.Failure
	}{
		{"no token", "", auth.Malformed},
		{"expired at the end of the leeway", token("exp", after(-30)), expired},
		{"expired long ago", token("exp", "1"), expired},
		{"expired before 1970", token("exp", "-5"), expired},
		{"expired, with a bad signature", signWith(sha256.New, "another secret of 32 bytes......", hs256, payload("exp", "1")), invalid},
		{"expired, unsigned", b64(`{"alg":"none"}`) + "." + b64(payload("exp", "1")) + ".", invalid},
		{"a date beyond all calendars", token("exp", "1e300"), expired},
		{"no exp", token("exp", ""), invalid},
		{"exp is zero", token("exp", "0"), invalid},
		{"exp is text", token("exp", `"`+after(600)+`"`), invalid},
		{"exp is null", token("exp", "null"), invalid},
		{"exp in capitals", token("exp", "", "EXP", after(600)), invalid},
		{"not yet", token("nbf", after(31)), invalid},
		{"nbf is text", token("nbf", `"`+after(-60)+`"`), invalid},
		{"issued in the future", token("iat", after(31)), invalid},
		{"not before all calendars end", token("nbf", "1e300"), invalid},
		{"not before a time that wraps around", token("nbf", "9300000000000000000"), invalid},
		{"issued when all calendars have ended", token("iat", "1e19"), invalid},
		{"another audience", token("aud", `"ABD"`), invalid},
		{"the audience in another case", token("aud", `"abc"`), invalid},
		{"no audience", token("aud", ""), invalid},
		{"an empty audience", token("aud", `""`), invalid},
		{"only other audiences", token("aud", `["other","ABCD"]`), invalid},
		{"no audience in the array", token("aud", `[]`), invalid},
		{"a number among the audiences", token("aud", `["ABC",1]`), invalid},
		{"an object for an audience", token("aud", `{"ABC":"ABC"}`), invalid},
		{"a claim twice: the last counts", sign(hs256, `{"aud":"ABC",`+strings.Replace(payload()[1:], "ABC", "other", 1)), invalid},
		{"another issuer", token("iss", `"https://id.example/"`), invalid},
		{"no issuer", token("iss", ""), invalid},
		{"several issuers", token("iss", `["https://id.example"]`), invalid},
		{"a number for a subject", token("sub", "7"), invalid},
		{"unsigned", unsigned(`"none"`), invalid},
		{"unsigned, in capitals", unsigned(`"NONE"`), invalid},
		{"unsigned, in both", unsigned(`"nOnE"`), invalid},
		{"unsigned, with a blank", unsigned(`"none "`), invalid},
		{"unsigned, without a name", unsigned(`""`), invalid},
		{"none, but signed", alg(`"none"`), invalid},
		{"the algorithm in lower case", alg(`"hs256"`), invalid},
		{"the algorithm in an array", alg(`["HS256"]`), invalid},
		{"no algorithm", sign(`{"typ":"JWT"}`, payload()), invalid},
		{"HS512", signWith(sha512.New, jwtSecret, `{"alg":"HS512"}`, payload()), invalid},
		{"HS384", signWith(sha512.New384, jwtSecret, `{"alg":"HS384"}`, payload()), invalid},
		{"the secret as a public key", alg(`"RS256"`), invalid},
		{"another secret", signWith(sha256.New, strings.ToUpper(jwtSecret), hs256, payload()), invalid},
		{"an empty secret", signWith(sha256.New, "", hs256, payload()), invalid},
		{"an extension to be understood", parameter(`"crit":["exp"],"exp":1`), invalid},
		{"an empty list of extensions", parameter(`"crit":[]`), invalid},
		{"a payload that says it is not encoded", parameter(`"b64":false`), invalid},
		{"a key by address", parameter(`"jku":"https://id.example/keys"`), invalid},
		{"a certificate by address", parameter(`"x5u":"https://id.example/cert"`), invalid},
		{"a key of its own", parameter(`"jwk":{"kty":"oct","k":"` + b64(jwtSecret) + `"}`), invalid},
		{"longer than 4 KiB", sized(t, 4097), invalid},
		{"very long", strings.Repeat("A", 1<<20), invalid},
		{"one part", header, invalid},
		{"two parts", header + "." + claims, invalid},
		{"four parts", good + ".", invalid},
		{"five parts", good + ".a.b", invalid},
		{"no signature", header + "." + claims + ".", invalid},
		{"a signature cut short", good[:len(good)-2], invalid},
		{"a longer signature", good + "AA", invalid},
		{"text after it", good + " ", invalid},
		{"a tab before it", "\t" + good, invalid},
		{"two tokens", good + ", Bearer " + good, auth.Malformed},
		{"a line end in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], invalid},
		{"a line end after it", good + "\r\n", invalid},
		{"padding", good + "=", invalid},
		{"bits left over", good[:len(good)-1] + leftOver(good), invalid},
		{"the other base64", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "/", invalid},
		{"a header that is no base64", "!" + good[1:], invalid},
		{"a header that is no object", sign(`"HS256"`, payload()), invalid},
		{"a header that is null", sign(`null`, payload()), invalid},
		{"text after the header", sign(hs256+"x", payload()), invalid},
		{"claims that are null", sign(hs256, "null"), invalid},
		{"claims that are an array", sign(hs256, "["+payload()+"]"), invalid},
		{"text after the claims", sign(hs256, payload()+"{}"), invalid},
		{"deep claims", sign(hs256, strings.Repeat("[", 2900)), invalid},
		{"claims of another token", header + "." + b64(payload("roles", `"analyst"`)) + "." + signature, invalid},
	}
	guard := bearerGuard(t, jwtSettings())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // nothing refused is remembered as good
				caller, err := guard.Authenticate(authorization("Bearer " + tt.token))
				assert.Nil(t, caller)
				require.ErrorIs(t, err, tt.want)
			}
		})
	}
	caller, err := guard.Authenticate(authorization("Bearer " + good))
	require.NoError(t, err, "what the bad ones were made of")
	assert.Equal(t, "checkout", caller.Name)
}

// leftOver is the last character of a signature with a bit set that no byte holds.
func leftOver(signed string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, signed[len(signed)-1])|1])
}
