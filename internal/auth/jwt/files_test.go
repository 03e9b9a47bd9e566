package jwt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

// refusesKeys holds the settings to be refused by that key, with these words.
func refusesKeys(t *testing.T, settings auth.JWTSettings, key, words string) {
	t.Helper()
	p, err := auth.NewPolicy(auth.Settings{JWT: &settings})
	require.Nil(t, p, words)
	var wrong *auth.SettingError
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, key, wrong.Key)
	assert.Contains(t, wrong.Expected, words)
}

func number(n *big.Int) string {
	return `"` + base64.RawURLEncoding.EncodeToString(n.Bytes()) + `"`
}

func TestAKeySetIsReadStrictly(t *testing.T) {
	all, another := issuers()
	rs, es, ed := all[0].jwk(), all[1].jwk(), all[2].jwk()
	modulus := all[0].private.Public().(*rsa.PublicKey).N
	var x, y string
	point, _ := all[1].private.Public().(*ecdsa.PublicKey).Bytes()
	x, y = b64(string(point[1:33])), b64(string(point[33:]))
	for _, tt := range []struct{ name, words, set string }{
		{"nothing", "a JWK Set", ""},
		{"no JSON", "a JWK Set", "keys"},
		{"null", "a JWK Set", "null"},
		{"a key alone", "a JWK Set", rs},
		{"a list", "a JWK Set", "[" + rs + "]"},
		{"keys that are no list", "a JWK Set", `{"keys":` + rs + `}`},
		{"keys by another name", "a JWK Set", `{"KEYS":[` + rs + `]}`},
		{"a key that is no object", "a JWK Set", `{"keys":["` + b64(rs) + `"]}`},
		{"text after it", "a JWK Set", string(jwks(rs)) + "x"},
		{"two sets", "a JWK Set", string(jwks(rs)) + string(jwks(es))},
		{"no keys", "at least one key to verify RS256, ES256, EdDSA with", string(jwks())},
		{"none for us", "at least one key", string(jwks(changed(t, rs, "use", `"enc"`), changed(t, es, "kty", `"XY"`)))},
		{"no kty", "keys[1] with a kty", string(jwks(rs, changed(t, es, "kty", "")))},
		{"a kty that is no text", "keys[0] with text for kty", string(jwks(changed(t, rs, "kty", "1")))},
		{"a kid that is no text", "keys[0] with text for kid", string(jwks(changed(t, rs, "kid", "1")))},
		{"a use that is null", "keys[0] with text for use", string(jwks(changed(t, rs, "use", "null")))},
		{"key_ops that are no list", "keys[0] with a list of texts for key_ops", string(jwks(changed(t, rs, "key_ops", `"verify"`)))},
		{"alg of another type", "keys[0] with an alg that its kty and crv are for", string(jwks(changed(t, rs, "alg", `"ES256"`)))},
		{"alg of a secret", "keys[0] with an alg that its kty and crv are for", string(jwks(changed(t, rs, "alg", `"HS256"`)))},
		{"alg of another curve", "keys[0] with an alg that its kty and crv are for", string(jwks(changed(t, changed(t, es, "crv", `"P-384"`), "alg", `"ES256"`)))},
		{"a private RSA key", "keys[0] without the private member d", string(jwks(changed(t, rs, "d", `"AQAB"`)))},
		{"a private Ed25519 key", "keys[1] without the private member d", string(jwks(rs, changed(t, ed, "d", "null")))},
		{"a private key for another purpose", "keys[1] without the private member dq", string(jwks(rs, changed(t, changed(t, rs, "use", `"enc"`), "dq", `""`)))},
		{"a secret", "keys[0] without the private member k", string(jwks(`{"kty":"oct","k":"` + b64(jwtSecret) + `"}`))},
		{"a secret of an unknown type", "keys[0] without the private member k", string(jwks(`{"kty":"xyz","k":"` + b64(jwtSecret) + `"}`))},
		{"no modulus", "keys[0] to be an RSA key", string(jwks(changed(t, rs, "n", "")))},
		{"a modulus with padding", "keys[0] to be an RSA key", string(jwks(changed(t, rs, "n", `"`+b64(string(modulus.Bytes()))+`=="`)))},
		{"a modulus with a line end", "keys[0] to be an RSA key", string(jwks(changed(t, rs, "n", `"`+b64(string(modulus.Bytes()))+`\n"`)))},
		{"a modulus of 2047 bits", "an RSA key of at least 2048 bits", string(jwks(changed(t, rs, "n", number(new(big.Int).Rsh(modulus, 1)))))},
		{"a modulus of 1024 bits under zeros", "an RSA key of at least 2048 bits", string(jwks(changed(t, rs, "n", `"`+base64.RawURLEncoding.EncodeToString(new(big.Int).Rsh(modulus, 1024).FillBytes(make([]byte, 256)))+`"`)))},
		{"no exponent", "keys[0] to be an RSA key", string(jwks(changed(t, rs, "e", "")))},
		{"an exponent of one", "an odd exponent", string(jwks(changed(t, rs, "e", `"AQ"`)))},
		{"an even exponent", "an odd exponent", string(jwks(changed(t, rs, "e", `"AQAA"`)))},
		{"a long exponent", "keys[0] to be an RSA key", string(jwks(changed(t, rs, "e", `"AQAAAAE"`)))},
		{"no y", "keys[0] to be a point", string(jwks(changed(t, es, "y", "")))},
		{"not on the curve", "keys[0] to be a point", string(jwks(changed(t, es, "y", `"`+x+`"`)))},
		{"the other half", "keys[0] to be a point", string(jwks(changed(t, es, "x", `"`+y[:42]+`"`)))},
		{"the point of nothing", "keys[0] to be a point", string(jwks(changed(t, changed(t, es, "x", `"`+strings.Repeat("A", 43)+`"`), "y", `"`+strings.Repeat("A", 43)+`"`)))},
		{"a short x", "keys[0] to be an Ed25519 key", string(jwks(changed(t, ed, "x", `"AQAB"`)))},
		{"two without a kid", "a kid for each of several keys", string(jwks(rs, es))},
		{"one without a kid", "a kid for each of several keys", string(jwks(rs, changed(t, es, "kid", `"1"`)))},
		{"one kid twice", "keys[1] with a kid of its own", string(jwks(changed(t, rs, "kid", `"1"`), another.jwk(kid("1"))))},
	} {
		t.Run(tt.name, func(t *testing.T) { refusesKeys(t, publicSettings(nil, []byte(tt.set)), "jwks_file", tt.words) })
	}
}

