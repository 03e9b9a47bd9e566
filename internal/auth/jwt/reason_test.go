package jwt_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

// The log says why a token was refused; the failure, which is answered, does not.
func TestARefusedTokenHasAReasonForTheLog(t *testing.T) {
	for name, tt := range map[string]struct{ token, reason string }{
		"expired":                   {token("exp", after(-30)), "expired"},
		"another audience":          {token("aud", `"ABD"`), "aud"},
		"no audience":               {token("aud", ""), "aud missing"},
		"an empty audience":         {token("aud", `[]`), "aud"},
		"another issuer":            {token("iss", `"https://evil.example"`), "iss"},
		"no issuer":                 {token("iss", ""), "iss missing"},
		"no exp":                    {token("exp", ""), "exp missing"},
		"exp is text":               {token("exp", `"soon"`), "claim type"},
		"a date beyond all":         {token("nbf", "1e300"), "date out of range"},
		"not yet":                   {token("nbf", after(31)), "nbf"},
		"issued in the future":      {token("iat", after(31)), "iat"},
		"a number for a subject":    {token("sub", "7"), "sub"},
		"another secret":            {signWith(sha256.New, strings.ToUpper(jwtSecret), hs256, payload()), "signature"},
		"unsigned":                  {b64(`{"alg":"none"}`) + "." + b64(payload()) + ".", "alg"},
		"an algorithm of no use":    {sign(`{"alg":"RS256"}`, payload()), "alg"},
		"an algorithm nobody has":   {sign(`{"alg":"4111111111111111"}`, payload()), "alg"},
		"an extension":              {sign(`{"alg":"HS256","crit":["exp"]}`, payload()), "header parameter"},
		"one part":                  {"eyJ", "malformed"},
		"a line end":                {token() + "\n", "malformed"},
		"longer than 4 KiB":         {sized(t, 4097), "too long"},
		"an ID token":               {token("nonce", `"n"`), "not an access token"},
		"expired and for no one":    {token("exp", after(-30), "aud", `"ABD"`), "expired"},
		"several things, one is it": {token("iss", `"x"`, "aud", `"ABD"`), "aud"},
	} {
		t.Run(name, func(t *testing.T) {
			r := authorization("Bearer " + tt.token)
			caller, err := bearerGuard(t, jwtSettings()).Authenticate(r)
			require.Nil(t, caller)
			assert.Equal(t, tt.reason, r.Reason())
			want := auth.TokenInvalid
			if tt.reason == "expired" {
				want = auth.TokenExpired
			}
			assert.Equal(t, want, err)
		})
	}
	r := authorization("Bearer " + token())
	_, err := bearerGuard(t, jwtSettings()).Authenticate(r)
	require.NoError(t, err)
	assert.Empty(t, r.Reason())
}

func TestAnUnknownKeyIDIsTheReason(t *testing.T) {
	settings := jwtSettings()
	settings.Secret, settings.Algorithms = "", nil
	settings.JWKS = []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	r := authorization("Bearer " + sign(`{"alg":"EdDSA","kid":"2"}`, payload()))
	_, err := bearerGuard(t, settings).Authenticate(r)
	assert.Equal(t, auth.TokenInvalid, err)
	assert.Equal(t, "kid unknown", r.Reason())
}

// An ID token is for the client that a user signs in to, whatever roles it names.
func TestAnIDTokenIsNoAccessToken(t *testing.T) {
	header := func(typ string) string { return `{"alg":"HS256","typ":"` + typ + `"}` }
	for name, tt := range map[string]struct {
		token string
		good  bool
	}{
		"RFC 9068":                       {sign(header("at+jwt"), payload()), true},
		"RFC 9068, in full":              {sign(header("application/at+JWT"), payload("nonce", `"n"`)), true},
		"no typ":                         {sign(`{"alg":"HS256"}`, payload()), true},
		"Keycloak":                       {token("typ", `"Bearer"`), true},
		"Keycloak, with the login nonce": {token("typ", `"Bearer"`, "nonce", `"n"`), true},
		"Keycloak, an ID token":          {token("typ", `"ID"`), false},
		"Keycloak, a refresh token":      {token("typ", `"Refresh"`), false},
		"Cognito":                        {token("token_use", `"access"`), true},
		"Cognito, an ID token":           {token("token_use", `"id"`), false},
		"a nonce":                        {token("nonce", `"n"`), false},
		"a hash of the access token":     {token("at_hash", `"h"`), false},
		"a hash of the code":             {token("c_hash", `"h"`), false},
		"a logout token":                 {sign(header("logout+jwt"), payload()), false},
		"a security event":               {sign(header("secevent+jwt"), payload()), false},
		"a number for a type":            {sign(`{"alg":"HS256","typ":1}`, payload()), false},
		"null for a type":                {sign(`{"alg":"HS256","typ":null}`, payload()), false},
		"a list of types":                {sign(`{"alg":"HS256","typ":["at+jwt"]}`, payload()), false},
		"the type of every token":        {sign(header("jwt"), payload()), true},
		"the type of an ID token":        {sign(header("ID"), payload()), false},
		"likewise, spelled out":          {sign(header("id_token"), payload("typ", `"Bearer"`)), false},
		"a refresh token by its type":    {sign(header("Refresh"), payload()), false},
		"at+jwt that says ID":            {sign(header("dpop+jwt"), payload("typ", `"Bearer"`)), false},
	} {
		_, err := bearerGuard(t, jwtSettings()).Authenticate(authorization("Bearer " + tt.token))
		if tt.good {
			assert.NoError(t, err, name)
		} else {
			assert.Equal(t, auth.TokenInvalid, err, name)
		}
	}
}

