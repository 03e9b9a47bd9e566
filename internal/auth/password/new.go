package password

import (
	"crypto/rand"
	_ "embed" // the common passwords
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The parameters of new hashes: 19 MiB, two passes, as OWASP recommends.
const (
	newMemory  = 19 << 10 // KiB
	newPasses  = 2
	newThreads = 1
	newSalt    = 16 // bytes
	newSum     = 32 // bytes
)

// The length of a new password, in bytes: 8 is the least of NIST SP 800-63B (revision 3);
// a password longer than the greatest fits into no header.
const minPassword, maxPassword = 8, 1024

//go:embed commonpasswords.txt
var commonText string

// common are the passwords of commonText, one a line, in lower case.
var common = sync.OnceValue(func() map[string]bool {
	words := make(map[string]bool)
	for word := range strings.FieldsSeq(commonText) {
		words[word] = true
	}
	return words
})

// New makes the argon2id string of a new password of 8 to 1024 bytes of UTF-8. It
// refuses the passwords that are guessed first; the error says what is expected.
func New(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("expected a password of %d to %d bytes", minPassword, maxPassword)
	}
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return "", errors.New("expected a password in UTF-8 without control characters")
	}
	if IsCommon(password) {
		return "", errors.New("expected a password that is not among the most common ones, also with digits after it; a few random words do well")
	}
	salt := make([]byte, newSalt)
	rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, newPasses, newMemory, newThreads, newSum)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, newMemory, newPasses, newThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// IsCommon reports whether the password is a common one in any letter case, also with
// digits and marks after it, or one character repeated. It must not be empty.
func IsCommon(password string) bool {
	word := strings.ToLower(password)
	return common()[word] || common()[stem(word)] || strings.Count(word, word[:1]) == len(word)
}

// IsName reports whether the password is the user's name in any letter case, also with
// digits and marks after it.
func IsName(password, name string) bool {
	word := strings.ToLower(password)
	name = strings.ToLower(name)
	return word == name || stem(word) == name
}

// stem returns the word without the digits and marks at its end.
func stem(word string) string { return strings.TrimRight(word, "0123456789!?.*#$@") }
