package auth_test

import (
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
)

var midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

const (
	home  = "203.0.113.7"
	other = "203.0.113.8"
)

// An instance is a guard whose time and whose callers' addresses are the test's.
type instance struct {
	*auth.Guard
	t        testing.TB
	store    session.Store
	now      time.Time
	observed map[string]int // by scheme and result
}

var issuing = session.Settings{TTL: 30 * time.Minute, RefreshTTL: 24 * time.Hour, PerUser: 3, SessionTimeout: time.Hour}

var someUsers = []auth.User{
	{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker},
	{Name: "analyst", Password: hexSHA256("magnifier"), Encryption: password.SHA256, Roles: auth.Analyst},
	{Name: "bound", Password: "here only", Encryption: password.Clear, Roles: auth.Checker, BindIP: true},
}

func newInstance(t testing.TB, store session.Store, settings session.Settings) *instance {
	t.Helper()
	keys, err := session.NewKeys([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	i := &instance{Guard: auth.NewGuard(configured(t, settings, someUsers)), t: t, store: store, now: midnight, observed: map[string]int{}}
	i.Logins = session.NewLogins(keys, store)
	i.Guard.Now = func() time.Time { return i.now }
	i.Observe = func(scheme, result string) {
		assert.Contains(t, closedSet(), scheme+" "+result)
		i.observed[scheme+" "+result]++
	}
	return i
}

// closedSet are the schemes and results that the metrics know.
var closedSet = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, o := range auth.AllOutcomes() {
		for _, result := range o.Results {
			set[o.Scheme+" "+result] = true
		}
	}
	return set
})

func configured(t testing.TB, settings session.Settings, users []auth.User) *auth.Policy {
	t.Helper()
	return compile(t, auth.Settings{Users: users, Tokens: settings})
}

// alone is an instance with the embedded store.
func alone(t testing.TB, change ...func(*session.Settings)) *instance {
	settings := issuing
	for _, c := range change {
		c(&settings)
	}
	return newInstance(t, session.NewMemory(), settings)
}

// request is a POST from home with these header lines.
func (i *instance) request(lines ...string) *auth.Request {
	h := header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h[name] = append(h[name], []byte(value))
	}
	return &auth.Request{
		Header: h, At: i.now, Peer: netip.MustParseAddr(home), Method: []byte("POST"), Host: []byte("checks.example"),
	}
}

func bearing(token string) string { return "Authorization: Bearer " + token }

// login logs in and returns what was issued, and the Cookie line.
func (i *instance) login(username, password string, lines ...string) (t *auth.Tokens, cookie string) {
	i.t.Helper()
	t, err := i.Login(i.request(lines...), username, password)
	require.NoError(i.t, err)
	cookie, _, _ = strings.Cut(t.Cookie, ";")
	return t, "Cookie: " + cookie
}

// ask authenticates a GET with this line and returns the caller's name, or the
// failure.
func (i *instance) ask(line string) string {
	i.t.Helper()
	r := i.request(line)
	r.Method = []byte("GET")
	caller, err := i.Authenticate(r)
	if err != nil {
		var failure auth.Failure
		require.ErrorAs(i.t, err, &failure)
		return string(failure)
	}
	return caller.Name
}

func (i *instance) after(d time.Duration) { i.now = i.now.Add(d) }

func TestALoginIssuesATokenAndASessionThatAreGood(t *testing.T) {
	for _, how := range []string{"by words", "by header"} {
		t.Run(how, func(t *testing.T) {
			i := alone(t)
			var issued *auth.Tokens
			var cookie string
			if how == "by words" {
				issued, cookie = i.login("analyst", "magnifier")
			} else {
				issued, cookie = i.login("", "", "Authorization: "+basic("analyst:magnifier"))
			}
			assert.Equal(t, 30*time.Minute, issued.ExpiresIn)
			for line, scheme := range map[string]string{bearing(issued.Access): "token", cookie: "session"} {
				r := i.request(line, "Sec-Fetch-Site: same-origin")
				caller, err := i.Authenticate(r)
				require.NoError(t, err)
				assert.Equal(t, auth.Caller{Name: "analyst", Roles: auth.Analyst}, *caller)
				assert.Equal(t, scheme, r.Scheme())
				assert.False(t, r.Grant.Local)
			}
		})
	}
}

