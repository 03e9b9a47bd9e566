package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A loggedIn caller holds what a login issued.
type loggedIn struct {
	*program
	t      *testing.T
	door   string
	cookie string // name=value
	issued
}

// issued is the answer to a login or a refresh.
type issued struct {
	Token        string
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
}

func login(t *testing.T, p *program, door string) *loggedIn {
	t.Helper()
	a, err := p.try(door, "POST", "/v1/login", `{"username":"checkout","password":"`+password+`"}`, "Authorization", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status, a.body)
	l := &loggedIn{program: p, t: t, door: door}
	require.NoError(t, json.Unmarshal([]byte(a.body), &l.issued))
	l.cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return l
}

// ask sends with the one line in place of a password.
func (l *loggedIn) ask(at *program, method, path, body, name, value string) answer {
	l.t.Helper()
	header := []string{"Authorization", "", name, value, "Sec-Fetch-Site", "same-origin"}
	if name == "Authorization" {
		header = header[2:]
	}
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	a, err := at.try(at.addr, method, path, body, header...)
	require.NoError(l.t, err)
	return a
}

func (l *loggedIn) byToken(at *program, method, path, body string) answer {
	l.t.Helper()
	return l.ask(at, method, path, body, "Authorization", "Bearer "+l.Token)
}

func (l *loggedIn) bySession(at *program, method, path, body string) answer {
	l.t.Helper()
	return l.ask(at, method, path, body, "Cookie", l.cookie)
}

func (l *loggedIn) refresh(at *program) answer {
	l.t.Helper()
	return l.ask(at, "POST", "/v1/refresh", `{"refresh_token":"`+l.RefreshToken+`"}`, "Authorization", "")
}

func TestALoginServesUntilTheLogout(t *testing.T) {
	p := start(t, guarded)
	for _, door := range []string{p.addr, p.operators} {
		l := login(t, p, door)
		assert.Equal(t, "Bearer", l.TokenType)
		assert.Equal(t, 1800, l.ExpiresIn)
		for _, a := range []answer{
			l.byToken(p, "POST", "/v1/check", attempt("203.0.113.7", "4242")),
			l.bySession(p, "POST", "/v1/check", attempt("203.0.113.7", "4242")),
		} {
			require.Equal(t, http.StatusOK, a.status, a.body)
			assert.Equal(t, "allow", a.Decision)
		}
		assert.Regexp(t, `^{"name":"checkout","roles":\["checker"\],"scheme":"token","expires_in":1\d\d\d}$`, l.byToken(p, "GET", "/v1/me", "").body)
		assert.Regexp(t, `^{"name":"checkout","roles":\["checker"\],"scheme":"session","expires_in":3\d\d\d}$`, l.bySession(p, "GET", "/v1/me", "").body)
		assert.Equal(t, `{"name":"checkout","roles":["checker"],"scheme":"basic"}`, p.send(t, "GET", "/v1/me", "").body)

		a := l.refresh(p)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NoError(t, json.Unmarshal([]byte(a.body), &l.issued))
		a, err := p.try(door, "POST", "/v1/logout", "", "Authorization", "Bearer "+l.Token)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, a.status)
		assert.Empty(t, a.body)
		assert.Contains(t, a.header.Get("Set-Cookie"), "fraudcheck_session=; ")
		for _, a := range []answer{
			l.byToken(p, "POST", "/v1/check", attempt("203.0.113.7", "4242")), l.bySession(p, "GET", "/v1/me", ""), l.refresh(p),
		} {
			assert.Equal(t, "401 token_invalid", problemOf(a))
			assert.Equal(t, `Basic realm="fraudcheck", charset="UTF-8", Bearer realm="fraudcheck"`, a.header.Get("WWW-Authenticate"))
		}
	}
}

// problemOf is the status, and the problem's code where there is one.
func problemOf(a answer) string { return strings.TrimSpace(fmt.Sprint(a.status, " ", a.Code)) }

