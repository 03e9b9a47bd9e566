package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

// Hashes made by others: htpasswd of Apache, the bcrypt and argon2-cffi modules of
// Python, and the command argon2 of the reference implementation.
var foreign = []struct {
	by, password string
	encryption   auth.Encryption
	hash         string
}{
	{"htpasswd", "correct-horse-battery", auth.Bcrypt, "$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa"},
	{"htpasswd", "zum Glück", auth.Bcrypt, "$2y$05$wA3zJJywcL9G92ynPe.GWOjjEsdmx9LfNlsSCzwzRPmNm2/XMVh.2"},
	{"bcrypt", "correct-horse-battery", auth.Bcrypt, "$2b$04$YDhUUUll.M.DxZtkieb98OrPK6h02ZMJECk0zvnmq3F3Oh/Z9SkJy"},
	{"bcrypt, the older prefix", "correct-horse-battery", auth.Bcrypt, "$2a$05$1XtF3EVVwYlPnIGOcRoL2OQqHiiJwccv1X6rUN6MxWKbVZ2d5YKRm"},
	{"bcrypt, beyond ASCII", "zum Glück 日本", auth.Bcrypt, "$2b$04$MgyUxMcKTxqjChBOJQKr3OmPfOap.VmQKIVFnHupHlNna6fXakCdG"},
	{"bcrypt, 72 bytes", strings.Repeat("x", 72), auth.Bcrypt, "$2b$04$naHDmRq/fqPqs1lLv3UCy.Jgogp04hnCUB4NMtVihSZSE8.V8hc5S"},
	{"argon2-cffi", "correct-horse-battery", auth.Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9SkDSXeBSpB0x+7sMpfaNrvIcwFseaUl1tHl9c1z6TY"},
	{"argon2-cffi, two lanes", "zum Glück 日本", auth.Argon2id, "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHRzYWx0$HWz07I4vDGJnXzhNDunm/5MSZRqNDn5L"},
	{"argon2-cffi, 64 bytes", ":a:b:", auth.Argon2id, "$argon2id$v=19$m=256,t=3,p=4$c29tZXNhbHQ$hkPHeNYCD/+Cuza7g5Nm6ox33uar6QY2FnBaYLEZyiLWT4tDsGZTpVrAMhM33O9lJrexO34b7hCgKR5VMX7+Vw"},
	{"argon2-cffi, a long password", strings.Repeat("y", 300), auth.Argon2id, "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$UrVps0X8aYCZf3Mw+bNNvtvwtDd+TKhFLFneZUITKME"},
	{"argon2", "correct-horse-battery", auth.Argon2id, "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aVLvK7x9P2xLb3XihnklBtXFf/9wqPfu/JiAJM1TiFQ"},
}

func TestHashesMadeByOthersAreUnderstood(t *testing.T) {
	for _, f := range foreign {
		t.Run(f.by, func(t *testing.T) {
			guard, _ := guardOf(t, auth.User{Name: "checkout", Password: f.hash, Encryption: f.encryption, Roles: auth.Checker})
			caller, err := guard.Authenticate(authorization(basic("checkout:" + f.password)))
			require.NoError(t, err)
			assert.Equal(t, auth.Caller{Name: "checkout", Roles: auth.Checker}, *caller)
			for _, wrong := range []string{f.password + " ", f.password[1:]} {
				_, err := guard.Authenticate(authorization(basic("checkout:" + wrong)))
				assert.Equal(t, error(auth.Invalid), err)
			}
		})
	}
}

// To bcrypt these would all be the password.
func TestBcryptMatchesNoMoreThanThePassword(t *testing.T) {
	for _, tt := range []struct{ hash, password string }{
		{foreign[5].hash, strings.Repeat("x", 73)},
		{foreign[5].hash, strings.Repeat("x", 72) + " and more"},
		{foreign[5].hash, strings.Repeat("x", 72) + "\x00"},
		{foreign[0].hash, "correct-horse-battery\x00correct-horse-battery"},
		{foreign[0].hash, strings.Repeat("correct-horse-battery\x00", 3)},
	} {
		guard, _ := guardOf(t, auth.User{Name: "checkout", Password: tt.hash, Encryption: auth.Bcrypt})
		_, err := guard.Authenticate(authorization(basic("checkout:" + tt.password)))
		assert.Equal(t, error(auth.Invalid), err, "%q", tt.password)
	}
}

func TestHashesThatCannotBeAreRefused(t *testing.T) {
	const salt, sum = "MDEyMzQ1Njc4OWFiY2RlZg", "R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME"
	argon := func(parameters string) string { return "$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }
	bcrypt := foreign[0].hash
	for encryption, hashes := range map[auth.Encryption][]string{
		auth.Argon2id: {
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
		auth.Bcrypt: {
			"", "correct-horse-battery", argon("m=64,t=1,p=1"), bcrypt[:59], bcrypt + "a", bcrypt + "\n", "$2$04$" + bcrypt[7:], "$2x$04$" + bcrypt[7:], "$1a$04$" + bcrypt[7:],
			"$2y$03$" + bcrypt[7:], "$2y$16$" + bcrypt[7:], "$2y$31$" + bcrypt[7:], "$2y$99$" + bcrypt[7:], "$2y$4$" + bcrypt[6:], "$2y$+4$" + bcrypt[7:],
			bcrypt[:30] + "-" + bcrypt[31:], "$apr1$aaaaaaaa$bbbbbbbbbbbbbbbbbbbbbb",
		},
	} {
		for _, hash := range hashes {
			b, err := auth.NewBasic([]auth.User{{Name: "a", Password: hash, Encryption: encryption}})
			assert.Nil(t, b, hash)
			var wrong *auth.UserError
			if assert.ErrorAs(t, err, &wrong, hash) {
				assert.Equal(t, "password", wrong.Key)
				assert.NotContains(t, err.Error(), sum)
				assert.NotContains(t, err.Error(), bcrypt[7:])
			}
		}
	}
}

func TestTheDearestThatMayBeConfigured(t *testing.T) {
	for encryption, hash := range map[auth.Encryption]string{
		auth.Argon2id: "$argon2id$v=19$m=262144,t=16,p=16$MDEyMzQ1Njc4OWFiY2RlZg$R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME",
		auth.Bcrypt:   "$2y$15$" + foreign[0].hash[7:],
	} {
		_, err := auth.NewBasic([]auth.User{{Name: "a", Password: hash, Encryption: encryption}})
		assert.NoError(t, err)
	}
}

func TestANewHashIsOneThatIsUnderstood(t *testing.T) {
	hash, err := auth.HashPassword("zum Glück: 日本")
	require.NoError(t, err)
	assert.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)
	again, err := auth.HashPassword("zum Glück: 日本")
	require.NoError(t, err)
	assert.NotEqual(t, hash, again, "salted")
	guard, _ := guardOf(t, auth.User{Name: "a", Password: hash, Encryption: auth.Argon2id})
	_, err = guard.Authenticate(authorization(basic("a:zum Glück: 日本")))
	assert.NoError(t, err)
}

func TestPasswordsThatAreGuessedFirstAreRefused(t *testing.T) {
	for _, password := range []string{
		"", "short", "seven77", strings.Repeat("long", 257), "tab\tinside", "line\ninside", "\xff\xfe no text",
		"password", "PASSWORD", "Password1", "password2026!", "12345678", "1234567890", "qwertyuiop", "iloveyou", "letmein123", "changeme!!!",
		"aaaaaaaaaaaa", "00000000", "fraudcheck1", "Checkout2026", "correcthorsebatterystaple",
	} {
		hash, err := auth.HashPassword(password)
		assert.Empty(t, hash, password)
		if assert.ErrorContains(t, err, "expected a password ", "%q", password) && password != "" && password != "password" {
			assert.NotContains(t, err.Error(), password)
		}
	}
}
