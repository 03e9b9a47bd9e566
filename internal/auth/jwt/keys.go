package jwt

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// minSecret is the least length of a decoded secret, in bytes. RFC 7518 section 3.2
	// asks for more, which Verifier.Warnings says; secrets of 16 bytes are in use, and
	// cannot be guessed.
	minSecret = 16
	// minRSA is the least length of an RSA key, in bits (RFC 7518 section 3.3).
	minRSA = 2048
)

// hmacSizes are the algorithms that take a secret, and how long it should be, in bytes:
// as long as the hash (RFC 7518 section 3.2).
var hmacSizes = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// publicAlgorithms are those that take a public key; each has one type of key.
var publicAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// A verificationKey is good for one algorithm only (RFC 8725 section 3.1). Otherwise a
// token could name HS256, and a public key would serve as the secret.
type verificationKey struct {
	id  string // kid; empty: no kid is looked at
	alg string
	key any // as the library wants it: []byte or a public key
}

// equal reports whether a reload kept the key: the same name, algorithm and key. It
// compares what the configuration holds, never what a caller sent, so it need not take
// constant time.
func (k *verificationKey) equal(other *verificationKey) bool {
	if k.id != other.id || k.alg != other.alg {
		return false
	}
	if secret, ok := k.key.([]byte); ok {
		otherSecret, ok := other.key.([]byte)
		return ok && bytes.Equal(secret, otherSecret)
	}
	public, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.key)
}

// keys are those that tokens may be signed with.
type keys []*verificationKey

// find returns the key that the token's header names, nil where it names none of ours.
// A key without a kid, always the only one of its algorithm, is good for every kid. Where there
// are several keys the token must name one: trying them in turn would let a token of one
// issuer pass with the key of another.
func (k keys) find(token *jwt.Token) *verificationKey {
	alg := token.Method.Alg()
	kid, given := token.Header["kid"]
	for _, key := range k {
		if key.alg == alg && (key.id == "" || given && kid == key.id || !given && len(k) == 1) {
			return key
		}
	}
	return nil
}

// of returns the key that the token's header names. It refuses an extension that must be
// understood (crit, and b64 of RFC 7797), and a key of the token's own choosing. The error
// is a Reason.
func (k keys) of(token *jwt.Token) (*verificationKey, error) {
	for _, name := range [...]string{"b64", "crit", "jku", "jwk", "x5u"} {
		if _, given := token.Header[name]; given {
			return nil, badHeader
		}
	}
	if key := k.find(token); key != nil {
		return key, nil
	}
	return nil, unknownKey
}

// algorithms returns those that some key is good for, in the order of the keys.
func (k keys) algorithms() (names []string) {
	for _, key := range k {
		if !slices.Contains(names, key.alg) {
			names = append(names, key.alg)
		}
	}
	return names
}

// keys parses the configured keys, which have exactly one source; the error is a
// *SettingError.
func (s *Settings) keys() (keys, error) {
	given := 0
	for _, is := range []bool{s.Secret != "", s.PublicKey != nil, s.JWKS != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, &SettingError{Key: "secret", Expected: "a secret, or one of public_key_file and jwks_file"}
	case given > 1:
		key := "public_key_file"
		if s.JWKS != nil {
			key = "jwks_file"
		}
		return nil, &SettingError{Key: key, Expected: "only one of secret, public_key_file and jwks_file"}
	case s.Algorithms != nil && len(s.Algorithms) == 0:
		return nil, &SettingError{Key: "algorithms", Expected: "at least one, or no such setting"}
	case s.PublicKey != nil:
		return s.publicKey()
	case s.JWKS != nil:
		return s.jwks()
	}
	return s.secretKeys()
}

// previousKeys is secretKeys for the secret before; nil where there is none.
func (s *Settings) previousKeys() (keys, error) {
	if s.Previous == "" {
		return nil, nil
	}
	if s.Secret == "" {
		return nil, &SettingError{Key: "previous_secret_file", Expected: "no such file, where there is no secret"}
	}
	before := *s
	before.Secret, before.Previous = s.Previous, ""
	keys, err := before.secretKeys()
	var wrong *SettingError
	if errors.As(err, &wrong) && wrong.Key == "secret" {
		wrong.Key = "previous_secret_file"
	}
	return keys, err
}

// secretKeys returns the secret as a key of each of the algorithms, HS256 where none is
// named.
func (s *Settings) secretKeys() (keys keys, err error) {
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	algorithms := s.Algorithms
	if algorithms == nil {
		algorithms = []string{"HS256"}
	}
	for _, alg := range algorithms {
		if hmacSizes[alg] == 0 {
			return nil, &SettingError{Key: "algorithms", Expected: "HS256, HS384 or HS512, as a secret is for"}
		}
		keys = append(keys, &verificationKey{alg: alg, key: secret})
	}
	return keys, nil
}

// secret decodes the secret, of at least minSecret bytes; the error is a *SettingError.
func (s *Settings) secret() ([]byte, error) {
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
		return nil, &SettingError{Key: "encoding", Expected: "clear, base64std or base64url"}
	}
	if err != nil { // it quotes the secret
		return nil, &SettingError{Key: "secret", Expected: "text in the encoding " + string(s.Encoding)}
	}
	if len(secret) < minSecret {
		return nil, &SettingError{Key: "secret", Expected: fmt.Sprintf("at least %d bytes, once decoded", minSecret)}
	}
	return secret, nil
}

// decodeBase64 decodes text with all of its padding or none, and nothing in between.
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

// publicKey reads the one key of a PEM file. Of a certificate only the key counts: the
// configuration trusts the key, not the certificate's signer or dates. A file that holds
// a private key is refused, since it was given to the wrong party.
func (s *Settings) publicKey() (keys, error) {
	fail := func(expected string) (keys, error) {
		return nil, &SettingError{Key: "public_key_file", Expected: expected}
	}
	block, rest := pem.Decode(s.PublicKey)
	if block == nil {
		return fail("PEM, of a public key or a certificate")
	}
	if another, _ := pem.Decode(rest); another != nil {
		return fail("one key; several are for jwks_file")
	}
	var public any
	var err error
	switch {
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return fail("a public key: the private one belongs to the issuer alone")
	default:
		return fail("PEM of the type PUBLIC KEY or CERTIFICATE")
	}
	if err != nil {
		return fail("a well-formed public key or certificate")
	}
	alg, flaw := algorithmOf(public)
	if flaw != "" {
		return fail(flaw)
	}
	if slices.ContainsFunc(s.Algorithms, func(name string) bool { return name != alg }) {
		return nil, &SettingError{Key: "algorithms", Expected: "only " + alg + ", as the key in public_key_file is for"}
	}
	return keys{{alg: alg, key: public}}, nil
}

// algorithmOf returns the algorithm that a public key is used with, or what is expected
// of the key.
func algorithmOf(public any) (alg, flaw string) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		switch {
		case public.N.BitLen() < minRSA:
			return "", fmt.Sprintf("an RSA key of at least %d bits", minRSA)
		case public.E < 3 || public.E%2 == 0:
			return "", "an RSA key with an odd exponent from 3"
		}
		return "RS256", ""
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return "ES256", ""
		}
	case ed25519.PublicKey:
		return "EdDSA", ""
	}
	return "", "a key of RSA, of the curve P-256, or Ed25519"
}