// Both doors refuse alike.
func TestWhatLoginRefuses(t *testing.T) {
	p := start(t, guarded)
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	good := `{"username":"checkout","password":"` + password + `"}`
	for _, tt := range []struct {
		name, method, path, media, body string
		header                          []string
		want                            string
	}{
		{"JSON", "POST", "/v1/login", asJSON, good, nil, "200 "},
		{"a form", "POST", "/v1/login", asForm, "username=checkout&password=" + password, nil, "200 "},
		{"Basic", "POST", "/v1/login", "", "", []string{"Authorization", "Basic Y2hlY2tvdXQ6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}, "200 "},
		{"an unknown user", "POST", "/v1/login", asJSON, `{"username":"stranger","password":"a"}`, nil, "401 credentials_invalid"},
		{"a wrong password", "POST", "/v1/login", asJSON, `{"username":"checkout","password":"a"}`, nil, "401 credentials_invalid"},
		{"no body", "POST", "/v1/login", "", "", nil, "400 field_missing username"},
		{"no password", "POST", "/v1/login", asJSON, `{"username":"checkout"}`, nil, "400 field_missing password"},
		{"a field twice", "POST", "/v1/login", asJSON, `{"username":"a","username":"a"}`, nil, "400 field_repeated username"},
		{"a field twice, in a form", "POST", "/v1/login", asForm, "username=a&username=a", nil, "400 field_repeated username"},
		{"an unknown field", "POST", "/v1/login", asJSON, `{"user":"a"}`, nil, "400 field_unknown user"},
		{"a number", "POST", "/v1/login", asJSON, `{"username":"a","password":7}`, nil, "400 field_invalid password"},
		{"null", "POST", "/v1/login", asJSON, `{"username":null}`, nil, "400 field_missing username"},
		{"no UTF-8", "POST", "/v1/login", asJSON, "{\"username\":\"\xff\"}", nil, "400 field_invalid username"},
		{"no UTF-8 in a form", "POST", "/v1/login", asForm, "username=%ff", nil, "400 field_invalid username"},
		{"no JSON", "POST", "/v1/login", asJSON, `username`, nil, "400 body_invalid"},
		{"something after it", "POST", "/v1/login", asJSON, good + "x", nil, "400 body_invalid"},
		{"a member's value missing", "POST", "/v1/login", asJSON, `{"username":}`, nil, "400 body_invalid"},
		{"no form", "POST", "/v1/login", asForm, "username", nil, "400 body_invalid"},
		{"text", "POST", "/v1/login", "text/plain", good, nil, "415 media_type"},
		{"too much", "POST", "/v1/login", asJSON, `{"username":"` + strings.Repeat("x", 9<<10) + `"}`, nil, "413 body_too_large"},
		{"credentials twice", "POST", "/v1/login", asJSON, good, []string{"Authorization", "Basic Y2hlY2tvdXQ6YQ=="}, "400 field_repeated username"},
		{"Basic, wrong", "POST", "/v1/login", "", "", []string{"Authorization", "Basic Y2hlY2tvdXQ6YQ=="}, "401 credentials_invalid"},
		{"Bearer", "POST", "/v1/login", "", "", []string{"Authorization", "Bearer x"}, "401 authorization_malformed"},
		{"a look", "GET", "/v1/login", "", "", nil, "405 method"},
		{"no refresh token", "POST", "/v1/refresh", "", "", nil, "400 field_missing refresh_token"},
		{"none of ours", "POST", "/v1/refresh", asJSON, `{"refresh_token":"fc_r_x"}`, nil, "401 token_invalid"},
		{"an empty one", "POST", "/v1/refresh", asForm, `refresh_token=`, nil, "401 token_invalid"},
		{"a refresh of something else", "POST", "/v1/refresh", asJSON, `{"token":"a"}`, nil, "400 field_unknown token"},
		{"a logout of nobody", "POST", "/v1/logout", "", "", nil, "204 "},
		{"an empty object", "POST", "/v1/logout", asJSON, "{}", nil, "204 "},
		{"a token that is null", "POST", "/v1/logout", asJSON, `{"refresh_token":null}`, nil, "204 "},
		{"fields of a logout", "POST", "/v1/logout", asJSON, `{"all":"yes"}`, nil, "400 field_unknown all"},
		{"who are you", "GET", "/v1/me", "", "", nil, "401 authorization_missing"},
		{"who are you, in a body", "GET", "/v1/me", asJSON, "{}", []string{"Authorization", "Basic Y2hlY2tvdXQ6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}, "400 body_invalid"},
		{"no cookie of ours", "GET", "/v1/me", "", "", []string{"Cookie", "fraudcheck_session=x"}, "401 token_invalid"},
		{"who are you is no POST", "POST", "/v1/me", "", "", nil, "405 method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, door := range []string{p.addr, p.operators} {
				a, err := p.try(door, tt.method, tt.path, tt.body, append([]string{"Authorization", "", "Content-Type", tt.media}, tt.header...)...)
				require.NoError(t, err)
				var problem struct{ Field string }
				_ = json.Unmarshal([]byte(a.body), &problem)
				assert.Equal(t, strings.TrimSpace(tt.want), strings.TrimSpace(problemOf(a)+" "+problem.Field), a.body)
				assert.Equal(t, a.status == 401, a.header.Get("WWW-Authenticate") != "")
				assert.NotContains(t, p.stderr.String(), password)
			}
		})
	}
}

func TestACookieChangesNothingForAnotherOrigin(t *testing.T) {
	p := start(t, guarded)
	l := login(t, p, p.addr)
	for _, path := range []string{"/v1/check", "/v1/logout"} {
		a, err := p.try(p.addr, "POST", path, "{}", "Authorization", "", "Cookie", l.cookie, "Sec-Fetch-Site", "cross-site")
		require.NoError(t, err)
		assert.Equal(t, "403 origin_refused", problemOf(a))
		a, err = p.try(p.addr, "POST", path, "{}", "Authorization", "", "Cookie", l.cookie, "Origin", "http://evil.example")
		require.NoError(t, err)
		assert.Equal(t, "403 origin_refused", problemOf(a))
	}
	a, err := p.try(p.addr, "POST", "/v1/logout", "", "Authorization", "", "Cookie", l.cookie, "Origin", "http://"+p.addr)
	require.NoError(t, err)
	assert.Equal(t, "204", problemOf(a))
}

func TestSlidingTokensComeWithAnyAnswer(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits until half of a token's life is over")
	p := start(t, guarded+"  tokens: {ttl: 2s, refresh_ttl: 1m, sliding: true}\n")
	l := login(t, p, p.addr)
	first, fresh := l.Token, ""
	require.Eventually(t, func() bool {
		a := l.byToken(p, "POST", "/v1/check", "{}")
		require.Equal(t, "400 field_missing", problemOf(a))
		fresh = a.header.Get("X-Auth-Token")
		return fresh != ""
	}, prompt, 20*time.Millisecond)
	l.Token = fresh
	a, err := p.try(p.operators, "GET", "/v1/me", "", "Authorization", "Bearer "+fresh)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status)
	l.Token = first
	require.Eventually(t, func() bool { return problemOf(l.byToken(p, "GET", "/v1/me", "")) == "401 token_expired" }, prompt, 20*time.Millisecond)
}

func TestAUserRemovedByAReloadIsLoggedOut(t *testing.T) {
	r := startReloading(t, guarded)
	l := login(t, r.program, r.addr)
	require.Equal(t, http.StatusOK, l.bySession(r.program, "GET", "/v1/me", "").status)
	r.rewrite(strings.ReplaceAll(guarded, "username: checkout", "username: desk"), `Configuration reloaded`)
	assert.Equal(t, "401 token_invalid", problemOf(l.byToken(r.program, "GET", "/v1/me", "")))
	assert.Equal(t, "401 token_invalid", problemOf(l.bySession(r.program, "GET", "/v1/me", "")))
	assert.Equal(t, "401 token_invalid", problemOf(l.refresh(r.program)))
}

// Nobody remembers who was logged out, so nobody is in.
func TestWithTheEmbeddedStoreARestartLogsEverybodyOut(t *testing.T) {
	t.Parallel()
	p := start(t, guarded)
	l := login(t, p, p.addr)
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t)
	next := start(t, guarded)
	assert.Equal(t, "401 token_invalid", problemOf(l.byToken(next, "GET", "/v1/me", "")))
	assert.Equal(t, "401 token_invalid", problemOf(l.bySession(next, "GET", "/v1/me", "")))
	assert.Equal(t, "401 token_invalid", problemOf(l.refresh(next)))
}