func TestALoginFailsAlikeForAnUnknownUserAndAWrongPassword(t *testing.T) {
	i := alone(t)
	for _, words := range [][2]string{{"stranger", "open sesame"}, {"checkout", "wrong"}, {"", ""}, {"checkout:open", "sesame"}, {"checkout", ""}} {
		issued, err := i.Login(i.request(), words[0], words[1])
		assert.Nil(t, issued)
		assert.Equal(t, auth.Invalid, err)
	}
	assert.Equal(t, map[string]int{"login credentials_invalid": 5}, i.observed)
}

func TestALoginTakesNoOtherScheme(t *testing.T) {
	i := alone(t)
	issued, cookie := i.login("checkout", "open sesame")
	for _, line := range []string{bearing(issued.Access), "Authorization: Basic", "Authorization: Basic !", "Authorization: "} {
		_, err := i.Login(i.request(line), "checkout", "open sesame")
		assert.ErrorIs(t, err, auth.Malformed, line)
	}
	_, err := i.Login(i.request(cookie), "", "")
	assert.Equal(t, auth.Invalid, err, "a session is no password")
	both := i.request("Authorization: "+basic("checkout:open sesame"), "Authorization: "+basic("checkout:open sesame"))
	_, err = i.Login(both, "", "")
	assert.Equal(t, auth.Malformed, err)
}

func TestAnAccessTokenExpires(t *testing.T) {
	i := alone(t)
	issued, _ := i.login("checkout", "open sesame")
	i.after(30*time.Minute - time.Millisecond)
	assert.Equal(t, "checkout", i.ask(bearing(issued.Access)))
	i.after(time.Millisecond)
	assert.Equal(t, "token_expired", i.ask(bearing(issued.Access)))
}

func TestNoTokenOutlivesItsLogin(t *testing.T) {
	i := alone(t, func(s *session.Settings) { s.SessionTimeout = 2 * time.Hour })
	issued, cookie := i.login("checkout", "open sesame")
	for hours := range 23 {
		i.now = midnight.Add(time.Duration(hours+1) * time.Hour)
		require.Equal(t, "checkout", i.ask(cookie))
		var err error
		issued, err = i.Refresh(i.request(), issued.Refresh)
		require.NoError(t, err)
	}
	i.now = midnight.Add(24*time.Hour - 10*time.Minute)
	issued, err := i.Refresh(i.request(), issued.Refresh)
	require.NoError(t, err)
	assert.Equal(t, 10*time.Minute, issued.ExpiresIn)
	require.Equal(t, "checkout", i.ask(cookie))
	i.now = midnight.Add(24 * time.Hour)
	assert.Equal(t, "token_expired", i.ask(bearing(issued.Access)))
	assert.Contains(t, []string{"token_expired", "token_invalid"}, i.ask(cookie))
	_, err = i.Refresh(i.request(), issued.Refresh)
	assert.Equal(t, auth.TokenExpired, err)
}

// Every change of a character and every other use is refused.
func TestAChangedOrMisusedTokenIsRefused(t *testing.T) {
	i := alone(t)
	issued, cookie := i.login("checkout", "open sesame")
	foreign := alone(t)
	keys, err := session.NewKeys([]byte(strings.Repeat("x", 32)))
	require.NoError(t, err)
	foreign.Logins = session.NewLogins(keys, session.NewMemory())
	elsewhere, foreignCookie := foreign.login("checkout", "open sesame")
	session := strings.TrimPrefix(cookie, "Cookie: fraudcheck_session=")
	for what, token := range map[string]string{
		"a refresh token": issued.Refresh, "a session": session, "nothing more": "fc_a_", "the prefix of all": "fc_",
		"another hash key's": elsewhere.Access, "a letter more": issued.Access + "A", "padding": issued.Access + "=",
		"a line end": issued.Access[:20] + "\n" + issued.Access[20:], "a letter less": issued.Access[:len(issued.Access)-1],
		"another kind": "fc_a_" + issued.Refresh[5:], "very long": "fc_a_" + strings.Repeat("A", 1<<16), "another case": "FC_A_" + issued.Access[5:],
	} {
		assert.Contains(t, []string{"token_invalid", "authorization_malformed"}, i.ask(bearing(token)), what)
	}
	for at := range issued.Access {
		changed := []byte(issued.Access)
		changed[at] ^= 1
		require.NotEqual(t, "checkout", i.ask(bearing(string(changed))), at)
	}
	for at := range session {
		changed := []byte(session)
		changed[at] ^= 1
		require.NotEqual(t, "checkout", i.ask("Cookie: fraudcheck_session="+string(changed)), at)
	}
	i.after(time.Minute) // what was wrong is forgiven
	for _, token := range []string{"", issued.Access, session, elsewhere.Refresh, issued.Refresh + "A"} {
		_, err := i.Refresh(i.request(), token)
		assert.Equal(t, auth.TokenInvalid, err)
	}
	assert.Equal(t, "token_invalid", i.ask(foreignCookie))
	assert.Equal(t, "token_invalid", i.ask("Cookie: fraudcheck_session="))
	assert.Equal(t, "token_invalid", i.ask(cookie+"; "+cookie[len("Cookie: "):]), "of two none is believed")
	assert.Equal(t, "authorization_missing", i.ask("Cookie: theme=dark"))
	assert.Equal(t, "checkout", i.ask(bearing(issued.Access)), "what they were made of")
	assert.Equal(t, "checkout", i.ask("Cookie: theme=dark; "+cookie[len("Cookie: "):]+"; a=b"))
}

