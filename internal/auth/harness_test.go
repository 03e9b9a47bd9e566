package auth_test

import (
	"strings"
	"testing"
	"time"

	library "github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// compile makes a policy of settings that are right.
func compile(t testing.TB, s auth.Settings) *auth.Policy {
	t.Helper()
	p, err := auth.NewPolicy(s)
	require.NoError(t, err)
	return p
}

// ofUsers is a policy with these users and nothing else.
func ofUsers(t testing.TB, users ...auth.User) *auth.Policy {
	t.Helper()
	return compile(t, auth.Settings{Users: users})
}

// wrongSetting is the error for settings that are wrong.
func wrongSetting(t testing.TB, s auth.Settings) *auth.SettingError {
	t.Helper()
	p, err := auth.NewPolicy(s)
	require.Nil(t, p)
	var wrong *auth.SettingError
	require.ErrorAs(t, err, &wrong)
	require.NotEmpty(t, wrong.Expected)
	return wrong
}

// jwtSettings accept the tokens of token.
func jwtSettings() *auth.JWTSettings {
	return &auth.JWTSettings{Settings: jwt.Settings{
		ClientID: "ABC", Secret: strings.Repeat("s", 32), Encoding: jwt.EncodingClear, RolesClaim: "roles", Now: func() time.Time { return noon },
	}}
}

// token is a good token of a checker that expires then.
func token(t testing.TB, expires time.Time) string {
	t.Helper()
	claims := library.MapClaims{"sub": "checkout", "aud": "ABC", "roles": "checker", "exp": expires.Unix()}
	text, err := library.NewWithClaims(library.SigningMethodHS256, claims).SignedString([]byte(jwtSettings().Secret))
	require.NoError(t, err)
	return text
}
