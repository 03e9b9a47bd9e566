package password_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/password"
)

// Hashes made by others: htpasswd of Apache, the bcrypt and argon2-cffi modules of
// Python, and the command argon2 of the reference implementation.
var foreign = []struct {
	by, text   string
	encryption password.Encryption
	hash       string
}{
	{"htpasswd", "correct-horse-battery", password.Bcrypt, "$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa"},
	{"htpasswd", "zum Glück", password.Bcrypt, "$2y$05$wA3zJJywcL9G92ynPe.GWOjjEsdmx9LfNlsSCzwzRPmNm2/XMVh.2"},
	{"bcrypt", "correct-horse-battery", password.Bcrypt, "$2b$04$YDhUUUll.M.DxZtkieb98OrPK6h02ZMJECk0zvnmq3F3Oh/Z9SkJy"},
	{"bcrypt, the older prefix", "correct-horse-battery", password.Bcrypt, "$2a$05$1XtF3EVVwYlPnIGOcRoL2OQqHiiJwccv1X6rUN6MxWKbVZ2d5YKRm"},
	{"bcrypt, beyond ASCII", "zum Glück 日本", password.Bcrypt, "$2b$04$MgyUxMcKTxqjChBOJQKr3OmPfOap.VmQKIVFnHupHlNna6fXakCdG"},
	{"bcrypt, 72 bytes", strings.Repeat("x", 72), password.Bcrypt, "$2b$04$naHDmRq/fqPqs1lLv3UCy.Jgogp04hnCUB4NMtVihSZSE8.V8hc5S"},
	{"argon2-cffi", "correct-horse-battery", password.Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9SkDSXeBSpB0x+7sMpfaNrvIcwFseaUl1tHl9c1z6TY"},
	{"argon2-cffi, two lanes", "zum Glück 日本", password.Argon2id, "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHRzYWx0$HWz07I4vDGJnXzhNDunm/5MSZRqNDn5L"},
	{"argon2-cffi, 64 bytes", ":a:b:", password.Argon2id, "$argon2id$v=19$m=256,t=3,p=4$c29tZXNhbHQ$hkPHeNYCD/+Cuza7g5Nm6ox33uar6QY2FnBaYLEZyiLWT4tDsGZTpVrAMhM33O9lJrexO34b7hCgKR5VMX7+Vw"},
	{"argon2-cffi, a long password", strings.Repeat("y", 300), password.Argon2id, "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$UrVps0X8aYCZf3Mw+bNNvtvwtDd+TKhFLFneZUITKME"},
	{"argon2", "correct-horse-battery", password.Argon2id, "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aVLvK7x9P2xLb3XihnklBtXFf/9wqPfu/JiAJM1TiFQ"},
}

// matches verifies a password as the guard does: first what is fast, then the rest.
func matches(t *testing.T, encryption password.Encryption, stored, text string) bool {
	t.Helper()
	hash, err := password.Parse(encryption, stored)
	require.NoError(t, err)
	return hash.MatchesFast([]byte(text)) || password.NewHasher().Verify(&hash, text, new(password.Costliest))
}

func TestHashesMadeByOtherProgramsAreVerified(t *testing.T) {
	for _, f := range foreign {
		t.Run(f.by, func(t *testing.T) {
			assert.True(t, matches(t, f.encryption, f.hash, f.text))
			assert.False(t, matches(t, f.encryption, f.hash, f.text+" "))
			assert.False(t, matches(t, f.encryption, f.hash, f.text[1:]))
		})
	}
}

// To bcrypt these would all be the password.
func TestBcryptMatchesNoMoreThanThePassword(t *testing.T) {
	for _, tt := range []struct{ hash, text string }{
		{foreign[5].hash, strings.Repeat("x", 73)},
		{foreign[5].hash, strings.Repeat("x", 72) + " and more"},
		{foreign[5].hash, strings.Repeat("x", 72) + "\x00"},
		{foreign[0].hash, "correct-horse-battery\x00correct-horse-battery"},
		{foreign[0].hash, strings.Repeat("correct-horse-battery\x00", 3)},
	} {
		assert.False(t, matches(t, password.Bcrypt, tt.hash, tt.text), "%q", tt.text)
	}
}

func TestMalformedAndTooCostlyHashesAreRefused(t *testing.T) {
	const salt, sum = "MDEyMzQ1Njc4OWFiY2RlZg", "R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME"
	argon := func(parameters string) string { return "$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }
	bcrypt := foreign[0].hash
	for encryption, hashes := range map[password.Encryption][]string{
		password.Argon2id: {
			"", "correct-horse-battery", bcrypt, argon("m=64,t=1,p=1") + "$", " " + argon("m=64,t=1,p=1"), argon("m=64,t=1,p=1") + "\n",
			strings.Replace(argon("m=64,t=1,p=1"), "argon2id", "argon2i", 1), strings.Replace(argon("m=64,t=1,p=1"), "v=19", "v=16", 1),
			strings.Replace(argon("m=64,t=1,p=1"), "$v=19", "", 1),
			argon("t=1,m=64,p=1"), argon("m=64,t=1"), argon("m=64,t=1,p=1,x=1"), argon("m=+64,t=1,p=1"), argon("m=064,t=1,p=1"), argon("m=0x40,t=1,p=1"),
			// Gigabytes, minutes, and numbers that would wrap round.
			argon("m=262145,t=1,p=1"), argon("m=4194304,t=1,p=1"), argon("m=999999999,t=1,p=1"), argon("m=4294967360,t=1,p=1"), argon("m=18446744073709551680,t=1,p=1"),
			argon("m=64,t=17,p=1"), argon("m=64,t=4294967297,p=1"), argon("m=1024,t=1,p=17"), argon("m=4096,t=1,p=257"),
			argon("m=0,t=1,p=1"), argon("m=64,t=0,p=1"), argon("m=64,t=1,p=0"), argon("m=7,t=1,p=1"), argon("m=31,t=1,p=4"),
			"$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + sum, "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("AAAA", 22) + "$" + sum,
			"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$AAAA", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + strings.Repeat("AAAA", 22),
			"$argon2id$v=19$m=64,t=1,p=1$" + salt + "==$" + sum, "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum[:42] + "F",
			"$argon2id$v=19$m=64,t=1,p=1$$" + sum, "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$", "$argon2id$v=19$m=64,t=1,p=1$" + salt,
		},
		password.Bcrypt: {
			"", "correct-horse-battery", argon("m=64,t=1,p=1"), bcrypt[:59], bcrypt + "a", bcrypt + "\n", "$2$04$" + bcrypt[7:], "$2x$04$" + bcrypt[7:], "$1a$04$" + bcrypt[7:],
			"$2y$03$" + bcrypt[7:], "$2y$16$" + bcrypt[7:], "$2y$31$" + bcrypt[7:], "$2y$99$" + bcrypt[7:], "$2y$4$" + bcrypt[6:], "$2y$+4$" + bcrypt[7:],
			bcrypt[:30] + "-" + bcrypt[31:], "$apr1$aaaaaaaa$bbbbbbbbbbbbbbbbbbbbbb",
		},
	} {
		for _, hash := range hashes {
			_, err := password.Parse(encryption, hash)
			if assert.Error(t, err, hash) {
				assert.NotContains(t, err.Error(), sum)
				assert.NotContains(t, err.Error(), bcrypt[7:])
			}
		}
	}
}

func TestTheCostliestHashesThatMayBeConfigured(t *testing.T) {
	for encryption, hash := range map[password.Encryption]string{
		password.Argon2id: "$argon2id$v=19$m=262144,t=16,p=16$MDEyMzQ1Njc4OWFiY2RlZg$R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME",
		password.Bcrypt:   "$2y$15$" + foreign[0].hash[7:],
	} {
		_, err := password.Parse(encryption, hash)
		assert.NoError(t, err)
	}
}

func TestANewHashIsSaltedAndCanBeVerified(t *testing.T) {
	hash, err := password.New("zum Glück: 日本")
	require.NoError(t, err)
	assert.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)
	again, err := password.New("zum Glück: 日本")
	require.NoError(t, err)
	assert.NotEqual(t, hash, again, "salted")
	assert.True(t, matches(t, password.Argon2id, hash, "zum Glück: 日本"))
}

func TestNewPasswordsThatAreGuessedFirstAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "short", "seven77", strings.Repeat("long", 257), "tab\tinside", "line\ninside", "\xff\xfe no text",
		"password", "PASSWORD", "Password1", "password2026!", "12345678", "1234567890", "qwertyuiop", "iloveyou", "letmein123", "changeme!!!",
		"aaaaaaaaaaaa", "00000000", "fraudcheck1", "Checkout2026", "correcthorsebatterystaple",
	} {
		hash, err := password.New(text)
		assert.Empty(t, hash, text)
		if assert.ErrorContains(t, err, "expected a password ", "%q", text) && text != "" && text != "password" {
			assert.NotContains(t, err.Error(), text)
		}
	}
}

func TestFastPasswordsAreVerifiedWithoutASlowHash(t *testing.T) {
	const digest = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5" // of 12345
	for encryption, stored := range map[password.Encryption]string{password.Clear: "12345", password.SHA256: strings.ToUpper(digest)} {
		hash, err := password.Parse(encryption, stored)
		require.NoError(t, err)
		assert.False(t, hash.IsSlow())
		assert.True(t, hash.MatchesFast([]byte("12345")))
		assert.False(t, hash.MatchesFast([]byte("123456")))
		assert.False(t, hash.MatchesFast(nil))
	}
	for encryption, stored := range map[password.Encryption]string{password.Clear: "", password.SHA256: digest[1:], "rot13": "x", "": "x"} {
		_, err := password.Parse(encryption, stored)
		assert.Error(t, err, encryption)
	}
}

func TestTheZeroHashMatchesNoPassword(t *testing.T) {
	var hash password.Hash
	assert.False(t, hash.MatchesFast(nil))
	assert.False(t, hash.MatchesFast([]byte("x")))
	assert.False(t, password.NewHasher().Verify(&hash, "", new(password.Costliest)))
}
