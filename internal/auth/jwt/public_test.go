package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

// An issuer signs tokens with a private key.
type issuer struct {
	alg     string
	private crypto.Signer
}

// issuers are one of each type; another is a second of the first.
var issuers = sync.OnceValues(func() (all []issuer, another issuer) {
	must := func(key crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return key
	}
	signed := func(alg string) issuer {
		switch alg {
		case "RS256":
			return issuer{alg, must(rsa.GenerateKey(rand.Reader, 2048))}
		case "ES256":
			return issuer{alg, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
		}
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return issuer{alg, must(private, err)}
	}
	return []issuer{signed("RS256"), signed("ES256"), signed("EdDSA")}, signed("RS256")
})

// sign makes a token whose header says what it says; it is made without the library
// that is to read it.
func (i issuer) sign(t testing.TB, header, payload string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch key := i.private.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, key, digest[:])
		if err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(input))
	}
	require.NoError(t, err)
	return input + "." + b64(string(signature))
}

func (i issuer) token(t testing.TB, kid string, changes ...string) string {
	t.Helper()
	header := `{"alg":"` + i.alg + `"}`
	if kid != "" {
		header = `{"alg":"` + i.alg + `","kid":"` + kid + `"}`
	}
	return i.sign(t, header, payload(changes...))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkix(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return pemOf("PUBLIC KEY", der)
}

// certificate is one long expired and signed by itself: only the key counts.
func (i issuer) certificate(t testing.TB) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.AddDate(-1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, i.private.Public(), i.private)
	require.NoError(t, err)
	return pemOf("CERTIFICATE", der)
}

// jwk is the public key as RFC 7517 and RFC 8037 write it, with further members.
func (i issuer) jwk(members ...string) string {
	text := func(b []byte) string { return `"` + base64.RawURLEncoding.EncodeToString(b) + `"` }
	var own string
	switch key := i.private.Public().(type) {
	case *rsa.PublicKey:
		own = `"kty":"RSA","n":` + text(key.N.Bytes()) + `,"e":"AQAB"`
	case *ecdsa.PublicKey:
		point, _ := key.Bytes()
		own = `"kty":"EC","crv":"P-256","x":` + text(point[1:33]) + `,"y":` + text(point[33:])
	case ed25519.PublicKey:
		own = `"kty":"OKP","crv":"Ed25519","x":` + text(key)
	}
	return "{" + strings.Join(append([]string{own}, members...), ",") + "}"
}

func kid(name string) string { return `"kid":"` + name + `"` }

