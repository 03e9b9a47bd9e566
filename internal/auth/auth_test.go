package auth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
)

// basic is the Authorization value of RFC 7617.
func basic(userinfo string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

// header is a request's header, by name.
type header map[string][][]byte

func (h header) Values(name string) [][]byte { return h[name] }

// authorization is a request with these Authorization headers.
func authorization(values ...string) *auth.Request {
	h := header{}
	for _, v := range values {
		h["Authorization"] = append(h["Authorization"], []byte(v))
	}
	return &auth.Request{Header: h}
}

func hexSHA256(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// newPolicy is one with some users, and other settings changed.
func newPolicy(t testing.TB, changes ...func(*auth.Settings)) *auth.Policy {
	t.Helper()
	s := auth.Settings{Users: []auth.User{
		{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker},
		{Name: "hashed", Password: hexSHA256("zum Glück"), Encryption: password.SHA256, Roles: auth.Analyst},
		{Name: "shouted", Password: strings.ToUpper(hexSHA256("quiet")), Encryption: password.SHA256, Roles: auth.Operator},
		{Name: "kassa-ß-日本", Password: "пароль", Encryption: password.Clear, Roles: auth.Checker | auth.Analyst},
		{Name: "colons", Password: ":a:b:", Encryption: password.Clear, Roles: auth.Checker},
		{Name: "nobody special", Password: "x", Encryption: password.Clear},
	}}
	for _, change := range changes {
		change(&s)
	}
	return compile(t, s)
}

func newGuard(t testing.TB, changes ...func(*auth.Settings)) *auth.Guard {
	t.Helper()
	return auth.NewGuard(newPolicy(t, changes...))
}

func TestAValidHeaderNamesTheCaller(t *testing.T) {
	guard := newGuard(t)
	tests := []struct {
		name, header string
		want         auth.Caller
	}{
		{"as configured", basic("checkout:open sesame"), auth.Caller{Name: "checkout", Roles: auth.Checker}},
		{"the scheme in lower case", "basic" + basic("checkout:open sesame")[5:], auth.Caller{Name: "checkout", Roles: auth.Checker}},
		{"the scheme in mixed case", "bAsIC" + basic("checkout:open sesame")[5:], auth.Caller{Name: "checkout", Roles: auth.Checker}},
		{"a password kept as SHA-256", basic("hashed:zum Glück"), auth.Caller{Name: "hashed", Roles: auth.Analyst}},
		{"its digits in upper case", basic("shouted:quiet"), auth.Caller{Name: "shouted", Roles: auth.Operator}},
		{"beyond ASCII", basic("kassa-ß-日本:пароль"), auth.Caller{Name: "kassa-ß-日本", Roles: auth.Checker | auth.Analyst}},
		{"colons in the password", basic("colons::a:b:"), auth.Caller{Name: "colons", Roles: auth.Checker}},
		{"a blank in the name, and no role", basic("nobody special:x"), auth.Caller{Name: "nobody special"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := guard.Authenticate(authorization(tt.header))
			require.NoError(t, err)
			assert.Equal(t, tt.want, *caller)
		})
	}
}

func TestAMalformedOrWrongHeaderIsRefused(t *testing.T) {
	guard := newGuard(t)
	good := strings.TrimPrefix(basic("checkout:open sesame"), "Basic ")
	tests := []struct {
		name, header string
		want         auth.Failure
	}{
		{"nothing", "", auth.Missing},
		{"a scheme alone", "Basic", auth.Malformed},
		{"a scheme and a blank", "Basic ", auth.Malformed},
		{"credentials without a scheme", good, auth.Malformed},
		{"another scheme", "Bearer " + good, auth.Malformed},
		{"a longer scheme", "Basics " + good, auth.Malformed},
		{"a look-alike letter", "Baſic " + good, auth.Malformed},
		{"a tab for the blank", "Basic\t" + good, auth.Malformed},
		{"two credentials", "Basic " + good + ", Basic " + good, auth.Malformed},
		{"not base64", "Basic checkout:open", auth.Malformed},
		{"base64 without its padding", "Basic " + strings.TrimRight(basic("checkout:xy")[6:], "="), auth.Malformed},
		{"base64 of the URL alphabet", "Basic " + base64.URLEncoding.EncodeToString([]byte("checkout:???>>>")), auth.Malformed},
		{"base64 with bits left over", "Basic YTp=", auth.Malformed},
		{"text after the padding", "Basic YTo=YTo=", auth.Malformed},
		{"no colon", basic("checkout"), auth.Malformed},
		{"only a colon", basic(":"), auth.Invalid},
		{"no name", basic(":open sesame"), auth.Invalid},
		{"no password", basic("checkout:"), auth.Invalid},
		{"a wrong password", basic("checkout:open sesam"), auth.Invalid},
		{"a longer password", basic("checkout:open sesame "), auth.Invalid},
		{"the password of another", basic("checkout:quiet"), auth.Invalid},
		{"an unknown user", basic("stranger:open sesame"), auth.Invalid},
		{"a name in another case", basic("Checkout:open sesame"), auth.Invalid},
		{"a longer name", basic("checkout :open sesame"), auth.Invalid},
		{"bytes that are no text", basic("\xff\xfe:\x00"), auth.Invalid},
		{"the hash in place of its password", basic("hashed:" + hexSHA256("zum Glück")), auth.Invalid},
		{"the bytes of the hash", basic("hashed:" + string(sha256Of("zum Glück"))), auth.Invalid},
		{"as long as it may be", padded(4094), auth.Invalid},
		{"longer than it may be", padded(4098), auth.Malformed},
		{"very long", "Basic " + strings.Repeat("A", 1<<20), auth.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller, err := guard.Authenticate(authorization(tt.header))
			assert.Nil(t, caller)
			require.ErrorIs(t, err, tt.want)
			assert.NotEmpty(t, err.Error())
		})
	}
}

func sha256Of(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return sum[:]
}

// padded is a well-formed header of that length, for a user nobody knows; base64
// comes in fours.
func padded(length int) string {
	return basic("x:" + strings.Repeat("x", (length-len("Basic "))/4*3-2))
}

func TestPaddedHeadersHaveTheLengthTheySay(t *testing.T) {
	require.Len(t, padded(4094), 4094)
	require.Len(t, padded(4098), 4098)
}

func TestAFailureSaysNothingOfTheCredentials(t *testing.T) {
	guard := newGuard(t)
	_, unknown := guard.Authenticate(authorization(basic("stranger:open sesame")))
	_, wrong := guard.Authenticate(authorization(basic("checkout:wrong")))
	assert.Equal(t, unknown, wrong)
	for _, word := range []string{"stranger", "checkout", "open", "wrong"} {
		assert.NotContains(t, wrong.Error(), word)
	}
}

func TestTheGuardKeepsNoSliceOfTheHeader(t *testing.T) {
	guard := newGuard(t)
	request := authorization(basic("checkout:open sesame"))
	header := request.Header.Values("Authorization")[0]
	caller, err := guard.Authenticate(request)
	require.NoError(t, err)
	copy(header, bytes.Repeat([]byte("X"), len(header)))
	assert.Equal(t, "checkout", caller.Name)
}

func TestAValidHeaderCostsNoAllocation(t *testing.T) {
	guard := newGuard(t)
	for _, userinfo := range []string{"checkout:open sesame", "hashed:zum Glück"} {
		request := authorization(basic(userinfo))
		allocations := testing.AllocsPerRun(100, func() {
			if caller, err := guard.Authenticate(request); err != nil || caller == nil {
				t.Fatal(err)
			}
		})
		assert.Zero(t, allocations, userinfo)
	}
}

func TestTheChallengeNamesTheScheme(t *testing.T) {
	assert.Equal(t, `Basic realm="fraudcheck", charset="UTF-8"`, newGuard(t).Challenge())
}

func TestRolesPermit(t *testing.T) {
	const none auth.Roles = 0
	tests := []struct {
		name                         string
		holder                       auth.Roles
		checking, reading, operating bool
	}{
		{"nobody", none, false, false, false},
		{"checker", auth.Checker, true, false, false},
		{"analyst", auth.Analyst, false, true, false},
		{"checker and analyst", auth.Checker | auth.Analyst, true, true, false},
		{"operator", auth.Operator, true, true, true},
		{"all three", auth.Checker | auth.Analyst | auth.Operator, true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.checking, tt.holder.Permit(auth.Checker), "check")
			assert.Equal(t, tt.reading, tt.holder.Permit(auth.Analyst), "read")
			assert.Equal(t, tt.operating, tt.holder.Permit(auth.Operator), "operate")
			assert.True(t, tt.holder.Permit(auth.Anyone), "be known")
			assert.Equal(t, tt.checking || tt.reading, tt.holder.Permit(auth.Checker|auth.Analyst), "either of two")
		})
	}
}

