package auth_test

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/session"
)

// homeOnly lets callers in from home, and from where a proxy at home says.
func homeOnly(t *testing.T, i *instance, change ...func(*session.Settings)) {
	t.Helper()
	settings := issuing
	for _, c := range change {
		c(&settings)
	}
	i.Replace(compile(t, auth.Settings{
		Users: someUsers, Tokens: settings, Networks: []string{home, "2001:db8::/32"}, TrustedProxies: []string{home},
	}))
}

func (i *instance) from(peer string, lines ...string) *auth.Request {
	r := i.request(lines...)
	r.Peer = netip.MustParseAddr(peer)
	return r
}

func TestGuessingAtTheLoginIsSlowedAsGuessingWithBasicIs(t *testing.T) {
	for _, user := range []string{"checkout", "stranger"} {
		i := alone(t)
		for range 30 { // they are counted together
			_, err := i.Login(i.from(guesser), user, "guess")
			require.Equal(t, auth.Invalid, err)
			require.Equal(t, auth.Invalid, ask(i.Guard, guesser, basic(user+":guess")))
		}
		_, err := i.Login(i.from(guesser), user, "guess")
		assert.Equal(t, later(5*time.Second), err)
		assert.Equal(t, later(5*time.Second), ask(i.Guard, guesser, basic(user+":guess")))
		assert.Positive(t, i.observed["login too_many_failures"])
	}
}

func TestARightPasswordLogsInWhileItsNetworkIsThrottled(t *testing.T) {
	i := alone(t)
	for range 500 {
		_, _ = i.Login(i.from(home), "checkout", "guess")
	}
	issued, cookie := i.login("checkout", "open sesame")
	assert.Equal(t, "checkout", i.ask(bearing(issued.Access)))
	assert.Equal(t, "checkout", i.ask(cookie))
	_, err := i.Refresh(i.request(), issued.Refresh)
	assert.NoError(t, err)
}

func TestInvalidTokensAreChargedToTheAddress(t *testing.T) {
	i := alone(t)
	shows := map[string]func() error{
		"an access token": func() error { return ask(i.Guard, guesser, "Bearer fc_a_AAAA") },
		"a session": func() error {
			_, err := i.Authenticate(i.from(guesser, "Cookie: fraudcheck_session=fc_s_AAAA"))
			return err
		},
		"a refresh token": func() error { _, err := i.Refresh(i.from(guesser), "fc_r_AAAA"); return err },
	}
	for what, show := range shows {
		i.after(time.Hour)
		for range 300 {
			require.Equal(t, auth.TokenInvalid, show(), what)
		}
		assert.Equal(t, later(200*time.Millisecond), show(), what)
	}
}

func TestATokenThatExpiredIsNoGuess(t *testing.T) {
	i := alone(t)
	issued, _ := i.login("checkout", "open sesame")
	i.after(24 * time.Hour)
	for range 100 {
		require.Equal(t, "token_expired", i.ask(bearing(issued.Access)))
		_, err := i.Refresh(i.request(), issued.Refresh)
		require.Equal(t, auth.TokenExpired, err)
	}
}

func TestTokensAndSessionsAreRefusedOutsideTheNetworks(t *testing.T) {
	i := alone(t)
	homeOnly(t, i)
	_, err := i.Login(i.from(other), "checkout", "open sesame")
	assert.Equal(t, auth.NetworkRefused, err)
	_, err = i.Login(i.from(other), "checkout", "guess")
	assert.Equal(t, auth.Invalid, err, "credentials come first")

	issued, cookie := i.login("checkout", "open sesame")
	for _, line := range []string{bearing(issued.Access), cookie} {
		_, err := i.Authenticate(i.from(other, line, "Sec-Fetch-Site: none"))
		assert.Equal(t, auth.NetworkRefused, err)
	}
	_, err = i.Refresh(i.from(other), issued.Refresh)
	assert.Equal(t, auth.NetworkRefused, err)
	_, err = i.Refresh(i.from(home), issued.Refresh)
	assert.NoError(t, err, "it was not used")
}

func TestARefusedRequestDoesNotProlongTheSession(t *testing.T) {
	i := alone(t)
	homeOnly(t, i)
	_, cookie := i.login("checkout", "open sesame")
	i.after(50 * time.Minute)
	_, err := i.Authenticate(i.from(other, cookie, "Sec-Fetch-Site: none"))
	require.Equal(t, auth.NetworkRefused, err)
	i.after(10 * time.Minute)
	assert.Equal(t, "token_expired", i.ask(cookie))
}

func TestNoFreshTokenIsIssuedOutsideTheNetworks(t *testing.T) {
	i := alone(t)
	homeOnly(t, i, func(s *session.Settings) { s.Sliding = true })
	issued, _ := i.login("checkout", "open sesame")
	i.after(20 * time.Minute)
	r := i.from(other, bearing(issued.Access))
	_, err := i.Authenticate(r)
	require.Equal(t, auth.NetworkRefused, err)
	assert.Empty(t, r.Grant.Fresh)
	r = i.from(home, bearing(issued.Access))
	r.Needs = auth.Analyst
	_, err = i.Authenticate(r)
	require.Equal(t, auth.RoleMissing, err)
	assert.NotEmpty(t, r.Grant.Fresh, "who is known may go on")
}

func TestABoundUserIsBoundToTheAddressBehindTheProxy(t *testing.T) {
	i := alone(t)
	homeOnly(t, i)
	by := func(client string, lines ...string) *auth.Request {
		return i.from(home, append(lines, "X-Forwarded-For: "+client)...)
	}
	issued, err := i.Login(by("2001:db8:1:2::3"), "bound", "here only")
	require.NoError(t, err)
	_, err = i.Authenticate(by("2001:db8:1:2::4", bearing(issued.Access)))
	assert.NoError(t, err)
	_, err = i.Authenticate(by("2001:db8:1:3::3", bearing(issued.Access)))
	assert.Equal(t, auth.TokenInvalid, err)
	_, err = i.Refresh(by("2001:db8:1:3::3"), issued.Refresh)
	assert.Equal(t, auth.TokenInvalid, err)
}

// slowly is a guard whose one user has a slow hash; hashed counts them.
func slowly(t *testing.T) (i *instance, hashed *atomic.Int64) {
	i, hashed = alone(t), new(atomic.Int64)
	i.Replace(configured(t, issuing, []auth.User{lean}))
	i.Watch(func() {}, func(_, _ uint64) { hashed.Add(1) })
	return i, hashed
}

func TestASlowPasswordIsHashedOnceForLoginsAndForBasic(t *testing.T) {
	i, hashed := slowly(t)
	for range 5 {
		i.login("lean", shared)
		require.NoError(t, ask(i.Guard, home, basic("lean:"+shared)))
	}
	assert.EqualValues(t, 1, hashed.Load())
}

func TestARefusedLoginCostsOneHashForEveryUser(t *testing.T) {
	for _, words := range [][2]string{{"lean", "wrong"}, {"stranger", "wrong"}, {"le:an", "wrong"}, {"", ""}} {
		i, hashed := slowly(t)
		_, err := i.Login(i.from(home), words[0], words[1])
		assert.Equal(t, auth.Invalid, err)
		assert.EqualValues(t, 1, hashed.Load(), words[0])
	}
}

func TestNameAndPasswordOfALoginAreBounded(t *testing.T) {
	i := alone(t)
	for _, words := range [][2]string{{"checkout", strings.Repeat("x", 8000)}, {strings.Repeat("x", 8000), "open sesame"}} {
		_, err := i.Login(i.from(home), words[0], words[1])
		assert.Equal(t, auth.Invalid, err)
	}
}
