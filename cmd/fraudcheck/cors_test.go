package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corsOf are the fields of the answer that speak to a browser.
func corsOf(a answer) map[string]string {
	fields := map[string]string{}
	for name := range a.header {
		if name == "Vary" || len(name) > 14 && name[:14] == "Access-Control" {
			fields[name] = a.header.Get(name)
		}
	}
	return fields
}

func TestPagesOfConfiguredOriginsMayCall(t *testing.T) {
	const desk = "https://desk.example"
	p := start(t, guarded+"cors: {origins: ['"+desk+"']}\n")
	always := map[string]string{"Vary": "Origin"}
	readable := map[string]string{
		"Vary": "Origin", "Access-Control-Allow-Origin": desk, "Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers": "X-Request-ID, X-Auth-Token, Retry-After, Content-Digest, Signature, Signature-Input",
	}
	const checks, looks = "/v1/check", "/v1/addresses/203.0.113.7"
	for _, tt := range []struct {
		door, method, path, origin, authorization string
		status                                    int
		want                                      map[string]string
	}{
		{p.addr, "POST", checks, desk, basic("checkout", password), 200, readable},
		{p.addr, "POST", checks, desk, "", 401, readable},
		{p.addr, "POST", checks, desk, basic("checkout", "wrong"), 401, readable},
		{p.addr, "GET", checks, desk, "", 405, readable},
		{p.addr, "OPTIONS", "/nowhere", "", "", 404, map[string]string{"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}},
		{p.addr, "GET", "/nowhere", desk, "", 404, readable},
		{p.addr, "GET", "/healthz", desk, "", 200, readable},
		{p.addr, "POST", checks, "https://elsewhere.example", basic("checkout", password), 403, always},
		{p.addr, "POST", checks, "null", basic("checkout", password), 403, always},
		{p.addr, "POST", checks, "", basic("checkout", password), 200, always},
		{p.operators, "GET", looks, desk, basic("checkout", password), 403, readable},
		{p.operators, "GET", looks, desk, "", 401, readable},
		{p.operators, "GET", "/nowhere", desk, "", 404, readable},
		{p.operators, "GET", looks, "https://elsewhere.example", "", 401, always},
		{p.operators, "GET", "/healthz", "", "", 200, always},
	} {
		var body string
		if tt.method == "POST" {
			body = "ip=203.0.113.7&card_id=one"
		}
		a, err := p.try(tt.door, tt.method, tt.path, body, "Content-Type", "application/x-www-form-urlencoded", "Origin", tt.origin, "Authorization", tt.authorization)
		require.NoError(t, err)
		assert.Equal(t, tt.status, a.status, "%+v: %s", tt, a.body)
		assert.Equal(t, tt.want, corsOf(a), "%+v", tt)
	}
}

func TestAPreflightNeedsNoCredentials(t *testing.T) {
	const desk, beforehand = "https://desk.example", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	p := start(t, guarded+"cors: {origins: ['"+desk+"']}\n")
	ask := func(door, path, origin, method string) answer {
		t.Helper()
		a, err := p.try(door, "OPTIONS", path, "", "Authorization", "", "Origin", origin,
			"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,content-type")
		require.NoError(t, err)
		return a
	}
	for door, routes := range map[string]map[string]string{
		p.addr:      {"/v1/check": "POST", "/v1/outcomes": "POST", "/healthz": "GET, HEAD", "/v1/check?ip=203.0.113.7": "POST"},
		p.operators: {"/v1/addresses/203.0.113.7": "GET, DELETE", "/v1/subjects/read": "POST", "/metrics": "GET"},
	} {
		for path, methods := range routes {
			a := ask(door, path, desk, "POST")
			assert.Equal(t, http.StatusNoContent, a.status, path)
			assert.Empty(t, a.body)
			assert.Empty(t, a.header.Get("Content-Type"))
			assert.NotEmpty(t, a.header.Get("X-Request-ID"))
			assert.Equal(t, map[string]string{
				"Vary": beforehand, "Access-Control-Allow-Origin": desk, "Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods": methods, "Access-Control-Max-Age": "600",
				"Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID, Content-Digest, Signature, Signature-Input",
			}, corsOf(a), path)

			for _, origin := range []string{"https://elsewhere.example", "https://desk.example.elsewhere.example", "null", "", "*"} {
				a := ask(door, path, origin, "POST")
				assert.Equal(t, http.StatusMethodNotAllowed, a.status, "%s from %s", path, origin)
				assert.Equal(t, methods, a.header.Get("Allow"))
				assert.Equal(t, map[string]string{"Vary": beforehand}, corsOf(a), origin)
			}
			a = ask(door, path, desk, "")
			assert.Equal(t, http.StatusMethodNotAllowed, a.status, "OPTIONS that asks for nothing")
		}
		assert.Equal(t, http.StatusNotFound, ask(door, "/nowhere", desk, "POST").status)
	}
	metrics, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	assert.Contains(t, metrics.body, `fraudcheck_http_requests_total{code="204",route="/v1/check"} 2`)
	assert.NotContains(t, p.stderr.String(), "desk.example/", "no origin is logged but in the configuration")
}

func TestCORSExposesTheFieldsOfASignedAnswer(t *testing.T) {
	const desk = "https://desk.example"
	p := start(t, signing+"cors: {origins: ['"+desk+"']}\n")
	for door, path := range map[string]string{p.addr: "/v1/me", p.operators: "/v1/addresses/203.0.113.7"} {
		s, header := signedBy("analyst", analystSigns, "from-a-page:"+path, "GET", path, "")
		a, err := p.try(door, "GET", path, "", append(header, "Origin", desk)...)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.status, a.body)
		s.requireSealed(t, a)
		assert.Subset(t, strings.Split(a.header.Get("Access-Control-Expose-Headers"), ", "), []string{"Content-Digest", "Signature", "Signature-Input"})
	}
}

func TestWithoutCORSNoFieldIsAdded(t *testing.T) {
	p := start(t, guarded)
	for _, door := range []string{p.addr, p.operators} {
		a, err := p.try(door, "OPTIONS", "/healthz", "", "Origin", "https://desk.example", "Access-Control-Request-Method", "GET")
		require.NoError(t, err)
		assert.Equal(t, http.StatusMethodNotAllowed, a.status)
		assert.Empty(t, corsOf(a))
	}
}

func TestOriginsAreRefusedByName(t *testing.T) {
	for _, origin := range []string{"*", "null", "", "https://hunter2.example/", "https://*.hunter2.example", "hunter2.example", "https://hunter2.example:443"} {
		refuses(t, "cors: {origins: ['https://desk.example', '"+origin+"']}", "cors.origins[1]: expected an origin as browsers send it")
	}
	accepts(t, "cors: {origins: ['https://desk.example', 'http://localhost:3000']}")
	accepts(t, "cors: {origins: []}")
}
