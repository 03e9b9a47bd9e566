package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// A JWK Set (RFC 7517) as issuers publish it holds keys for other purposes too: for
// encryption, for algorithms or of types that are not used here. Those are skipped. A key
// that is for signatures of ours and is malformed refuses the whole file, as does any
// private member: it should have stayed with the issuer.

// jwk is one key of a set, as it stands there. Of a member given twice the last
// counts (RFC 7517 section 4).
type jwk map[string]json.RawMessage

// privateMembers are those of RFC 7518 section 6, of any type of key.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// jwks reads the keys of a JWK Set that are for the configured algorithms. The error is a
// *SettingError that names the key at fault by its index.
func (s *Settings) jwks() (set keys, err error) {
	fail := func(format string, args ...any) (keys, error) {
		return nil, &SettingError{Key: "jwks_file", Expected: fmt.Sprintf(format, args...)}
	}
	wanted := publicAlgorithms
	if s.Algorithms != nil {
		wanted = s.Algorithms
	}
	for _, alg := range wanted {
		if !slices.Contains(publicAlgorithms, alg) {
			return nil, &SettingError{Key: "algorithms", Expected: "RS256, ES256 or EdDSA, as public keys are for"}
		}
	}
	var file map[string]json.RawMessage
	var found []jwk
	if json.Unmarshal(s.JWKS, &file) != nil || json.Unmarshal(file["keys"], &found) != nil {
		return fail("a JWK Set: a JSON object with the list keys")
	}
	for i, k := range found {
		key, flaw := k.read()
		switch {
		case flaw != "":
			return fail("keys[%d] %s", i, flaw)
		case key == nil || !slices.Contains(wanted, key.alg):
			continue
		case slices.ContainsFunc(set, func(o *verificationKey) bool { return o.id == key.id && o.alg == key.alg }):
			return fail("keys[%d] with a kid of its own", i)
		}
		set = append(set, key)
	}
	if len(set) == 0 {
		return fail("at least one key to verify %s with", strings.Join(wanted, ", "))
	}
	if len(set) > 1 && slices.ContainsFunc(set, func(k *verificationKey) bool { return k.id == "" }) {
		return fail("a kid for each of several keys")
	}
	return set, nil
}

// read parses the key. It returns nil for a key of another purpose, and for a malformed
// one what is expected of it.
func (k jwk) read() (key *verificationKey, flaw string) {
	for _, name := range privateMembers {
		if _, given := k[name]; given {
			return nil, "without the private member " + name
		}
	}
	// These say what the key is for, and must be readable before that can be judged.
	var text [5]string
	for i, name := range []string{"kty", "crv", "alg", "use", "kid"} {
		var ok bool
		if text[i], ok = k.text(name); !ok {
			return nil, "with text for " + name
		}
	}
	kty, crv, alg, use, kid := text[0], text[1], text[2], text[3], text[4]
	var fits string
	switch {
	case kty == "":
		return nil, "with a kty"
	case kty == "RSA":
		fits = "RS256"
	case kty == "EC" && crv == "P-256":
		fits = "ES256"
	case kty == "OKP" && crv == "Ed25519":
		fits = "EdDSA"
	}
	verifies, ok := k.verifies()
	ours := hmacSizes[alg] != 0 || slices.Contains(publicAlgorithms, alg)
	switch {
	case !ok:
		return nil, "with a list of texts for key_ops"
	case ours && alg != fits:
		return nil, "with an alg that its kty and crv are for"
	case fits == "", alg != "" && !ours, use != "" && use != "sig", !verifies:
		return nil, ""
	}
	// Only now: a key that is skipped need not be well-formed.
	public, flaw := k.public(kty)
	if flaw == "" {
		_, flaw = algorithmOf(public)
	}
	if flaw != "" {
		return nil, "to be " + flaw
	}
	return &verificationKey{id: kid, alg: fits, key: public}, ""
}

// public parses the key itself: RFC 7518 section 6 for RSA and EC, RFC 8037 for Ed25519.
// Coordinates have their full length, so that no key has two spellings.
func (k jwk) public(kty string) (public any, flaw string) {
	switch kty {
	case "RSA":
		n, e := k.bytes("n"), k.bytes("e")
		if len(n) == 0 || len(e) == 0 || len(e) > 4 || e[0] >= 0x80 {
			return nil, "an RSA key, with n and an e of at most 31 bits in base64url"
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, ""
	case "EC":
		x, y := k.bytes("x"), k.bytes("y")
		if len(x) == 32 && len(y) == 32 {
			point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
			if err == nil {
				return point, ""
			}
		}
		return nil, "a point of its curve, with x and y of 32 bytes in base64url"
	}
	if x := k.bytes("x"); len(x) == ed25519.PublicKeySize {
		return ed25519.PublicKey(x), ""
	}
	return nil, "an Ed25519 key, with an x of 32 bytes in base64url"
}

// text returns a member that is a string, empty where it is absent; false for another
// type.
func (k jwk) text(name string) (text string, ok bool) {
	raw, given := k[name]
	if !given {
		return "", true
	}
	return text, raw[0] == '"' && json.Unmarshal(raw, &text) == nil
}

// bytes returns a member in base64url without padding, nil where it is not.
func (k jwk) bytes(name string) []byte {
	text, ok := k.text(name)
	if !ok || strings.ContainsAny(text, lineEnds) {
		return nil
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil
	}
	return decoded
}

// verifies reports whether key_ops (RFC 7517 section 4.3), where it is given, lets the key
// verify; ok is false where it is no list of texts.
func (k jwk) verifies() (verifies, ok bool) {
	raw, given := k["key_ops"]
	if !given {
		return true, true
	}
	var operations []string
	if raw[0] != '[' || json.Unmarshal(raw, &operations) != nil {
		return false, false
	}
	return slices.Contains(operations, "verify"), true
}