// A logout that is refused before its credentials are looked at speaks of a login, too.
func TestTheLinesOfARefusedLogoutHaveTheTagOfItsLogin(t *testing.T) {
	t.Parallel()
	p := start(t, guarded)
	l := login(t, p, p.addr)
	requests := []struct {
		body, want string
		header     []string
	}{
		{"", "403 origin_refused", []string{"Cookie", l.cookie}},
		{"", "403 origin_refused", []string{"Cookie", l.cookie, "Sec-Fetch-Site", "cross-site"}},
		{"", "403 origin_refused", []string{"Cookie", l.cookie, "Origin", "https://evil.example"}},
		{`{"all":"yes"}`, "400 field_unknown", []string{"Cookie", l.cookie, "Sec-Fetch-Site", "same-origin"}},
		{`{"all":"yes"}`, "400 field_unknown", []string{"Authorization", "Bearer " + l.Token}},
	}
	for _, r := range requests {
		a, err := p.try(p.addr, "POST", "/v1/logout", r.body, append([]string{"Authorization", "", "Content-Type", "application/json"}, r.header...)...)
		require.NoError(t, err)
		require.Equal(t, r.want, problemOf(a), r.header)
	}
	require.Equal(t, http.StatusOK, l.bySession(p, "GET", "/v1/me", "").status, "it ends no login")
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t)
	tag := regexp.MustCompile(`(\S+) +POST /v1/login\n`).FindStringSubmatch(p.stderr.String())
	require.NotNil(t, tag)
	assert.Len(t, regexp.MustCompile(`WARNING +`+regexp.QuoteMeta(tag[1])+` +POST /v1/logout\n`).FindAllString(p.stderr.String(), -1), len(requests), p.stderr)
	assert.Len(t, regexp.MustCompile(`WARNING +`+regexp.QuoteMeta(tag[1])+` +Response: 40[03] .* logout checkout request=`).FindAllString(p.stderr.String(), -1), len(requests), p.stderr)
}

