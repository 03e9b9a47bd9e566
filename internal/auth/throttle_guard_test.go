package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
)

// slowed is a guard whose time is the test's.
func slowed(t *testing.T) (guard *auth.Guard, now *time.Time) {
	guard, now = newGuard(t), new(time.Time)
	*now = noon
	guard.Now = func() time.Time { return *now }
	return guard, now
}

func ask(guard *auth.Guard, peer, value string) error {
	r := authorization(value)
	r.Peer = hop(peer)
	_, err := guard.Authenticate(r)
	return err
}

func later(after time.Duration) error {
	return &auth.Later{Failure: auth.TooManyFailures, After: after}
}

const (
	guesser = "203.0.113.9"
	shop    = "198.51.100.7"
)

func TestGuessingAUsersPasswordIsSlowed(t *testing.T) {
	for _, user := range []string{"checkout", "hashed", "stranger"} { // alike, or the count would tell them apart
		guard, now := slowed(t)
		guess := func() error { return ask(guard, guesser, basic(user+":guess")) }
		for range 60 {
			require.Equal(t, auth.Invalid, guess(), user)
		}
		require.Equal(t, later(5*time.Second), guess())
		*now = now.Add(4 * time.Second)
		require.Equal(t, later(time.Second), guess(), "asking costs nothing more")
		*now = now.Add(time.Second)
		require.Equal(t, auth.Invalid, guess())
		require.Equal(t, later(5*time.Second), guess())
		require.Equal(t, auth.Invalid, ask(guard, guesser, basic("payments:guess")), "another's")
		*now = now.Add(time.Hour)
		for range 60 {
			require.Equal(t, auth.Invalid, guess(), "all is forgiven")
		}
		require.Equal(t, later(5*time.Second), guess())
	}
}

func TestConcurrentGuessesAreThrottledAlike(t *testing.T) {
	guard, _ := slowed(t)
	var told atomic.Int64
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			for range 10 {
				if ask(guard, fmt.Sprintf("203.0.113.%d", n%2), basic("checkout:guess")) == auth.Invalid {
					told.Add(1)
				}
				assert.NoError(t, ask(guard, shop, basic("checkout:open sesame")))
			}
		})
	}
	all.Wait()
	assert.Contains(t, []int64{60, 61}, told.Load(), "one more, where the second address came last")
}

func TestTryingManyUsersIsThrottledByAddress(t *testing.T) {
	guard, now := slowed(t)
	for n := range 300 {
		require.Equal(t, auth.Invalid, ask(guard, guesser, basic(fmt.Sprint("user ", n, ":guess"))))
	}
	require.Equal(t, later(200*time.Millisecond), ask(guard, guesser, basic("another:guess")))
	require.Equal(t, auth.Invalid, ask(guard, shop, basic("another:guess")), "from elsewhere")
	*now = now.Add(200 * time.Millisecond)
	require.Equal(t, auth.Invalid, ask(guard, guesser, basic("another:guess")))
	require.Equal(t, later(200*time.Millisecond), ask(guard, guesser, basic("another:guess")))
}

func TestAnIPv6GuesserIsThrottledByNetwork(t *testing.T) {
	guard, _ := slowed(t)
	for n := range 300 {
		require.Equal(t, auth.Invalid, ask(guard, fmt.Sprintf("2001:db8::%x", n), basic(fmt.Sprint("user ", n, ":guess"))))
	}
	assert.Equal(t, later(200*time.Millisecond), ask(guard, "2001:db8::ffff:1", basic("another:guess")))
	assert.Equal(t, auth.Invalid, ask(guard, "2001:db8:0:1::1", basic("another:guess")))
}

func TestARightFastPasswordIsNeverThrottled(t *testing.T) {
	guard, _ := slowed(t)
	for range 500 { // a neighbour that is set up wrongly, and a guesser elsewhere
		assert.Error(t, ask(guard, shop, basic("old-shop:forgotten")))
		assert.Error(t, ask(guard, shop, basic("checkout:mistyped")))
		assert.Error(t, ask(guard, guesser, basic("checkout:guess")))
		require.NoError(t, ask(guard, shop, basic("checkout:open sesame")))
		require.NoError(t, ask(guard, "198.51.100.8", basic("checkout:open sesame")))
	}
	for range 500 { // and to be right costs nothing
		require.NoError(t, ask(guard, "192.0.2.1", basic("hashed:zum Glück")))
	}
	for range 60 {
		require.Equal(t, auth.Invalid, ask(guard, "192.0.2.1", basic("hashed:guess")))
	}
}