func TestTheRolesClaimMayBeInsideOthers(t *testing.T) {
	for claim, tt := range map[string]struct {
		claims []string
		want   auth.Roles
	}{
		"realm_access.roles":           {[]string{"realm_access", `{"roles":["analyst","offline_access"]}`}, auth.Analyst},
		"resource_access.shop.x.roles": {[]string{"resource_access", `{"shop.x":{"roles":["checker"]}}`}, auth.Checker},
		"https://shop.example/roles":   {[]string{"https://shop.example/roles", `["analyst"]`}, auth.Analyst},
		"a.b":                          {[]string{"a.b", `"checker"`, "a", `{"b":"analyst"}`}, auth.Checker}, // the name itself goes first
		"a.b.c":                        {[]string{"a.b", `{"d":1}`, "a", `{"b":{"c":"analyst"}}`}, auth.Analyst},
		"scope.roles":                  {[]string{"scope", `"checker"`}, 0},
		"nowhere.roles":                {nil, 0},
		".":                            {nil, 0},
	} {
		settings := jwtSettings()
		settings.RolesClaim = claim
		caller, err := bearerGuard(t, settings).Authenticate(authorization("Bearer " + token(append(tt.claims, "roles", `"checker"`)...)))
		require.NoError(t, err, claim)
		assert.Equal(t, tt.want, caller.Roles, claim)
	}
}

func TestTheClaimsOfAProfileAreShownAsTheyAre(t *testing.T) {
	settings := jwtSettings()
	settings.Profile = []string{"email", "tenant", "missing", "https://x.example/y"}
	text := token("email", `"ana@shop.example"`, "tenant", `9007199254740993`, "secret", `"s"`, "https://x.example/y", `{"a":[1,null]}`)
	guard := bearerGuard(t, settings)
	for range 2 { // verified, then remembered
		caller, err := guard.Authenticate(authorization("Bearer " + text))
		require.NoError(t, err)
		assert.JSONEq(t, `{"email":"ana@shop.example","tenant":9007199254740993,"https://x.example/y":{"a":[1,null]}}`, string(caller.Profile))
		assert.Contains(t, string(caller.Profile), "9007199254740993", "a number keeps its digits")
	}
	settings.Profile = []string{"secret"}
	guard.Replace(policyOf(t, settings))
	caller, err := guard.Authenticate(authorization("Bearer " + text))
	require.NoError(t, err)
	assert.JSONEq(t, `{"secret":"s"}`, string(caller.Profile), "a reload asks for others")
	caller, err = bearerGuard(t, jwtSettings()).Authenticate(authorization("Bearer " + text))
	require.NoError(t, err)
	assert.Nil(t, caller.Profile)
}

// Issuer and service change their secret one after the other.
func TestTheSecretBeforeIsGoodBesideTheNewOne(t *testing.T) {
	const next = "the next secret, of 32 bytes too"
	issued := func(secret string) string { return signWith(sha256.New, secret, hs256, payload()) }
	settings := jwtSettings()
	guard := bearerGuard(t, settings)
	good := func(secret string) bool {
		_, err := guard.Authenticate(authorization("Bearer " + issued(secret)))
		return err == nil
	}
	assert.True(t, good(jwtSecret))
	settings.Secret, settings.Previous = next, jwtSecret
	guard.Replace(policyOf(t, settings))
	assert.True(t, good(jwtSecret))
	assert.True(t, good(next))
	assert.False(t, good("a third secret, of 32 bytes too.."))
	r := authorization("Bearer " + signWith(sha256.New, jwtSecret, hs256, payload("aud", `"x"`)))
	_, err := guard.Authenticate(r)
	require.Error(t, err)
	assert.Equal(t, "aud", r.Reason(), "of the key that it is signed with")
	settings.Previous = ""
	guard.Replace(policyOf(t, settings))
	assert.False(t, good(jwtSecret), "also where it was verified before")
	assert.True(t, good(next))
}

func TestASecretBeforeMustBeOne(t *testing.T) {
	for name, change := range map[string]func(*jwt.Settings){
		"too short":        func(s *jwt.Settings) { s.Previous = "short" },
		"beside no secret": func(s *jwt.Settings) { s.Previous, s.Secret, s.PublicKey = s.Secret, "", []byte("x") },
	} {
		settings := jwtSettings()
		change(&settings.Settings)
		_, err := jwt.New(settings.Settings)
		var wrong *jwt.SettingError
		require.ErrorAs(t, err, &wrong, name)
		if name == "too short" {
			assert.Equal(t, "previous_secret_file", wrong.Key)
		}
	}
}
