package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
)

// letIn authenticates a GET of an analyst with this line.
func (i *instance) letIn(line string) *auth.Request {
	i.t.Helper()
	r := i.request(line)
	r.Method, r.Needs = []byte("GET"), auth.Analyst
	_, err := i.Authenticate(r)
	require.NoError(i.t, err)
	return r
}

func TestARequestThatLastsEndsWithItsLogin(t *testing.T) {
	for _, by := range []string{"token", "session"} {
		i := alone(t)
		issued, cookie := i.login("analyst", "magnifier")
		line := bearing(issued.Access)
		if by == "session" {
			line = cookie
		}
		r := i.letIn(line)
		i.after(time.Second)
		require.NoError(t, i.Recheck(r, i.now), by)
		require.NoError(t, i.Logout(i.request(bearing(issued.Access)), ""))
		assert.Error(t, i.Recheck(r, i.now), by)
	}
}

// A stream that a browser left open overnight keeps nobody logged in.
func TestRecheckingIsNoUseOfASession(t *testing.T) {
	i := alone(t)
	_, cookie := i.login("analyst", "magnifier")
	r := i.letIn(cookie)
	for range 3 {
		i.after(20*time.Minute - time.Second)
		require.NoError(t, i.Recheck(r, i.now))
	}
	i.after(3 * time.Second)
	assert.ErrorIs(t, i.Recheck(r, i.now), auth.TokenExpired)
	assert.Equal(t, "token_expired", i.ask(cookie))
}

func TestRecheckingATokenIsNoUseOfItsLogin(t *testing.T) {
	i := alone(t)
	issued, _ := i.login("analyst", "magnifier")
	r := i.letIn(bearing(issued.Access))
	used := func() time.Time {
		logins, err := i.ListLogins(i.now)
		require.NoError(t, err)
		require.Len(t, logins, 1)
		return logins[0].Used
	}
	before := used()
	i.after(time.Minute)
	require.NoError(t, i.Recheck(r, i.now))
	assert.Equal(t, before, used())
}

func TestAReloadThatRefusesACallerEndsItsRequests(t *testing.T) {
	slow, err := password.New("magnifier")
	require.NoError(t, err)
	again, err := password.New("magnifier")
	require.NoError(t, err)
	other, err := password.New("a loupe of glass")
	require.NoError(t, err)
	user := func(change ...func(*auth.User)) []auth.User {
		u := someUsers[1]
		for _, c := range change {
			c(&u)
		}
		return []auth.User{u, someUsers[0]}
	}
	with := func(password string, encryption password.Encryption) []auth.User {
		return user(func(u *auth.User) { u.Password, u.Encryption = password, encryption })
	}
	for _, tt := range []struct {
		name          string
		before, after []auth.User
		good          bool
	}{
		{"nothing is changed", user(), user(), true},
		{"nothing of a slow hash", with(slow, password.Argon2id), with(slow, password.Argon2id), true},
		{"the user is gone", user(), someUsers[:1], false},
		{"the password is another", user(), with("loupe", password.Clear), false},
		{"the password is the same, in another form", user(), with("magnifier", password.Clear), true},
		{"a slow hash of another password", with(slow, password.Argon2id), with(other, password.Argon2id), false},
		{"a new slow hash of the same password", with(slow, password.Argon2id), with(again, password.Argon2id), true},
		{"the role is gone", user(), user(func(u *auth.User) { u.Roles = auth.Checker }), false},
		{"the role is a greater one", user(), user(func(u *auth.User) { u.Roles = auth.Operator }), true},
		{"it may not ask from here", user(), user(func(u *auth.User) { u.Networks = []string{"192.0.2.0/24"} }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := alone(t)
			i.Replace(configured(t, issuing, tt.before))
			r := i.letIn("Authorization: " + basic("analyst:magnifier"))
			i.Replace(configured(t, issuing, tt.after))
			for range 100 { // more often than the throttle takes failures
				assert.Equal(t, tt.good, i.Recheck(r, i.now) == nil)
			}
			_, err := i.Authenticate(i.request("Authorization: " + basic("checkout:open sesame")))
			assert.NoError(t, err, "nothing was charged")
		})
	}
}

func TestASignedRequestThatLastsEndsWithItsKey(t *testing.T) {
	guard := signedGuard(t, noon)
	r := check("0123456789abcdef").sign()
	r.At = noon
	_, err := guard.Authenticate(r)
	require.NoError(t, err)
	guard.Replace(ofUsers(t, signedUsers...))
	later := noon.Add(time.Hour) // far beyond the time of one signature
	require.NoError(t, guard.Recheck(r, later))
	require.NoError(t, guard.Recheck(r, later), "it takes no nonce")
	users := slices.Clone(signedUsers)
	users[0].SigningKey = base64Of(otherSecret)
	guard.Replace(ofUsers(t, users...))
	assert.ErrorIs(t, guard.Recheck(r, later), auth.Invalid)
	guard.Replace(ofUsers(t, users[1:]...))
	assert.ErrorIs(t, guard.Recheck(r, later), auth.Invalid)
}

func TestARequestThatLastsEndsWithItsJWT(t *testing.T) {
	guard := auth.NewGuard(compile(t, auth.Settings{JWT: jwtSettings()}))
	guard.Now = func() time.Time { return noon }
	r := authorization("Bearer " + token(t, noon.Add(time.Minute)))
	_, err := guard.Authenticate(r)
	require.NoError(t, err)
	require.NoError(t, guard.Recheck(r, noon.Add(59*time.Second)))
	assert.ErrorIs(t, guard.Recheck(r, noon.Add(2*time.Minute)), auth.TokenExpired)
	guard.Replace(ofUsers(t, someUsers...))
	assert.ErrorIs(t, guard.Recheck(r, noon), auth.Invalid)
}
