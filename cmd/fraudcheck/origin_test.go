package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A browser sends Basic credentials that it remembers, and cookies, to any page's
// form. So what such a request would change is refused when the page is of another
// origin, at both ports.
func TestAPageOfAnotherOriginChangesNothing(t *testing.T) {
	const desk = "https://desk.example"
	p := start(t, guarded+"    \n"+strings.ReplaceAll(`
cors: {origins: ['DESK']}
`, "DESK", desk))
	l := login(t, p, p.addr)
	another := login(t, p, p.addr)
	const asForm = "application/x-www-form-urlencoded"
	loginForm := "username=checkout&password=" + password
	type header = []string
	for _, tt := range []struct {
		name, method, path, body string
		header                   header // Basic of the checkout's, unless it says otherwise
		want                     string
	}{
		{"a backend", "POST", "/v1/login", "", nil, "200"},
		{"another site", "POST", "/v1/login", "", header{"Sec-Fetch-Site", "cross-site"}, "403 origin_refused"},
		{"a neighbouring host", "POST", "/v1/login", "", header{"Sec-Fetch-Site", "same-site"}, "403 origin_refused"},
		{"a word that no browser says", "POST", "/v1/login", "", header{"Sec-Fetch-Site", "SAME-ORIGIN"}, "403 origin_refused"},
		{"this origin", "POST", "/v1/login", "", header{"Sec-Fetch-Site", "same-origin"}, "200"},
		{"the person at the browser", "POST", "/v1/login", "", header{"Sec-Fetch-Site", "none"}, "200"},
		{"an old browser, another origin", "POST", "/v1/login", "", header{"Origin", "https://evil.example"}, "403 origin_refused"},
		{"an old browser, no origin to speak of", "POST", "/v1/login", "", header{"Origin", "null"}, "403 origin_refused"},
		{"an old browser, this origin", "POST", "/v1/login", "", header{"Origin", "http://DOOR"}, "200"},
		{"an old browser, this host over TLS", "POST", "/v1/login", "", header{"Origin", "https://DOOR"}, "403 origin_refused"},
		{"a configured origin", "POST", "/v1/login", "", header{"Origin", desk, "Sec-Fetch-Site", "cross-site"}, "200"},
		{"a login by form, from elsewhere", "POST", "/v1/login", loginForm, header{"Authorization", "", "Content-Type", asForm, "Origin", "https://evil.example"}, "403 origin_refused"},
		{"a wrong one is not told apart", "POST", "/v1/login", loginForm + "x", header{"Authorization", "", "Content-Type", asForm, "Origin", "https://evil.example"}, "403 origin_refused"},
		{"a refresh from elsewhere", "POST", "/v1/refresh", "refresh_token=x", header{"Authorization", "", "Content-Type", asForm, "Sec-Fetch-Site", "cross-site"}, "403 origin_refused"},
		{"a logout from elsewhere", "POST", "/v1/logout", "", header{"Authorization", "", "Sec-Fetch-Site", "cross-site"}, "403 origin_refused"},
		{"a logout of a session from elsewhere", "POST", "/v1/logout", "", header{"Authorization", "", "Cookie", "SESSION", "Sec-Fetch-Site", "cross-site"}, "403 origin_refused"},
		{"a logout with a token, from anywhere", "POST", "/v1/logout", "", header{"Authorization", "Bearer " + another.Token, "Sec-Fetch-Site", "cross-site"}, "204"},
		{"a look", "GET", "/v1/me", "", header{"Sec-Fetch-Site", "cross-site"}, "200"},
		{"a look with the session", "GET", "/v1/me", "", header{"Authorization", "", "Cookie", "SESSION", "Origin", "https://evil.example"}, "200"},
		{"nobody looks", "GET", "/v1/me", "", header{"Authorization", "", "Origin", "https://evil.example"}, "401 authorization_missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, door := range []string{p.addr, p.operators} {
				in := strings.NewReplacer("DOOR", door, "SESSION", l.cookie)
				var headers header
				for _, h := range tt.header {
					headers = append(headers, in.Replace(h))
				}
				a, err := p.try(door, tt.method, tt.path, tt.body, headers...)
				require.NoError(t, err)
				assert.Equal(t, tt.want, problemOf(a), a.body)
				requireOriginDetail(t, a, headers)
			}
		})
	}
}

// requireOriginDetail requires that who sees the refusal knows what to do.
func requireOriginDetail(t *testing.T, a answer, header []string) {
	t.Helper()
	if a.Code != "origin_refused" {
		return
	}
	var problem struct{ Detail string }
	require.NoError(t, json.Unmarshal([]byte(a.body), &problem))
	names := "Origin"
	if strings.Contains(strings.Join(header, " "), "Sec-Fetch-Site") {
		names = "Sec-Fetch-Site"
	}
	assert.Contains(t, problem.Detail, "the header "+names+" ")
	assert.Contains(t, problem.Detail, "do not pass a shopper's headers on")
	assert.NotContains(t, a.body, "evil.example")
}

func TestAPageOfAnotherOriginNeitherChecksNorForgets(t *testing.T) {
	p := start(t, strings.Replace(guarded, "password: "+password, "roles: [operator], password: "+password, 1))
	l := login(t, p, p.addr)
	for _, tt := range []struct{ door, method, path string }{
		{p.addr, "POST", "/v1/check"}, {p.addr, "POST", "/v1/outcomes"},
		{p.operators, "DELETE", "/v1/addresses/203.0.113.7"},
		{p.operators, "POST", "/v1/subjects/forget"}, {p.operators, "POST", "/v1/subjects/read"},
	} {
		for _, foreign := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			ask := func(header ...string) string {
				t.Helper()
				a, err := p.try(tt.door, tt.method, tt.path, "", append(header, foreign[0], foreign[1])...)
				require.NoError(t, err)
				requireOriginDetail(t, a, foreign[:])
				return problemOf(a)
			}
			assert.Equal(t, "403 origin_refused", ask(), "%v", tt)
			assert.Equal(t, "403 origin_refused", ask("Authorization", "", "Cookie", l.cookie), "%v", tt)
			assert.Equal(t, "401 credentials_invalid", ask("Authorization", basic("checkout", "wrong")), "%v", tt)
			assert.NotContains(t, ask("Authorization", "Bearer "+l.Token), "403", "%v", tt)
		}
	}
}
