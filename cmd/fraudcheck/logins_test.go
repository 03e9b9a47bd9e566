package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
)

// With a store that is neither the embedded one nor memcached, logins stay in the process:
// a further store needs no change of theirs.
func TestLoginsStayInTheProcessWithoutMemcached(t *testing.T) {
	settings := config.Defaults()
	settings.Store.Kind = "further"
	policy := &policy{config: &config.Config{Settings: settings}, settings: settings}
	first, err := policy.makeKeys()
	require.NoError(t, err)
	s := &service{policy: policy, keys: first, guard: auth.NewGuard(new(auth.Policy))}
	require.NoError(t, s.openLogins())
	assert.NotNil(t, s.guard.Logins)
	assert.Nil(t, s.guard.SharedNonces)
}

// An auth setting that is no list of keys is named without a dot at its end.
func TestAnAuthSettingIsNamedByItsKey(t *testing.T) {
	for _, tt := range []struct {
		wrong auth.SettingError
		want  string
	}{
		{auth.SettingError{List: "jwt", Index: -1, Key: "secret"}, "auth.jwt.secret"},
		{auth.SettingError{List: "api_key", Index: -1}, "auth.api_key"},
	} {
		var named *config.Error
		require.True(t, errors.As(new(policy).callersError(&tt.wrong, nil), &named))
		assert.Equal(t, tt.want, named.Key)
	}
}