func TestOneLoginIsOneTagInTheLog(t *testing.T) {
	t.Parallel()
	p := start(t, guarded)
	l := login(t, p, p.addr)
	for range 2 {
		l.byToken(p, "GET", "/v1/me", "")
		l.bySession(p, "GET", "/v1/me", "")
	}
	require.Equal(t, http.StatusOK, l.refresh(p).status)
	require.Equal(t, http.StatusNoContent, l.byToken(p, "POST", "/v1/logout", "").status)
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t)
	tag, followed := regexp.MustCompile(`(\S+) +POST /v1/login\n`).FindStringSubmatch(p.stderr.String()), ""
	require.NotNil(t, tag)
	for line := range strings.Lines(p.stderr.String()) { // what grep finds
		if _, event, found := strings.Cut(line, tag[1]); found {
			followed += regexp.MustCompile(`^ +| \(.*`).ReplaceAllString(event, "")
		}
	}
	me := "GET /v1/me\nResponse: 200\n"
	assert.Regexp(t, `Response: 204 \(\S+\) logout checkout request=`, p.stderr.String(), "the line of the logout names the user")
	assert.Equal(t, "POST /v1/login\nResponse: 200\n"+me+me+me+me+"POST /v1/refresh\nResponse: 200\nPOST /v1/logout\nResponse: 204\n", followed)
	for _, secret := range []string{l.Token, l.RefreshToken, l.cookie, l.Token[5:27]} {
		assert.NotContains(t, p.stderr.String(), secret)
	}
}

