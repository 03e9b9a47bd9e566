package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	passwords "fraudcheck/internal/auth/password"
)

// A namedSecret is a secret of the configuration in the forms in which it may be met: as
// it is written, and decoded where it is base64. key is that of its setting.
type namedSecret struct {
	key   string
	forms [][]byte
}

// newSecret returns the secret; text is as written, without line ends.
func newSecret(key string, text []byte) namedSecret {
	s := namedSecret{key, [][]byte{text}}
	plain := strings.TrimRight(string(text), "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(plain); err == nil && len(decoded) > 0 {
			s.forms = append(s.forms, decoded)
		}
	}
	return s
}

// equals reports whether both are the same secret in one form or another.
func (s namedSecret) equals(other namedSecret) bool {
	for _, a := range s.forms {
		for _, b := range other.forms {
			if bytes.Equal(a, b) {
				return true
			}
		}
	}
	return false
}

// isRepeated reports whether some form is up to eight bytes over and over, as a key of
// zeros is.
func (s namedSecret) isRepeated() bool {
	for _, form := range s.forms {
		for period := 1; period <= 8 && 2*period <= len(form); period++ {
			if bytes.Equal(form[period:], form[:len(form)-period]) {
				return true
			}
		}
	}
	return false
}

// published are secrets of documents that are copied from.
var published = func() (all []namedSecret) {
	for _, text := range []string{
		// Examples of jwt.io, and what guides write in their place.
		"a-string-secret-at-least-256-bits-long", "a-valid-string-secret-that-is-at-least-384-bits-long",
		"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
		"your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret", "qwertyuiopasdfghjklzxcvbnm123456",
		"my-32-character-ultra-secure-and-ultra-long-secret",
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",   // RFC 7515 A.1, RFC 7517 A.3
		"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",                                              // RFC 7520 3.5
		"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==", // RFC 9421 B.1.5
	} {
		all = append(all, newSecret("", []byte(text)))
	}
	return all
}()

// warnOfSecrets warns of secrets that somebody else may know or guess: published examples,
// repeated bytes, common passwords, and one secret for two things, where who is told one
// has the other. hashKey is nil where it was made for this run. It shows no secret.
func (p *policy) warnOfSecrets(hashKeySetting string, hashKey []byte) {
	var secrets []namedSecret
	add := func(key string, text []byte) {
		if len(text) == 0 {
			return
		}
		s := newSecret(key, text)
		for _, example := range published {
			if s.equals(example) {
				p.warn("%s is a published example: anybody may know it", key)
			}
		}
		if s.isRepeated() {
			p.warn("%s is the same bytes over and over: it can be guessed", key)
		}
		for _, other := range secrets {
			if s.equals(other) {
				p.warn("%s is the same as %s: who knows one has the other", key, other.key)
			}
		}
		secrets = append(secrets, s)
	}
	add(hashKeySetting, hashKey)
	add("decision_log.key_file", p.decisionKey)
	set := p.settings.Auth
	if jwt := p.authSettings.JWT; jwt != nil {
		add(eitherKey("auth.jwt.secret", set.JWT.SecretFile), []byte(jwt.Secret))
		add("auth.jwt.previous_secret_file", []byte(jwt.Previous))
	}
	for i, u := range set.Basic.Users {
		key := fmt.Sprintf("auth.basic.users[%d]", i)
		add(eitherKey(key+".signing_key", u.SigningKeyFile), []byte(p.authSettings.Users[i].SigningKey)) // see users
		if u.Encryption != string(passwords.Clear) || u.Password == "" {
			continue
		}
		add(key+".password", []byte(u.Password))
		switch {
		case passwords.IsCommon(string(u.Password)):
			p.warn("%s.password is among the passwords that are guessed first", key)
		case passwords.IsName(string(u.Password), u.Username):
			p.warn("%s.password is the user's name: it is guessed first", key)
		}
	}
}

// eitherKey returns the key of the setting that gave a secret: key, or where there is a
// file that of the setting which names it.
func eitherKey(key, file string) string {
	if file != "" {
		key += "_file"
	}
	return key
}
