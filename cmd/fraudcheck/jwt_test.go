package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// signed is the token of these claims, made with no more than RFC 7515 says.
func signed(t *testing.T, secret string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// shopToken is one for the shop that expires then.
func shopToken(t *testing.T, expires time.Time, roles ...string) string {
	t.Helper()
	claims := map[string]any{"aud": "shop", "sub": "checkout-7", "exp": expires.Unix()}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	return signed(t, tokenSecret, claims)
}

func TestTokensAtBothDoors(t *testing.T) {
	p := start(t, guarded+"  jwt: {client_id: shop, secret: "+base64.RawURLEncoding.EncodeToString([]byte(tokenSecret))+
		", role_map: {fraud-desk: analyst, root: operator}}\n")
	const checks, looks = "POST /v1/check", "GET /v1/addresses/203.0.113.7"
	ask := func(what, bearer string) answer {
		door, method, path, body := p.addr, "POST", "/v1/check", attempt("203.0.113.7", "4242")
		if what == looks {
			door, method, path, body = p.operators, "GET", "/v1/addresses/203.0.113.7", ""
		}
		a, err := p.try(door, method, path, body, "Authorization", "Bearer "+bearer)
		require.NoError(t, err)
		return a
	}
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, tt := range map[string]struct {
		token  string
		checks int // the status at the callers' door
		looks  int // and at the operators'
		code   string
	}{
		"checker":                               {shopToken(t, later, "checker"), 200, 403, ""},
		"analyst":                               {shopToken(t, later, "analyst"), 403, 200, ""},
		"both":                                  {shopToken(t, later, "analyst", "checker"), 200, 200, ""},
		"by another name":                       {shopToken(t, later, "fraud-desk"), 403, 200, ""},
		"operator, as we say":                   {shopToken(t, later, "root"), 200, 200, ""},
		"operator, as they say":                 {shopToken(t, later, "operator"), 403, 403, ""},
		"roles in one text":                     {signed(t, tokenSecret, map[string]any{"aud": "shop", "exp": later.Unix(), "roles": "x checker"}), 200, 403, ""},
		"no roles":                              {shopToken(t, later), 403, 403, ""},
		"expired":                               {shopToken(t, earlier, "checker", "analyst"), 401, 401, "token_expired"},
		"expired within what clocks may differ": {shopToken(t, time.Now().Add(-10*time.Second), "checker", "analyst"), 200, 200, ""},
		"never expires":                         {signed(t, tokenSecret, map[string]any{"aud": "shop", "roles": "checker"}), 401, 401, "token_invalid"},
		"for others":                            {signed(t, tokenSecret, map[string]any{"aud": "shopping", "exp": later.Unix(), "roles": "checker"}), 401, 401, "token_invalid"},
		"of others":                             {signed(t, tokenSecret+"!", map[string]any{"aud": "shop", "exp": later.Unix(), "roles": "checker"}), 401, 401, "token_invalid"},
		"expired, of others": {signed(t, tokenSecret+"!", map[string]any{"aud": "shop", "exp": earlier.Unix(), "roles": "checker"}),
			401, 401, "token_invalid"},
	} {
		for range 2 { // the second time it may be known
			for what, status := range map[string]int{checks: tt.checks, looks: tt.looks} {
				a := ask(what, tt.token)
				assert.Equal(t, status, a.status, "%s: %s: %s", name, what, a.body)
				switch status {
				case http.StatusUnauthorized:
					assert.Equal(t, tt.code, a.Code, name)
					assert.Equal(t, `Basic realm="fraudcheck", charset="UTF-8", Bearer realm="fraudcheck"`, a.header.Get("WWW-Authenticate"))
				case http.StatusForbidden:
					assert.Equal(t, "role_missing", a.Code, name)
				}
			}
		}
	}
	a := ask(looks, shopToken(t, later, "analyst"))
	require.Len(t, a.Rules, 1)
	assert.Equal(t, 1, a.Rules[0].Count, "who was refused counted for nothing; one card was shown")
	assert.Equal(t, "allow", p.decide(t, "203.0.113.7", "4242"), "Basic beside it")
	a, err := p.try(p.operators, "DELETE", "/v1/addresses/203.0.113.7", "", "Authorization", "Bearer "+shopToken(t, later, "fraud-desk"))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status, a.body)
}