func jwks(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// publicSettings believe public keys only, of any algorithm.
func publicSettings(pem, set []byte) auth.JWTSettings {
	settings := jwtSettings()
	settings.Secret, settings.Algorithms, settings.PublicKey, settings.JWKS = "", nil, pem, set
	return settings
}

func bearer(token string) *auth.Request { return authorization("Bearer " + token) }

func TestATokenSignedWithAPrivateKeyNamesTheCaller(t *testing.T) {
	all, _ := issuers()
	for _, i := range all {
		ways := map[string]auth.JWTSettings{
			"a key":                 publicSettings(pkix(t, i.private.Public()), nil),
			"a certificate":         publicSettings(i.certificate(t), nil),
			"text before it":        publicSettings(append([]byte("of the issuer\n"), i.certificate(t)...), nil),
			"a set":                 publicSettings(nil, jwks(i.jwk())),
			"a set with all it may": publicSettings(nil, jwks(i.jwk(kid("1"), `"use":"sig"`, `"alg":"`+i.alg+`"`, `"key_ops":["verify"]`, `"x5c":["?"]`, `"x5u":"https://id.example"`))),
		}
		for name, settings := range ways {
			for _, algorithms := range [][]string{nil, {i.alg}} {
				t.Run(fmt.Sprint(i.alg, " ", name, " ", algorithms), func(t *testing.T) {
					settings.Algorithms = algorithms
					guard := bearerGuard(t, settings)
					for range 2 {
						caller, err := guard.Authenticate(bearer(i.token(t, "")))
						require.NoError(t, err)
						assert.Equal(t, "checkout", caller.Name)
						assert.Equal(t, auth.Checker, caller.Roles)
					}
					_, err := guard.Authenticate(bearer(i.token(t, "", "exp", after(-30))))
					assert.Equal(t, auth.TokenExpired, err)
					for _, changes := range [][]string{{"aud", `"other"`}, {"iss", ""}, {"exp", ""}, {"nbf", after(31)}} {
						_, err := guard.Authenticate(bearer(i.token(t, "", changes...)))
						assert.Equal(t, auth.TokenInvalid, err, changes)
					}
				})
			}
		}
	}
}

func TestHS384AndHS512(t *testing.T) {
	secret := strings.Repeat(jwtSecret, 2)
	hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	for _, configured := range [][]string{{"HS256"}, {"HS384"}, {"HS512"}, {"HS384", "HS512"}} {
		settings := jwtSettings()
		settings.Secret, settings.Algorithms = secret, configured
		guard := bearerGuard(t, settings)
		for alg, h := range hashes {
			_, err := guard.Authenticate(bearer(signWith(h, secret, `{"alg":"`+alg+`","kid":"any"}`, payload())))
			if assert.ObjectsAreEqual(configured, []string{alg}) || len(configured) == 2 && alg != "HS256" {
				assert.NoError(t, err, "%s, with %v", alg, configured)
			} else {
				assert.Equal(t, auth.TokenInvalid, err, "%s, with %v", alg, configured)
			}
		}
	}
}

// What was published is no secret, and a key is for one algorithm.
func TestAKeyIsGoodForOneAlgorithmOnly(t *testing.T) {
	all, another := issuers()
	for _, i := range all {
		published := pkix(t, i.private.Public())
		block, _ := pem.Decode(published)
		secrets := []string{string(published), strings.TrimSpace(string(published)), string(block.Bytes), i.jwk(), string(jwks(i.jwk())), ""}
		if key, ok := i.private.Public().(*rsa.PublicKey); ok {
			secrets = append(secrets, string(key.N.Bytes()), string(pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))))
		}
		for way, settings := range map[string]auth.JWTSettings{
			"PEM":              publicSettings(published, nil),
			"certificate":      publicSettings(i.certificate(t), nil),
			"set":              publicSettings(nil, jwks(i.jwk())),
			"set with names":   publicSettings(nil, jwks(i.jwk(kid("1")), another.jwk(kid("2")))),
			"set of all types": publicSettings(nil, jwks(all[0].jwk(kid("1")), all[1].jwk(kid("1")), all[2].jwk(kid("1")))),
		} {
			guard := bearerGuard(t, settings)
			_, err := guard.Authenticate(bearer(i.token(t, "1")))
			require.NoError(t, err, way)
			refused := func(token, why string) {
				t.Helper()
				_, err := guard.Authenticate(bearer(token))
				assert.Equal(t, auth.TokenInvalid, err, "%s, %s: %s", i.alg, way, why)
			}
			for _, secret := range secrets {
				for alg, h := range map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New} {
					refused(signWith(h, secret, `{"alg":"`+alg+`","kid":"1"}`, payload()), alg)
					refused(signWith(h, secret, `{"alg":"`+alg+`"}`, payload()), alg)
				}
				refused(signWith(sha256.New, secret, `{"alg":"`+i.alg+`","kid":"1"}`, payload()), "an HMAC said to be a signature")
			}
			for _, alg := range []string{"none", "None", "", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "ES256K", "HS256"} {
				if alg != i.alg {
					refused(i.sign(t, `{"alg":"`+alg+`","kid":"1"}`, payload()), "its own signature said to be "+alg)
					refused(b64(`{"alg":"`+alg+`","kid":"1"}`)+"."+b64(payload())+".", "no signature for "+alg)
				}
			}
			refused(issuer{i.alg, another.private}.token(t, "1"), "another key")
			for _, member := range []string{`"jwk":` + another.jwk(), `"jku":"https://id.example"`, `"x5u":"https://id.example"`, `"crit":["b64"],"b64":false`} {
				refused(another.sign(t, `{"alg":"RS256","kid":"1",`+member+`}`, payload()), member)
				refused(i.sign(t, `{"alg":"`+i.alg+`","kid":"1",`+member+`}`, payload()), member)
			}
			_, err = guard.Authenticate(bearer(i.sign(t, `{"alg":"`+i.alg+`","kid":"1","x5c":["MIIB"],"x5t":"AA","typ":"at+jwt"}`, payload())))
			assert.NoError(t, err, "what chooses no key does no harm")
		}
	}
}