func TestTheFirstFailureOfAnAddressIsNotThrottled(t *testing.T) {
	guard, now := slowed(t)
	for range 61 {
		_ = ask(guard, guesser, basic("checkout:guess"))
	}
	assert.Equal(t, auth.Invalid, ask(guard, shop, basic("checkout:mistyped")), "once")
	assert.Equal(t, later(5*time.Second), ask(guard, shop, basic("checkout:mistyped")))
	*now = now.Add(59 * time.Minute)
	for range 61 {
		_ = ask(guard, guesser, basic("checkout:guess"))
	}
	assert.Equal(t, later(5*time.Second), ask(guard, shop, basic("checkout:mistyped")), "for an hour")
	*now = now.Add(time.Minute)
	for range 61 {
		_ = ask(guard, guesser, basic("checkout:guess"))
	}
	assert.Equal(t, auth.Invalid, ask(guard, shop, basic("checkout:mistyped")))
}

func TestMalformedHeadersAreNotCharged(t *testing.T) {
	guard, _ := slowed(t)
	for range 100 {
		require.ErrorIs(t, ask(guard, shop, ""), auth.Missing)
		require.ErrorIs(t, ask(guard, shop, "Basic"), auth.Malformed)
		require.ErrorIs(t, ask(guard, shop, "Bearer abc"), auth.Malformed)
		require.ErrorIs(t, ask(guard, shop, basic("checkout")), auth.Malformed)
	}
	for range 60 {
		require.Equal(t, auth.Invalid, ask(guard, shop, basic("checkout:guess")))
	}
}

func TestForgedTokensAreChargedToTheAddress(t *testing.T) {
	guard := auth.NewGuard(compile(t, auth.Settings{JWT: jwtSettings()}))
	guard.Now = func() time.Time { return noon }
	for range 100 {
		require.Equal(t, auth.TokenExpired, ask(guard, shop, "Bearer "+token(t, noon.Add(-time.Hour))), "it was good once")
	}
	for range 300 {
		require.Equal(t, auth.TokenInvalid, ask(guard, shop, "Bearer forged"))
	}
	assert.Equal(t, later(200*time.Millisecond), ask(guard, shop, "Bearer forged"))
	assert.Equal(t, auth.TokenInvalid, ask(guard, guesser, "Bearer forged"), "from elsewhere")
	assert.Equal(t, auth.TokenExpired, ask(guard, shop, "Bearer "+token(t, noon.Add(-time.Hour))))
	assert.NoError(t, ask(guard, shop, "Bearer "+token(t, noon.Add(time.Hour))), "who is right")
}

func TestFailuresOutliveAReload(t *testing.T) {
	guard, _ := slowed(t)
	for range 60 {
		_ = ask(guard, guesser, basic("checkout:guess"))
	}
	guard.Replace(newPolicy(t))
	assert.Equal(t, later(5*time.Second), ask(guard, guesser, basic("checkout:guess")))
}

func TestFailuresAreChargedToTheAddressBehindTheProxy(t *testing.T) {
	guard, _ := slowed(t)
	guard.Replace(newPolicy(t, within(nil, []string{"10.0.0.1"})))
	through := func(forwarded string) error {
		r := authorization(basic("checkout:guess"))
		r.Peer, r.Header.(header)["X-Forwarded-For"] = hop("10.0.0.1"), [][]byte{[]byte(forwarded)}
		_, err := guard.Authenticate(r)
		return err
	}
	for n := range 60 {
		require.Equal(t, auth.Invalid, through(fmt.Sprintf("192.0.2.%d, %s", n, guesser)), "whatever is made up")
	}
	assert.Equal(t, later(5*time.Second), through(guesser))
	assert.Equal(t, auth.Invalid, through(shop))
}

func TestAThrottledRequestCostsLittleAndNamesNothing(t *testing.T) {
	guard, _ := slowed(t)
	r := authorization(basic("checkout:guess"))
	r.Peer = hop(guesser)
	var err error
	for range 61 {
		_, err = guard.Authenticate(r)
	}
	assert.Equal(t, "too_many_failures", string(err.(*auth.Later).Failure))
	for _, word := range []string{"checkout", "guess:", "sesame", guesser} {
		assert.False(t, strings.Contains(err.Error(), word), word)
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = guard.Authenticate(r) }), 2.0)
}