func TestBesideAnAuthorizationHeaderTheSessionIsIgnored(t *testing.T) {
	i := alone(t)
	_, cookie := i.login("checkout", "open sesame")
	for line, want := range map[string]error{
		"Authorization: " + basic("checkout:wrong"): auth.Invalid, "Authorization: ": auth.Missing, bearing("fc_a_x"): auth.TokenInvalid,
	} {
		_, err := i.Authenticate(i.request(line, cookie, "Sec-Fetch-Site: same-origin"))
		assert.ErrorIs(t, err, want)
	}
	caller, err := i.Authenticate(i.request("Authorization: "+basic("analyst:magnifier"), cookie))
	require.NoError(t, err)
	assert.Equal(t, "analyst", caller.Name)
}

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	i := alone(t)
	first, cookie := i.login("checkout", "open sesame")
	second, err := i.Refresh(i.request(), first.Refresh)
	require.NoError(t, err)
	assert.NotEqual(t, first.Refresh, second.Refresh)
	for _, line := range []string{bearing(first.Access), bearing(second.Access), cookie} {
		assert.Equal(t, "checkout", i.ask(line))
	}
	stolen, err := i.Refresh(i.request(), first.Refresh)
	assert.Nil(t, stolen)
	assert.Equal(t, auth.TokenInvalid, err)
	for _, line := range []string{bearing(first.Access), bearing(second.Access), cookie} {
		assert.Equal(t, "token_invalid", i.ask(line), "all of it is revoked")
	}
	_, err = i.Refresh(i.request(), second.Refresh)
	assert.Equal(t, auth.TokenInvalid, err, "nobody knows who has which copy")
	assert.Equal(t, 1, i.observed["refresh reused"])
}

func TestALogoutEndsItsWholeLoginAndNoOther(t *testing.T) {
	for _, by := range []string{"access token", "expired access token", "session"} {
		t.Run(by, func(t *testing.T) {
			i := alone(t)
			issued, cookie := i.login("checkout", "open sesame")
			another, _ := i.login("checkout", "open sesame")
			line := bearing(issued.Access)
			switch by {
			case "session":
				line = cookie
			case "expired access token":
				i.after(31 * time.Minute)
				var err error
				another, err = i.Refresh(i.request(), another.Refresh)
				require.NoError(t, err)
			}
			require.NoError(t, i.Logout(i.request(line, "Sec-Fetch-Site: same-origin"), ""))
			assert.Contains(t, []string{"token_invalid", "token_expired"}, i.ask(bearing(issued.Access)))
			assert.Equal(t, "token_invalid", i.ask(cookie))
			_, err := i.Refresh(i.request(), issued.Refresh)
			assert.Equal(t, auth.TokenInvalid, err)
			assert.Equal(t, "checkout", i.ask(bearing(another.Access)))
		})
	}
}

