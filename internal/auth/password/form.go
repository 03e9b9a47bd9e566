package password

import (
	"regexp"
	"strings"
)

// Unsupported is what FormOf returns for hashes of forms that no Encryption is for.
const Unsupported Encryption = ""

// The forms of hashes, by their first characters (the modular crypt format), or by all of
// them.
var (
	looksBcrypt = regexp.MustCompile(`^\$2[abxy]?\$\d\d\$`)
	looksSHA256 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	looksCrypt  = regexp.MustCompile(`^\$[a-z0-9-]{1,12}\$.*[./A-Za-z0-9+]{20}|^\{S?(SHA|MD5|SHA256|SHA512|CRYPT)\}`)
)

// FormOf returns the encryption in whose form the text is a hash, Unsupported for another
// hash; isHash is false for every other text, which can only be a clear password.
func FormOf(text string) (form Encryption, isHash bool) {
	switch {
	case strings.HasPrefix(text, "$argon2id$"):
		return Argon2id, true
	case looksBcrypt.MatchString(text):
		return Bcrypt, true
	case looksSHA256.MatchString(text):
		return SHA256, true
	}
	return Unsupported, looksCrypt.MatchString(text)
}
