package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	tokens "fraudcheck/internal/auth/jwt"
)

// BenchmarkToken is what a token costs that is seen again, and one that is seen for
// the first time. The ceiling of the latter is the signature's own verification.
func BenchmarkToken(b *testing.B) {
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		settings, key := tokenKeys(b, alg)
		claims := jwt.MapClaims{"sub": "checkout", "aud": "ABC", "roles": "checker", "exp": time.Now().Add(time.Hour).Unix()}
		token, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims).SignedString(key)
		require.NoError(b, err)
		request := &auth.Request{Header: header{[]byte("Bearer " + token)}}
		guard := guardOf(b, auth.Settings{JWT: settings})
		b.Run(alg+"/again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := guard.Authenticate(request)
				check(err == nil, "a caller")
			}
		})
		b.Run(alg+"/first", func(b *testing.B) {
			expired := claims
			expired["exp"] = 1 // judged after the signature, and never remembered
			token, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), expired).SignedString(key)
			require.NoError(b, err)
			request := &auth.Request{Header: header{[]byte("Bearer " + token)}}
			b.ReportAllocs()
			for b.Loop() {
				_, err := guard.Authenticate(request)
				check(err == auth.TokenExpired, "an expired token")
			}
		})
	}
}

// tokenKeys are settings that believe the algorithm, and the key to sign with.
func tokenKeys(b testing.TB, alg string) (settings *auth.JWTSettings, private any) {
	settings = &auth.JWTSettings{Settings: tokens.Settings{ClientID: "ABC", Encoding: tokens.EncodingClear, RolesClaim: "roles"}}
	var signer crypto.Signer
	var err error
	switch alg {
	case "HS256":
		settings.Secret = strings.Repeat("k", 32)
		return settings, []byte(settings.Secret)
	case "RS256":
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(b, err)
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	require.NoError(b, err)
	settings.PublicKey = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return settings, signer
}