func TestOfSeveralKeysATokenNamesOne(t *testing.T) {
	all, another := issuers()
	one, other := all[0], another
	guard := bearerGuard(t, publicSettings(nil, jwks(one.jwk(kid("one")), other.jwk(kid("other")), all[1].jwk(kid("one")))))
	for _, tt := range []struct {
		name  string
		token string
		want  error
	}{
		{"the first", one.token(t, "one"), nil},
		{"the second", other.token(t, "other"), nil},
		{"of the same name, for another algorithm", all[1].token(t, "one"), nil},
		{"the other's name", one.token(t, "other"), auth.TokenInvalid},
		{"no name", one.token(t, ""), auth.TokenInvalid},
		{"an empty name", one.sign(t, `{"alg":"RS256","kid":""}`, payload()), auth.TokenInvalid},
		{"an unknown name", one.token(t, "none"), auth.TokenInvalid},
		{"a name in another case", one.token(t, "One"), auth.TokenInvalid},
		{"a number", one.sign(t, `{"alg":"RS256","kid":1}`, payload()), auth.TokenInvalid},
		{"a list", one.sign(t, `{"alg":"RS256","kid":["one"]}`, payload()), auth.TokenInvalid},
		{"null", one.sign(t, `{"alg":"RS256","kid":null}`, payload()), auth.TokenInvalid},
	} {
		_, err := guard.Authenticate(bearer(tt.token))
		assert.Equal(t, tt.want, err, tt.name)
	}

	alone := bearerGuard(t, publicSettings(nil, jwks(one.jwk(kid("one")))))
	for name, want := range map[string]error{"one": nil, "": nil, "other": auth.TokenInvalid} {
		_, err := alone.Authenticate(bearer(one.token(t, name)))
		assert.Equal(t, want, err, "the only key, named %q", name)
	}
}

func TestAReloadHoldsForVerifiedTokensAtOnce(t *testing.T) {
	all, another := issuers()
	one, other := all[0], another
	both := publicSettings(nil, jwks(one.jwk(kid("one")), other.jwk(kid("other"))))
	byOne, byOther := one.token(t, "one"), other.token(t, "other")
	restarted := func() *auth.Guard {
		guard := bearerGuard(t, both)
		for _, token := range []string{byOne, byOther} {
			_, err := guard.Authenticate(bearer(token))
			require.NoError(t, err)
		}
		return guard
	}
	tests := []struct {
		name       string
		next       auth.JWTSettings
		one, other error
	}{
		{"nothing", both, nil, nil},
		{"a key removed", publicSettings(nil, jwks(other.jwk(kid("other")))), auth.TokenInvalid, nil},
		{"the names exchanged", publicSettings(nil, jwks(one.jwk(kid("other")), other.jwk(kid("one")))), auth.TokenInvalid, auth.TokenInvalid},
		{"another key by that name", publicSettings(nil, jwks(other.jwk(kid("one")), other.jwk(kid("other")))), auth.TokenInvalid, nil},
		{"a secret in their place", jwtSettings(), auth.TokenInvalid, auth.TokenInvalid},
	}
	for _, tt := range tests {
		guard := restarted()
		guard.Replace(policyOf(t, tt.next))
		_, err := guard.Authenticate(bearer(byOne))
		assert.Equal(t, tt.one, err, tt.name)
		_, err = guard.Authenticate(bearer(byOther))
		assert.Equal(t, tt.other, err, tt.name)
	}

	guard, renamed := restarted(), both
	renamed.RoleMap = map[string]string{"checker": "operator"}
	guard.Replace(policyOf(t, renamed))
	caller, err := guard.Authenticate(bearer(byOne))
	require.NoError(t, err)
	assert.Equal(t, auth.Operator, caller.Roles, "roles are not remembered")
	renamed.ClientID = "other"
	guard.Replace(policyOf(t, renamed))
	_, err = guard.Authenticate(bearer(byOne))
	assert.Equal(t, auth.TokenInvalid, err, "nor whom a token is for")
	empty, err := auth.NewPolicy(auth.Settings{})
	require.NoError(t, err)
	guard.Replace(empty)
	_, err = guard.Authenticate(bearer(byOne))
	assert.Equal(t, auth.Malformed, err, "nor the scheme")
}

func TestShortSecretsAreWarnedOf(t *testing.T) {
	for length, tests := range map[int]map[string]int{
		16: {"HS256": 1, "HS256 HS512": 2},
		31: {"HS256": 1},
		32: {"HS256": 0, "HS384": 1, "HS256 HS384": 1},
		48: {"HS384": 0, "HS512": 1},
		63: {"HS512": 1},
		64: {"HS512": 0, "HS256 HS384 HS512": 0},
	} {
		for algorithms, warnings := range tests {
			settings := jwtSettings()
			settings.Secret, settings.Algorithms = strings.Repeat(jwtSecret, 3)[:length], strings.Fields(algorithms)
			j, err := jwt.New(settings.Settings)
			require.NoError(t, err)
			assert.Len(t, j.Warnings(), warnings, "%d bytes, %s", length, algorithms)
			assert.Equal(t, settings.Algorithms, j.Algorithms())
		}
	}
}

// changed is the JWK with one member changed, or left out where it is empty.
func changed(t *testing.T, jwk, name, value string) string {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(jwk), &members))
	delete(members, name)
	if value != "" {
		members[name] = json.RawMessage(value)
	}
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return string(text)
}
