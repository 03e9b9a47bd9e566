package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

func TestASessionEndsWhenItIsNotUsed(t *testing.T) {
	i := alone(t)
	_, cookie := i.login("checkout", "open sesame")
	for range 10 {
		i.after(time.Hour - time.Millisecond)
		require.Equal(t, "checkout", i.ask(cookie), "each use prolongs it")
	}
	i.after(time.Hour)
	assert.Equal(t, "token_expired", i.ask(cookie))
	i.after(-time.Minute)
	assert.Equal(t, "checkout", i.ask(cookie), "what was refused is no use")
}

func TestASessionSaysWhenItEnds(t *testing.T) {
	i := alone(t)
	_, cookie := i.login("checkout", "open sesame")
	i.after(30 * time.Minute)
	r := i.request(cookie, "Sec-Fetch-Site: same-origin")
	_, err := i.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, time.Hour, r.Grant.Expires.Sub(i.now))
}

func TestTheCookieIsForThisOriginAlone(t *testing.T) {
	i := alone(t)
	r := i.request()
	issued, err := i.Login(r, "checkout", "open sesame")
	require.NoError(t, err)
	assert.Regexp(t, `^fraudcheck_session=fc_s_[A-Za-z0-9_-]{86}; Path=/; HttpOnly; SameSite=Strict$`, issued.Cookie)
	r.TLS = true
	secure, err := i.Login(r, "checkout", "open sesame")
	require.NoError(t, err)
	assert.Regexp(t, `^__Host-fraudcheck_session=fc_s_[A-Za-z0-9_-]{86}; Path=/; HttpOnly; SameSite=Strict; Secure$`, secure.Cookie)
	assert.Equal(t, "fraudcheck_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", auth.EndCookie(false))

	overTLS := i.request("Cookie: fraudcheck_session=" + issued.Cookie[len("fraudcheck_session="):][:91])
	overTLS.TLS, overTLS.Method = true, []byte("GET")
	_, err = i.Authenticate(overTLS)
	assert.Equal(t, auth.Missing, err, "over TLS only the cookie that no other host can set")
}

func TestASessionChangesNothingForAnotherOrigin(t *testing.T) {
	tests := []struct {
		name, method string
		tls          bool
		lines        []string
		good         bool
	}{
		{"a look, whoever asks", "GET", false, []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, true},
		{"a look at the head", "HEAD", false, nil, true},
		{"this origin", "POST", false, []string{"Sec-Fetch-Site: same-origin"}, true},
		{"the person themselves", "POST", false, []string{"Sec-Fetch-Site: none"}, true},
		{"another origin", "POST", false, []string{"Sec-Fetch-Site: cross-site"}, false},
		{"a sister", "DELETE", false, []string{"Sec-Fetch-Site: same-site"}, false},
		{"in other letters", "POST", false, []string{"Sec-Fetch-Site: Same-Origin"}, false},
		{"twice", "POST", false, []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin"}, false},
		{"metadata before Origin", "POST", false, []string{"Sec-Fetch-Site: cross-site", "Origin: http://checks.example"}, false},
		{"this Origin", "POST", false, []string{"Origin: http://checks.example"}, true},
		{"this Origin, over TLS", "PUT", true, []string{"Origin: https://checks.example"}, true},
		{"the other scheme", "POST", false, []string{"Origin: https://checks.example"}, false},
		{"the other scheme, over TLS", "POST", true, []string{"Origin: http://checks.example"}, false},
		{"another port", "POST", false, []string{"Origin: http://checks.example:8080"}, false},
		{"a longer host", "POST", false, []string{"Origin: http://checks.example.evil"}, false},
		{"no origin at all", "POST", false, []string{"Origin: null"}, false},
		{"two", "POST", false, []string{"Origin: http://checks.example", "Origin: http://checks.example"}, false},
		{"nothing said", "POST", false, nil, false},
		{"a method of their own", "LOOK", false, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := alone(t)
			r := i.request()
			r.TLS = tt.tls
			issued, err := i.Login(r, "checkout", "open sesame")
			require.NoError(t, err)
			r = i.request(append([]string{"Cookie: " + issued.Cookie[:len(issued.Cookie)-len("; Path=/; HttpOnly; SameSite=Strict")]}, tt.lines...)...)
			if tt.tls {
				r = i.request(append([]string{"Cookie: " + issued.Cookie}, tt.lines...)...)
			}
			r.TLS, r.Method = tt.tls, []byte(tt.method)
			_, err = i.Authenticate(r)
			if tt.good {
				require.NoError(t, err)
			} else {
				require.Equal(t, auth.OriginRefused, err)
			}
			if string(r.Method) == "POST" && !tt.good {
				require.Equal(t, auth.OriginRefused, i.Logout(r, ""), "nor is anybody logged out from elsewhere")
			}
		})
	}
}