// Keys for other purposes, and for algorithms that are not used here, are skipped.
func TestKeysForOtherPurposesAreSkipped(t *testing.T) {
	all, _ := issuers()
	rs, ed := all[0].jwk(), all[2].jwk(kid("ours"))
	foreign := []string{
		`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`,
		`{"kty":"EC","crv":"P-521","x":"AA","y":"AA","kid":"1"}`,
		`{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
		`{"kty":"OKP","crv":"X25519","x":"AA"}`,
		changed(t, rs, "use", `"enc"`),
		changed(t, rs, "alg", `"RSA-OAEP"`),
		changed(t, rs, "alg", `"RS512"`),
		changed(t, rs, "key_ops", `["encrypt","wrapKey"]`),
		changed(t, rs, "key_ops", `[]`),
		`{"kty":"RSA","use":"enc","n":"AA","e":"AQ"}`,
	}
	for _, set := range [][]string{append(slices.Clone(foreign), ed), append([]string{ed}, foreign...)} {
		settings := publicSettings(nil, jwks(set...))
		guard := bearerGuard(t, settings)
		for _, name := range []string{"", "ours"} {
			_, err := guard.Authenticate(bearer(all[2].token(t, name)))
			assert.NoError(t, err)
		}
		_, err := guard.Authenticate(bearer(all[0].token(t, "")))
		assert.Equal(t, auth.TokenInvalid, err)
	}

	settings := publicSettings(nil, jwks(all[0].jwk(kid("1")), ed))
	settings.Algorithms = []string{"EdDSA"}
	_, err := bearerGuard(t, settings).Authenticate(bearer(all[0].token(t, "1")))
	assert.Equal(t, auth.TokenInvalid, err, "its key is in the file, its algorithm is not believed")
	settings.Algorithms = []string{"ES256"}
	refusesKeys(t, settings, "jwks_file", "at least one key to verify ES256 with")
}

func TestAPublicKeyFileIsReadStrictly(t *testing.T) {
	all, _ := issuers()
	key := pkix(t, all[0].private.Public())
	private, err := x509.MarshalPKCS8PrivateKey(all[1].private)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, words string
		file        []byte
	}{
		{"nothing", "PEM", []byte{}},
		{"no PEM", "PEM", []byte("hunter2")},
		{"PEM cut short", "PEM", key[:len(key)-10]},
		{"two keys", "one key", append(slices.Clone(key), key...)},
		{"a chain", "one key", append(all[0].certificate(t), all[1].certificate(t)...)},
		{"the private key", "a public key: the private one belongs to the issuer alone", pemOf("PRIVATE KEY", private)},
		{"the private key, encrypted", "the private one", pemOf("ENCRYPTED PRIVATE KEY", private)},
		{"the private key of old", "the private one", pemOf("RSA PRIVATE KEY", private)},
		{"the public key of old", "PUBLIC KEY or CERTIFICATE", pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&small.PublicKey))},
		{"a request", "PUBLIC KEY or CERTIFICATE", pemOf("CERTIFICATE REQUEST", private)},
		{"no key within", "well-formed", pemOf("PUBLIC KEY", []byte("hunter2"))},
		{"no certificate within", "well-formed", pemOf("CERTIFICATE", private)},
		{"a small key", "at least 2048 bits", pkix(t, &small.PublicKey)},
		{"another curve", "P-256", pkix(t, &long.PublicKey)},
	} {
		t.Run(tt.name, func(t *testing.T) { refusesKeys(t, publicSettings(tt.file, nil), "public_key_file", tt.words) })
	}
}

func TestKeysHaveOneSourceAndFitTheAlgorithms(t *testing.T) {
	all, _ := issuers()
	key, set := pkix(t, all[0].private.Public()), jwks(all[0].jwk())
	none := publicSettings(nil, nil)
	refusesKeys(t, none, "secret", "public_key_file")
	refusesKeys(t, publicSettings(key, set), "jwks_file", "only one of")
	withSecret := publicSettings(key, nil)
	withSecret.Secret = jwtSecret
	refusesKeys(t, withSecret, "public_key_file", "only one of")

	for _, algorithms := range [][]string{{}, {"HS256"}, {"ES256"}, {"RS256", "HS256"}, {"RS256", "none"}, {"RS512"}, {"rs256"}} {
		for _, settings := range []auth.JWTSettings{publicSettings(key, nil), publicSettings(nil, set)} {
			settings.Algorithms = algorithms
			_, err := auth.NewPolicy(auth.Settings{JWT: &settings})
			var wrong *auth.SettingError
			require.ErrorAs(t, err, &wrong, algorithms)
			if settings.PublicKey != nil || algorithms == nil || !slices.Contains(algorithms, "ES256") {
				assert.Equal(t, "algorithms", wrong.Key, algorithms)
			}
		}
	}
}

// FuzzKeySet holds that no set makes a secret of anything, whatever it holds.
func FuzzKeySet(f *testing.F) {
	all, another := issuers()
	f.Add(jwks(all[0].jwk(kid("1")), all[1].jwk(kid("2")), all[2].jwk(kid("3"))))
	f.Add(jwks(another.jwk(`"key_ops":["verify"]`, `"alg":"RS256"`)))
	f.Add(jwks(`{"kty":"oct","k":"AQAB"}`, `{"kty":"EC","crv":"P-521"}`, `{}`))
	f.Add([]byte(`{"keys":[null,{"kty":null}],"keys":[]}`))
	f.Fuzz(func(t *testing.T, set []byte) {
		if set == nil {
			return // none is configured
		}
		settings := publicSettings(nil, set)
		j, err := jwt.New(settings.Settings)
		if err != nil {
			var wrong *jwt.SettingError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, "jwks_file", wrong.Key)
			return
		}
		require.Subset(t, []string{"RS256", "ES256", "EdDSA"}, j.Algorithms())
		require.Empty(t, j.Warnings())
		guard := bearerGuard(t, settings)
		for _, token := range []string{token(), signWith(sha256.New, string(set), hs256, payload()), b64(`{"alg":"none"}`) + "." + b64(payload()) + "."} {
			_, err := guard.Authenticate(bearer(token))
			require.Equal(t, auth.TokenInvalid, err)
		}
	})
}