func TestALogoutWithoutALoginIsNoFailure(t *testing.T) {
	i := alone(t)
	for _, line := range []string{"Accept: */*", "Authorization: ", "Authorization: " + basic("checkout:open sesame"), "Cookie: another=x"} {
		assert.NoError(t, i.Logout(i.request(line, "Sec-Fetch-Site: same-origin"), ""), line)
	}
}

func TestALogoutWithWrongCredentialsIsAFailure(t *testing.T) {
	i := alone(t)
	issued, cookie := i.login("checkout", "open sesame")
	for line, want := range map[string]auth.Failure{
		"Authorization: " + basic("checkout:wrong"): auth.Invalid,
		bearing("fc_a_x"): auth.TokenInvalid,
		bearing("fc_a_" + strings.Repeat("A", 200)):       auth.TokenInvalid,
		bearing(issued.Access + "A"):                      auth.TokenInvalid,
		"Authorization: Digest x":                         auth.Malformed,
		"Cookie: fraudcheck_session=fc_s_x":               auth.TokenInvalid,
		"Cookie: fraudcheck_session=" + issued.Access[5:]: auth.TokenInvalid,
	} {
		assert.ErrorIs(t, i.Logout(i.request(line, "Sec-Fetch-Site: same-origin"), ""), want, line)
	}
	assert.Equal(t, auth.TokenInvalid, i.Logout(i.request(), "fc_r_x"))
	assert.Equal(t, "checkout", i.ask(cookie), "nobody was logged out")
}

func TestALogoutEndsEverythingThatItIsShown(t *testing.T) {
	i := alone(t)
	byRefresh, _ := i.login("checkout", "open sesame")
	require.NoError(t, i.Logout(i.request(), byRefresh.Refresh))
	assert.Equal(t, "token_invalid", i.ask(bearing(byRefresh.Access)))
	require.NoError(t, i.Logout(i.request(), byRefresh.Refresh), "it may be tried again")

	first, _ := i.login("checkout", "open sesame")
	second, _ := i.login("checkout", "open sesame")
	require.NoError(t, i.Logout(i.request(bearing(first.Access)), second.Refresh))
	assert.Equal(t, "token_invalid", i.ask(bearing(first.Access)))
	assert.Equal(t, "token_invalid", i.ask(bearing(second.Access)))

	third, _ := i.login("checkout", "open sesame")
	assert.Equal(t, auth.TokenInvalid, i.Logout(i.request(bearing(third.Access)), "fc_r_x"), "one of them is wrong")
	assert.Equal(t, "token_invalid", i.ask(bearing(third.Access)), "the other one has ended all the same")

	fourth, _ := i.login("checkout", "open sesame")
	require.NoError(t, i.Logout(i.request("Authorization: Bearer "+fourth.Refresh), ""))
	assert.Equal(t, "token_invalid", i.ask(bearing(fourth.Access)))
}

func TestOneLoginTooManyEndsTheOldest(t *testing.T) {
	i := alone(t)
	var issued []*auth.Tokens
	for range 5 {
		i.after(time.Minute)
		tokens, _ := i.login("checkout", "open sesame")
		issued = append(issued, tokens)
	}
	others, _ := i.login("analyst", "magnifier")
	for n, want := range []string{"token_invalid", "token_invalid", "checkout", "checkout", "checkout"} {
		assert.Equal(t, want, i.ask(bearing(issued[n].Access)), n)
	}
	assert.Equal(t, "analyst", i.ask(bearing(others.Access)), "each user has as many")
	require.NoError(t, i.Logout(i.request(bearing(issued[4].Access)), ""))
	i.login("checkout", "open sesame")
	assert.Equal(t, "checkout", i.ask(bearing(issued[2].Access)), "who logged out does not count")
}

func TestALoginEndsTheSessionThatTheRequestShows(t *testing.T) {
	i := alone(t)
	first, cookie := i.login("checkout", "open sesame")
	_, next := i.login("checkout", "open sesame", cookie, "Sec-Fetch-Site: same-origin")
	assert.NotEqual(t, cookie, next)
	assert.Equal(t, "token_invalid", i.ask(cookie))
	assert.Equal(t, "token_invalid", i.ask(bearing(first.Access)))
	assert.Equal(t, "checkout", i.ask(next))
}