func TestALogoutAtOneInstanceIsHeardOfAtAnother(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	instances := startSharing(t, server.Addr, 2)
	one, other := instances[0], instances[1]
	l := login(t, one, one.addr)
	require.Equal(t, http.StatusOK, l.byToken(other, "GET", "/v1/me", "").status)
	require.Equal(t, http.StatusOK, l.bySession(other, "GET", "/v1/me", "").status)
	require.Equal(t, http.StatusNoContent, l.byToken(one, "POST", "/v1/logout", "").status)
	heard := time.Now().Add(time.Second)
	require.Equal(t, "401 token_invalid", problemOf(l.byToken(one, "GET", "/v1/me", "")))
	for asked := time.Now(); asked.Before(heard); asked = time.Now() {
		if l.byToken(other, "GET", "/v1/me", "").status == http.StatusUnauthorized {
			break
		}
	}
	require.Equal(t, "401 token_invalid", problemOf(l.byToken(other, "GET", "/v1/me", "")))
	require.Equal(t, "401 token_invalid", problemOf(l.bySession(other, "GET", "/v1/me", "")))
}

func TestTokensAndSessionsWithoutMemcached(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	instances := startSharing(t, server.Addr, 2)
	one, other := instances[0], instances[1]
	gone, left := login(t, one, one.addr), login(t, one, one.addr)
	require.Equal(t, http.StatusNoContent, gone.byToken(one, "POST", "/v1/logout", "").status)
	require.Equal(t, http.StatusOK, left.byToken(other, "GET", "/v1/me", "").status)
	require.Equal(t, http.StatusOK, left.bySession(one, "GET", "/v1/me", "").status)
	server.Kill()

	a := left.byToken(other, "POST", "/v1/check", attempt("203.0.113.7", "4242"))
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, http.StatusOK, left.bySession(one, "GET", "/v1/me", "").status, "known here")
	require.Equal(t, "401 token_invalid", problemOf(gone.byToken(one, "GET", "/v1/me", "")))
	a = left.refresh(one)
	require.Equal(t, "503 store_unreachable", problemOf(a))
	require.Equal(t, "1", a.header.Get("Retry-After"))
	alone := login(t, one, one.addr)
	require.Empty(t, alone.RefreshToken)
	require.Empty(t, alone.cookie)
	require.Equal(t, http.StatusOK, alone.byToken(other, "GET", "/v1/me", "").status)
	require.Equal(t, "503 store_unreachable", problemOf(alone.byToken(one, "POST", "/v1/logout", "")))
	require.Equal(t, "401 token_invalid", problemOf(alone.byToken(one, "GET", "/v1/me", "")))

	server.Start()
	require.Eventually(t, func() bool { return problemOf(left.refresh(one)) == "401 token_invalid" }, prompt, 20*time.Millisecond,
		"it is back, and holds nothing of that login")
	require.Eventually(t, func() bool { return problemOf(left.bySession(one, "GET", "/v1/me", "")) == "401 token_invalid" }, prompt, 20*time.Millisecond,
		"what was known here is believed for a second")
	require.Equal(t, "401 token_invalid", problemOf(gone.byToken(one, "GET", "/v1/me", "")))
	for _, l := range []*loggedIn{gone, alone} { // written back by the one who knew
		require.Eventually(t, func() bool { return problemOf(l.byToken(other, "GET", "/v1/me", "")) == "401 token_invalid" }, prompt, 20*time.Millisecond)
	}
}