func TestAPageOfAnotherOriginGetsNoSession(t *testing.T) {
	i := alone(t)
	_, cookie := i.login("checkout", "open sesame")
	for _, line := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://shop.example"} {
		issued, err := i.Login(i.request(cookie, line), "analyst", "magnifier")
		require.NoError(t, err, "it may have tokens, if it knows a password")
		assert.Empty(t, issued.Cookie)
		assert.NotEmpty(t, issued.Refresh)
	}
	assert.Equal(t, "checkout", i.ask(cookie), "nor does it end one")
}

func TestRequestsOfOneLoginHaveOneConversation(t *testing.T) {
	i := alone(t)
	// of is the conversation of a request after call, which may fail.
	of := func(call func(*auth.Request) error, lines ...string) string {
		r := i.request(lines...)
		_ = call(r)
		return string(r.AppendConversation(nil))
	}
	ask := func(r *auth.Request) error { _, err := i.Authenticate(r); return err }
	var issued, next *auth.Tokens
	login := func(into **auth.Tokens) func(*auth.Request) error {
		return func(r *auth.Request) (err error) { *into, err = i.Login(r, "checkout", "open sesame"); return err }
	}
	first := of(login(&issued))
	require.NotEmpty(t, first)
	assert.Equal(t, first, of(ask, bearing(issued.Access)))
	cookie, _, _ := strings.Cut(issued.Cookie, ";")
	assert.Equal(t, first, of(ask, "Cookie: "+cookie))
	var refreshed *auth.Tokens
	refresh := func(r *auth.Request) (err error) { refreshed, err = i.Refresh(r, issued.Refresh); return err }
	assert.Equal(t, first, of(refresh))
	access := refreshed.Access
	assert.Equal(t, first, of(ask, bearing(access)))
	assert.NotEqual(t, first, of(login(&next)), "another login")
	assert.Equal(t, first, of(refresh), "a refresh token used twice")
	assert.Equal(t, first, of(ask, bearing(access)), "what has ended")
	assert.Equal(t, first, of(func(r *auth.Request) error { return i.Logout(r, "") }, bearing(access)))
	assert.Equal(t, first, of(func(r *auth.Request) error { return i.Logout(r, issued.Refresh) }))

	user := of(ask, "Authorization: "+basic("checkout:open sesame"))
	assert.NotEmpty(t, user)
	assert.Equal(t, user, of(ask, "Authorization: "+basic("checkout:open sesame")), "a user without a login")
	assert.NotEqual(t, user, of(ask, "Authorization: "+basic("analyst:magnifier")))
	assert.NotEqual(t, user, first)
	for _, line := range []string{
		"Accept: */*", "Authorization: " + basic("checkout:wrong"), bearing("fc_a_"), bearing("eyJ"), bearing("fc_a_!!!!!!!!!!!!!!!!!!!!!!!!!!"),
		bearing(access[:len(access)-4] + "AAAA"), "Cookie: fraudcheck_session=fc_s_x",
	} {
		assert.Empty(t, of(ask, line), line)
	}
	assert.Empty(t, of(func(r *auth.Request) error { _, err := i.Login(r, "checkout", "wrong"); return err }))
}
