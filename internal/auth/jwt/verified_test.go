package jwt_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

func TestAKnownTokenIsGoodUntilItExpires(t *testing.T) {
	// exp is 600 seconds after noon, and the leeway 30; nil: the caller is found.
	steps := []struct {
		at   time.Duration
		want error
	}{
		{0, nil},
		{599 * time.Second, nil},
		{600 * time.Second, nil},
		{630*time.Second - time.Nanosecond, nil},
		{630 * time.Second, auth.TokenExpired},
		{24 * time.Hour, auth.TokenExpired},
		{0, nil}, // a clock that stepped back
	}
	settings := jwtSettings()
	var now time.Time
	settings.Now = func() time.Time { return now }
	guard := bearerGuard(t, settings)
	for _, step := range steps {
		now = noon.Add(step.at)
		caller, err := guard.Authenticate(authorization("Bearer " + token()))
		require.Equal(t, step.want, err, step.at)
		assert.Equal(t, step.want == nil, caller != nil, step.at)
	}
}

func TestAKnownTokenCostsNoAllocation(t *testing.T) {
	guard := bearerGuard(t, jwtSettings())
	cost := func(header string) float64 {
		request := authorization(header)
		return testing.AllocsPerRun(1, func() { // one run before the one that is measured
			if caller, err := guard.Authenticate(request); err != nil || caller == nil {
				t.Fatal(err)
			}
		})
	}
	assert.Zero(t, cost("Bearer "+token()))
	assert.Zero(t, cost("Bearer "+token("exp", after(-29))), "within the leeway")
	assert.Zero(t, cost("Bearer "+sized(t, 4096)))

	expired := authorization("Bearer " + token("exp", "1"))
	verifying := testing.AllocsPerRun(1, func() { guard.Authenticate(expired) })
	assert.NotZero(t, verifying, "what a token costs that is not known")
}

func TestATokenLikeAVerifiedOneIsVerifiedByItself(t *testing.T) {
	guard := bearerGuard(t, jwtSettings())
	known := token()
	_, err := guard.Authenticate(authorization("Bearer " + known))
	require.NoError(t, err)
	for i := range known {
		for _, other := range []string{known[:i], known[:i] + "A" + known[i:], known[:i] + string(known[i]^1) + known[i+1:]} {
			_, err := guard.Authenticate(authorization("Bearer " + other))
			want := auth.TokenInvalid
			if other == "" {
				want = auth.Malformed
			}
			require.ErrorIs(t, err, want, "changed at %d", i)
		}
	}
	caller, err := guard.Authenticate(authorization("Bearer " + token("sub", `"checkouu"`, "roles", `"analyst"`)))
	require.NoError(t, err)
	assert.Equal(t, "checkouu", caller.Name)
	assert.Equal(t, auth.Analyst, caller.Roles)
}

func TestManyCallersAtOnceAreNotMixed(t *testing.T) {
	guard := bearerGuard(t, jwtSettings())
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for j := range 50 {
				name := fmt.Sprintf("caller-%d", (i+j)%20)
				caller, err := guard.Authenticate(authorization("Bearer " + token("sub", `"`+name+`"`)))
				if assert.NoError(t, err) {
					assert.Equal(t, name, caller.Name)
				}
			}
		})
	}
	callers.Wait()
}

func TestTheGuardKeepsNoSliceOfABearerHeader(t *testing.T) {
	guard := bearerGuard(t, jwtSettings())
	request := authorization("Bearer " + token())
	header := request.Header.Values("Authorization")[0]
	caller, err := guard.Authenticate(request)
	require.NoError(t, err)
	copy(header, bytes.Repeat([]byte("X"), len(header)))
	assert.Equal(t, "checkout", caller.Name)
	again, err := guard.Authenticate(authorization("Bearer " + token()))
	require.NoError(t, err)
	assert.Equal(t, "checkout", again.Name)
}

// FuzzBearer holds that nothing is accepted but what the fixture signed, and that a
// guard which knows tokens answers as one which has seen none.
func FuzzBearer(f *testing.F) {
	signed := map[string]bool{
		token(): true, token("sub", ""): true, token("roles", `["analyst","x"]`): true,
		token("aud", `["ABC"]`, "nbf", ""): true, sized(f, 4096): true,
	}
	guard := bearerGuard(f, jwtSettings())
	for good := range signed {
		_, err := guard.Authenticate(authorization("Bearer " + good))
		require.NoError(f, err)
		f.Add([]byte("Bearer " + good))
		f.Add([]byte("bearer " + good + "="))
		f.Add([]byte("Bearer " + good[:len(good)-1]))
		f.Add([]byte("Bearer " + b64(`{"alg":"none"}`) + good[strings.Index(good, "."):]))
	}
	for _, bad := range []string{"", "Bearer", "Bearer ", "Bearer ..", "Basic Og==", "Bearer " + token("exp", "1"), "Bearer " + sign(hs256, "[[")} {
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		caller, err := guard.Authenticate(authorization(string(header)))
		fresh, freshErr := bearerGuard(t, jwtSettings()).Authenticate(authorization(string(header)))
		require.Equal(t, freshErr, err)
		require.Equal(t, fresh, caller)
		if err == nil {
			scheme, credentials, _ := strings.Cut(string(header), " ")
			require.Equal(t, "bearer", strings.ToLower(scheme))
			require.True(t, signed[strings.TrimLeft(credentials, " ")], "nobody signed %q", credentials)
			return
		}
		require.Nil(t, caller)
		var failure auth.Failure
		require.ErrorAs(t, err, &failure)
		require.Contains(t, []auth.Failure{auth.Missing, auth.Malformed, auth.TokenExpired, auth.TokenInvalid}, failure)
	})
}
