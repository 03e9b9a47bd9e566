package jwt_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

func TestOneSecretInThreeEncodings(t *testing.T) {
	std, url := base64.StdEncoding.EncodeToString([]byte(jwtSecret)), base64.URLEncoding.EncodeToString([]byte(jwtSecret))
	require.NotEqual(t, std, url, "the secret needs both alphabets")
	require.Contains(t, std, "=")
	tests := []struct {
		name     string
		encoding jwt.Encoding
		secret   string
	}{
		{"clear", jwt.EncodingClear, jwtSecret},
		{"base64", jwt.EncodingBase64Std, std},
		{"base64 without padding", jwt.EncodingBase64Std, strings.TrimRight(std, "=")},
		{"base64url", jwt.EncodingBase64URL, url},
		{"base64url without padding", jwt.EncodingBase64URL, strings.TrimRight(url, "=")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			settings := jwtSettings()
			settings.Encoding, settings.Secret = tt.encoding, tt.secret
			caller, err := bearerGuard(t, settings).Authenticate(authorization("Bearer " + token()))
			require.NoError(t, err)
			assert.Equal(t, "checkout", caller.Name)
		})
	}
}

func TestWrongSettingsAreRefusedByTheirKey(t *testing.T) {
	std, url := base64.StdEncoding.EncodeToString([]byte(jwtSecret)), base64.URLEncoding.EncodeToString([]byte(jwtSecret))
	encoded := func(e jwt.Encoding, secret string) func(*auth.JWTSettings) {
		return func(s *auth.JWTSettings) { s.Encoding, s.Secret = e, secret }
	}
	tests := []struct {
		name, key string
		change    func(*auth.JWTSettings)
	}{
		{"no client id", "client_id", func(s *auth.JWTSettings) { s.ClientID = "" }},
		{"no roles claim", "roles_claim", func(s *auth.JWTSettings) { s.RolesClaim = "" }},
		{"no encoding", "encoding", encoded("", jwtSecret)},
		{"an encoding nobody knows", "encoding", encoded("hex", jwtSecret)},
		{"no secret", "secret", encoded(jwt.EncodingClear, "")},
		{"a secret of 15 bytes", "secret", encoded(jwt.EncodingClear, jwtSecret[:15])},
		{"a secret of 15 bytes, encoded", "secret", encoded(jwt.EncodingBase64Std, base64.StdEncoding.EncodeToString([]byte(jwtSecret[:15])))},
		{"a clear secret said to be base64", "secret", encoded(jwt.EncodingBase64URL, jwtSecret)},
		{"the URL alphabet said to be the other", "secret", encoded(jwt.EncodingBase64Std, url)},
		{"the other said to be the URL alphabet", "secret", encoded(jwt.EncodingBase64URL, std)},
		{"more padding than there is", "secret", encoded(jwt.EncodingBase64Std, std+"=")},
		{"padding within", "secret", encoded(jwt.EncodingBase64Std, std+std)},
		{"bits left over", "secret", encoded(jwt.EncodingBase64Std, strings.Repeat("A", 30)+"B=")},
		{"a line end", "secret", encoded(jwt.EncodingBase64Std, std+"\n")},
		{"a list of no algorithms", "algorithms", func(s *auth.JWTSettings) { s.Algorithms = []string{} }},
		{"none for an algorithm", "algorithms", func(s *auth.JWTSettings) { s.Algorithms = []string{"HS256", "none"} }},
		{"an algorithm for public keys", "algorithms", func(s *auth.JWTSettings) { s.Algorithms = []string{"RS256"} }},
		{"a role nobody knows", "role_map", func(s *auth.JWTSettings) { s.RoleMap = map[string]string{"staff": "admin"} }},
		{"no role", "role_map", func(s *auth.JWTSettings) { s.RoleMap = map[string]string{"staff": ""} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			settings := jwtSettings()
			tt.change(&settings)
			p, err := auth.NewPolicy(auth.Settings{JWT: &settings})
			assert.Nil(t, p)
			var wrong *auth.SettingError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, tt.key, wrong.Key)
			assert.NotEmpty(t, wrong.Expected)
			assert.Contains(t, err.Error(), "jwt."+tt.key)
			for _, value := range []string{settings.Secret, "staff", "admin", "hex"} {
				if value != "" {
					assert.NotContains(t, err.Error(), value)
				}
			}
		})
	}
	settings := jwtSettings()
	settings.Secret = jwtSecret[:16]
	_, err := jwt.New(settings.Settings)
	assert.NoError(t, err, "a secret of 16 bytes")
}

func TestTheIssuerIsCheckedOnlyWhenConfigured(t *testing.T) {
	settings := jwtSettings()
	settings.Issuer = ""
	guard := bearerGuard(t, settings)
	for _, issuer := range []string{`"https://id.example"`, `"https://elsewhere.example"`, ""} {
		_, err := guard.Authenticate(authorization("Bearer " + token("iss", issuer)))
		assert.NoError(t, err, issuer)
	}
}

func TestRolesAreReadFromTheClaim(t *testing.T) {
	const none auth.Roles = 0
	mapped := map[string]string{"fraud-desk": "analyst", "Shop Owner": "operator", "checker": "analyst"}
	tests := []struct {
		name, claim string
		roleMap     map[string]string
		want        auth.Roles
	}{
		{"no claim", "", nil, none},
		{"one role", `"checker"`, nil, auth.Checker},
		{"two in a text", `"checker analyst"`, nil, auth.Checker | auth.Analyst},
		{"blanks around", `"  analyst  "`, nil, auth.Analyst},
		{"an array", `["checker","analyst"]`, nil, auth.Checker | auth.Analyst},
		{"one role twice", `["checker","checker"]`, nil, auth.Checker},
		{"unknown ones", `"admin checker root"`, nil, auth.Checker},
		{"only unknown ones", `["admin","root"]`, nil, none},
		{"another letter case", `"Checker"`, nil, none},
		{"a comma", `"checker,analyst"`, nil, none},
		{"a text within the array is one value", `["checker analyst"]`, nil, none},
		{"values that are no text", `[1,null,["analyst"],"checker"]`, nil, auth.Checker},
		{"an empty text", `""`, nil, none},
		{"an empty array", `[]`, nil, none},
		{"null", `null`, nil, none},
		{"a number", `7`, nil, none},
		{"true", `true`, nil, none},
		{"an object", `{"checker":true}`, nil, none},
		{"operator by its own name", `"operator checker"`, nil, auth.Checker},
		{"operator by its own name, the map naming another", `["operator"]`, mapped, none},
		{"operator, the map naming it", `"operator"`, map[string]string{"operator": "operator"}, auth.Operator},
		{"a mapped value", `"fraud-desk"`, mapped, auth.Analyst},
		{"a mapped value with a blank", `["Shop Owner"]`, mapped, auth.Operator},
		{"the map before the own name", `"checker"`, mapped, auth.Analyst},
		{"own names beside the map", `"analyst"`, mapped, auth.Analyst},
	}
	for _, tt := range tests {
		for _, claim := range []string{"roles", "https://id.example/roles"} {
			t.Run(tt.name+", in "+claim, func(t *testing.T) {
				settings := jwtSettings()
				settings.RolesClaim, settings.RoleMap = claim, tt.roleMap
				caller, err := bearerGuard(t, settings).Authenticate(authorization("Bearer " + token("roles", "", claim, tt.claim)))
				require.NoError(t, err)
				assert.Equal(t, tt.want, caller.Roles)
			})
		}
	}
}
