package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	passwords "fraudcheck/internal/auth/password"
)

// A scheme returns an auth section of the configuration, and the Authorization header of
// a caller that it accepts, whose role is checker.
type scheme func(l *lab) (believed, shown string, err error)

// schemes are compared with the first one.
var schemes = []struct {
	name   string
	scheme scheme
}{
	{"Basic clear", password("clear", func(p string) (string, error) { return p, nil })},
	{"Basic argon2id", password("argon2id", passwords.New)},
	{"JWT HS256", sharedSecret},
	{"JWT RS256", publicKey},
}

// password is Basic; the configuration holds the password as the encryption says, which
// kept makes of it.
func password(encryption string, kept func(password string) (string, error)) scheme {
	return func(l *lab) (believed, shown string, err error) {
		hash, err := kept(l.password)
		if err != nil {
			return "", "", err
		}
		return fmt.Sprintf("basic: {users: [{username: %s, password: %q, encryption: %s, roles: [checker, analyst]}]}", user, hash, encryption), l.auth(), nil
	}
}

// sharedSecret is a JSON Web Token with HS256.
func sharedSecret(*lab) (believed, shown string, err error) {
	secret := rand.Text() + rand.Text()
	shown, err = bearer(jwt.SigningMethodHS256, []byte(secret))
	return fmt.Sprintf("jwt: {client_id: bench, secret: %q, encoding: clear}", secret), shown, err
}

// publicKey is a JSON Web Token with RS256, by a key made for this run.
func publicKey(l *lab) (believed, shown string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	path := l.file("issuer.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return "", "", err
	}
	shown, err = bearer(jwt.SigningMethodRS256, key)
	return fmt.Sprintf("jwt: {client_id: bench, public_key_file: %q, algorithms: [RS256]}", path), shown, err
}

// bearer returns a token that is valid in all rounds.
func bearer(method jwt.SigningMethod, key any) (string, error) {
	claims := jwt.MapClaims{"sub": user, "aud": "bench", "roles": "checker", "exp": time.Now().Add(24 * time.Hour).Unix()}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	return "Bearer " + token, err
}