func TestARemovedOrChangedUserIsRefusedAtOnce(t *testing.T) {
	for what, users := range map[string][]auth.User{
		"removed":              someUsers[1:],
		"with a new password":  {{Name: "checkout", Password: "another", Encryption: password.Clear, Roles: auth.Checker}},
		"bound to one address": {{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker, BindIP: true}},
	} {
		t.Run(what, func(t *testing.T) {
			i := alone(t)
			issued, cookie := i.login("checkout", "open sesame")
			require.Equal(t, "checkout", i.ask(cookie))
			i.Replace(configured(t, issuing, users))
			assert.Equal(t, "token_invalid", i.ask(bearing(issued.Access)))
			assert.Equal(t, "token_invalid", i.ask(cookie))
			_, err := i.Refresh(i.request(), issued.Refresh)
			assert.Equal(t, auth.TokenInvalid, err)
		})
	}
}

func TestRolesAreThoseOfTheConfigurationInForce(t *testing.T) {
	i := alone(t)
	issued, cookie := i.login("checkout", "open sesame")
	i.Replace(configured(t, issuing, []auth.User{{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Operator}}))
	for _, line := range []string{bearing(issued.Access), cookie} {
		caller, err := i.Authenticate(i.request(line, "Sec-Fetch-Site: same-origin"))
		require.NoError(t, err)
		assert.Equal(t, auth.Operator, caller.Roles)
	}
}

func TestABoundLoginIsGoodOnlyFromItsNetwork(t *testing.T) {
	tests := []struct {
		from, to string
		good     bool
	}{
		{home, home, true},
		{home, "::ffff:" + home, true},
		{home, other, false},
		{"2001:db8:1:2::3", "2001:db8:1:2:ffff::4", true},
		{"2001:db8:1:2::3", "2001:db8:1:3::3", false},
		{home, "2001:db8:1:2::3", false},
	}
	for _, tt := range tests {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			i := alone(t)
			r := i.request()
			r.Peer = netip.MustParseAddr(tt.from)
			issued, err := i.Login(r, "bound", "here only")
			require.NoError(t, err)
			cookie, _, _ := strings.Cut(issued.Cookie, ";")
			for _, line := range []string{bearing(issued.Access), "Cookie: " + cookie} {
				r := i.request(line, "Sec-Fetch-Site: none")
				r.Peer = netip.MustParseAddr(tt.to)
				_, err := i.Authenticate(r)
				assert.Equal(t, tt.good, err == nil)
			}
			r = i.request()
			r.Peer = netip.MustParseAddr(tt.to)
			_, err = i.Refresh(r, issued.Refresh)
			assert.Equal(t, tt.good, err == nil)
		})
	}
	i := alone(t)
	r := i.request()
	r.Peer = netip.Addr{}
	_, err := i.Login(r, "bound", "here only")
	assert.Equal(t, auth.NetworkRefused, err, "bound to nowhere")
}

func TestSlidingIssuesAFreshTokenOnceHalfIsSpent(t *testing.T) {
	i := alone(t, func(s *session.Settings) { s.Sliding = true })
	issued, _ := i.login("checkout", "open sesame")
	token := issued.Access
	authenticate := func() string {
		r := i.request(bearing(token))
		_, err := i.Authenticate(r)
		require.NoError(t, err)
		return r.Grant.Fresh
	}
	i.after(15*time.Minute - time.Millisecond)
	assert.Empty(t, authenticate())
	i.after(time.Millisecond)
	fresh := 0
	for i.now.Before(midnight.Add(24*time.Hour - 10*time.Minute)) {
		if next := authenticate(); next != "" {
			token = next
			fresh++
		}
		i.after(10 * time.Minute)
	}
	assert.Greater(t, fresh, 40)
	i.now = midnight.Add(24*time.Hour - time.Millisecond)
	assert.Empty(t, authenticate(), "there is nothing left to prolong")
	i.now = midnight.Add(24 * time.Hour)
	assert.Equal(t, "token_expired", i.ask(bearing(token)))
}

func TestAuthenticatingByTokenCostsNoAllocation(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	i := alone(t)
	i.Observe = nil
	issued, cookie := i.login("checkout", "open sesame")
	for _, line := range []string{bearing(issued.Access), cookie} {
		r := i.request(line, "Sec-Fetch-Site: same-origin")
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := i.Authenticate(r); err != nil {
				t.Fatal(err)
			}
		}), line[:6])
	}
}