func TestRolesHaveNames(t *testing.T) {
	assert.Empty(t, auth.Roles(0).Names())
	assert.Equal(t, []string{"checker", "operator"}, (auth.Checker | auth.Operator).Names())
}

func TestRolesAreFoundByName(t *testing.T) {
	for name, want := range map[string]auth.Roles{"checker": auth.Checker, "analyst": auth.Analyst, "operator": auth.Operator} {
		role, ok := auth.RoleNamed(name)
		assert.True(t, ok, name)
		assert.Equal(t, want, role, name)
	}
	for _, name := range []string{"", "Checker", "checker ", "admin"} {
		_, ok := auth.RoleNamed(name)
		assert.False(t, ok, name)
	}
}

func TestWrongUsersAreRefusedByTheirIndexAndKey(t *testing.T) {
	const secret = "correct-horse-battery"
	first := auth.User{Name: "first", Password: secret, Encryption: password.Clear}
	tests := []struct {
		name  string
		users []auth.User
		index int
		key   string
	}{
		{"no name", []auth.User{{Password: secret, Encryption: password.Clear}}, 0, "username"},
		{"a colon in the name", []auth.User{first, {Name: "a:b", Password: secret, Encryption: password.Clear}}, 1, "username"},
		{"a name given twice", []auth.User{first, {Name: "other", Password: secret, Encryption: password.Clear}, first}, 2, "username"},
		{"no password", []auth.User{first, {Name: "second", Encryption: password.Clear}}, 1, "password"},
		{"no hash", []auth.User{{Name: "second", Encryption: password.SHA256}}, 0, "password"},
		{"the password in place of its hash", []auth.User{{Name: "second", Password: secret, Encryption: password.SHA256}}, 0, "password"},
		{"a hash cut short", []auth.User{{Name: "second", Password: hexSHA256(secret)[:62], Encryption: password.SHA256}}, 0, "password"},
		{"a hash too long", []auth.User{{Name: "second", Password: hexSHA256(secret) + "00", Encryption: password.SHA256}}, 0, "password"},
		{"a hash of other letters", []auth.User{{Name: "second", Password: strings.Repeat("g", 64), Encryption: password.SHA256}}, 0, "password"},
		{"no encryption", []auth.User{{Name: "second", Password: hexSHA256(secret)}}, 0, "encryption"},
		{"an encryption nobody knows", []auth.User{{Name: "second", Password: hexSHA256(secret), Encryption: "rot13"}}, 0, "encryption"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wrong := wrongSetting(t, auth.Settings{Users: tt.users})
			assert.Equal(t, "users", wrong.List)
			assert.Equal(t, tt.index, wrong.Index)
			assert.Equal(t, tt.key, wrong.Key)
			assert.Contains(t, wrong.Error(), tt.key)
			if password := tt.users[tt.index].Password; password != "" {
				assert.NotContains(t, wrong.Error(), password)
			}
		})
	}
}
