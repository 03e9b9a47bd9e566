package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
)

func TestTheCredentialsDecideWhichSchemeJudges(t *testing.T) {
	users := []auth.User{{Name: "shop", Password: "open sesame", Encryption: password.Clear, Roles: auth.Analyst}}
	const basicChallenge, bearerChallenge = `Basic realm="fraudcheck", charset="UTF-8"`, `Bearer realm="fraudcheck"`
	byName, byToken := basic("shop:open sesame"), "Bearer "+token(t, noon.Add(time.Hour))
	tests := []struct {
		name, challenge string
		settings        auth.Settings
		basic, bearer   error
	}{
		{"Basic", basicChallenge, auth.Settings{Users: users}, nil, auth.Malformed},
		{"Basic without users yet", basicChallenge, auth.Settings{Users: []auth.User{}}, auth.Invalid, auth.Malformed},
		{"Bearer", bearerChallenge, auth.Settings{JWT: jwtSettings()}, auth.Malformed, nil},
		{"both", basicChallenge + ", " + bearerChallenge, auth.Settings{Users: users, JWT: jwtSettings()}, nil, nil},
		{"logins", basicChallenge + ", " + bearerChallenge, auth.Settings{Users: users, Tokens: issuing}, nil, auth.Malformed},
		{"none", "", auth.Settings{}, auth.Malformed, auth.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := compile(t, tt.settings)
			assert.Equal(t, tt.name == "none", policy.IsEmpty())
			guard := auth.NewGuard(policy)
			guard.Now = func() time.Time { return noon }
			assert.Equal(t, tt.challenge, guard.Challenge())
			_, err := guard.Authenticate(authorization(byName))
			assert.ErrorIs(t, err, tt.basic)
			_, err = guard.Authenticate(authorization(byToken))
			assert.ErrorIs(t, err, tt.bearer)
			_, err = guard.Authenticate(authorization("Bearer" + strings.TrimPrefix(byName, "Basic")))
			assert.Error(t, err, "one scheme is not tried after the other")
			_, err = guard.Authenticate(authorization())
			assert.Equal(t, auth.Missing, err)
		})
	}
}

func TestAHeaderThatNoSchemeTakesIsToldWhatWasExpected(t *testing.T) {
	guard := auth.NewGuard(compile(t, auth.Settings{
		Users: []auth.User{{Name: "shop", Password: "open sesame", Encryption: password.Clear, Roles: auth.Analyst}}, Tokens: issuing,
	}))
	guard.Now = func() time.Time { return noon }
	for header, expected := range map[string]string{
		"":               "which is empty",
		"Digest x":       "the scheme Basic or Bearer",
		"Bearer garbage": "a token of this service after Bearer",
		"Basic %":        "base64 after Basic",
	} {
		_, err := guard.Authenticate(authorization(header))
		assert.ErrorContains(t, err, expected, header)
	}
}

func TestATokenMayNotOutliveItsLogin(t *testing.T) {
	wrong := wrongSetting(t, auth.Settings{Tokens: session.Settings{TTL: 2 * time.Hour, RefreshTTL: time.Hour}})
	assert.Equal(t, "tokens.ttl: expected at most auth.tokens.refresh_ttl", wrong.Error())
}

// The metrics make all series of these at the start.
func TestEveryResultIsOfTheClosedSet(t *testing.T) {
	closed := closedSet()
	for _, result := range []string{"none authorization_missing", "basic ok", "bearer token_expired", "signature role_missing", "token ok_local", "session origin_refused", "login ok", "refresh reused", "logout store_unreachable"} {
		assert.True(t, closed[result], result)
	}
	assert.False(t, closed["none ok"])
	assert.False(t, closed["basic ok_local"])
}
