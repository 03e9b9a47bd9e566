package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/turns"
)

// underKeys is an instance with the hash keys of these names on the store.
func underKeys(t *testing.T, store session.Store, name, previous string) *instance {
	t.Helper()
	keys := func(name string) *session.Keys {
		keys, err := session.NewKeys([]byte(strings.Repeat(name, 16)))
		require.NoError(t, err)
		return keys
	}
	i := newInstance(t, store, issuing)
	k := keys(name)
	if previous != "" {
		k.AlsoUnder(keys(previous))
	}
	i.Logins = session.NewLogins(k, store)
	return i
}

// pairs are the instances that run beside each other in the steps of a rotation.
var pairs = map[string][2][2]string{
	"old and both":  {{"old"}, {"new", "old"}},
	"both and both": {{"new", "old"}, {"new", "old"}},
	"both and new":  {{"new", "old"}, {"new"}},
}

func eachPair(t *testing.T, test func(t *testing.T, a, b *instance)) {
	for name, pair := range pairs {
		for _, swapped := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				store := session.NewMemory()
				a, b := underKeys(t, store, pair[0][0], pair[0][1]), underKeys(t, store, pair[1][0], pair[1][1])
				if swapped {
					a, b = b, a
				}
				test(t, a, b)
			})
		}
	}
}

func TestALoginIsGoodAtBothInstancesDuringARotation(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *instance) {
		issued, cookie := a.login("checkout", "open sesame")
		for _, i := range []*instance{a, b} {
			assert.Equal(t, "checkout", i.ask(bearing(issued.Access)))
			assert.Equal(t, "checkout", i.ask(cookie))
		}
		for n := range 6 { // a refresh token of each is good at the other, and good once
			at := []*instance{b, a}[n%2]
			both(a, b, time.Minute)
			next, err := at.Refresh(at.request(), issued.Refresh)
			require.NoError(t, err, "refresh %d", n)
			issued = next
			for _, i := range []*instance{a, b} {
				assert.Equal(t, "checkout", i.ask(bearing(issued.Access)))
			}
		}
	})
}

func TestARefreshTokenIsGoodOnceDuringARotation(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *instance) {
		first, cookie := a.login("checkout", "open sesame")
		both(a, b, time.Minute)
		_, err := b.Refresh(b.request(), first.Refresh)
		require.NoError(t, err)
		both(a, b, time.Minute)
		_, err = a.Refresh(a.request(), first.Refresh)
		require.Error(t, err)
		both(a, b, 2*time.Second)
		for _, i := range []*instance{a, b} {
			assert.NotEqual(t, "checkout", i.ask(cookie), "somebody has a copy: the login has ended")
		}
	})
}

func TestALogoutHoldsAtBothInstancesDuringARotation(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *instance) {
		issued, cookie := a.login("checkout", "open sesame")
		require.Equal(t, "checkout", b.ask(cookie))
		require.NoError(t, b.Logout(b.request(cookie, "Sec-Fetch-Site: same-origin"), ""))
		both(a, b, time.Second)
		for _, i := range []*instance{a, b} {
			assert.NotEqual(t, "checkout", i.ask(cookie))
			assert.NotEqual(t, "checkout", i.ask(bearing(issued.Access)))
		}
	})
}

func TestPerUserHoldsDuringARotation(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *instance) {
		var cookies []string
		for n := range issuing.PerUser + 2 {
			_, cookie := []*instance{a, b}[n%2].login("checkout", "open sesame")
			cookies = append(cookies, cookie)
			both(a, b, time.Second)
		}
		for n, cookie := range cookies {
			for _, i := range []*instance{a, b} {
				assert.Equal(t, n >= 2, i.ask(cookie) == "checkout", "login %d", n)
			}
		}
	})
}

// A text of which only the part under an unknown key is right is not believed.
func TestOneGoodKeyOfTwoIsNeeded(t *testing.T) {
	store := session.NewMemory()
	two := underKeys(t, store, "new", "old")
	issued, cookie := two.login("checkout", "open sesame")
	stranger := underKeys(t, store, "none", "other")
	for _, line := range []string{bearing(issued.Access), cookie} {
		assert.Equal(t, "checkout", two.ask(line))
		assert.NotEqual(t, "checkout", stranger.ask(line))
		cut, _, found := strings.Cut(line, ".")
		require.True(t, found, "it is signed under both keys")
		for _, changed := range []string{line + "A", line[:len(line)-1], cut + ".", line + ".", strings.Replace(line, "fc_", "fc_A", 1)} {
			assert.NotEqual(t, "checkout", underKeys(t, store, "old", "").ask(changed), changed)
		}
	}
}

// An interrupted store has another instance do something between the two writes of an
// item, once: after that under the previous hash key, before that under the new one.
type interrupted struct {
	session.Store
	between func()
	writes  int
}

func (s *interrupted) Put(key string, value []byte, version uint64, now, until time.Time, turn *turns.Turn) error {
	if s.writes++; s.writes == 2 && s.between != nil {
		s.between()
	}
	return s.Store.Put(key, value, version, now, until, turn)
}

// bothAndNew are an instance with both hash keys, whose next item is written while
// between happens, and one with the new key alone.
func bothAndNew(t *testing.T) (a, b *instance, interrupt func(between func())) {
	store := &interrupted{Store: session.NewMemory()}
	a, b = underKeys(t, store, "new", "old"), underKeys(t, store.Store, "new", "")
	return a, b, func(between func()) { store.writes, store.between = 0, between }
}

func TestALogoutDuringARotationHoldsWhileAnotherInstanceWrites(t *testing.T) {
	a, b, interrupt := bothAndNew(t)
	issued, cookie := a.login("checkout", "open sesame")
	both(a, b, 2*time.Minute)
	interrupt(func() { require.Equal(t, "checkout", b.ask(cookie), "it writes that the session is in use") })
	require.NoError(t, a.Logout(a.request(bearing(issued.Access)), ""))
	both(a, b, time.Second)
	assert.Equal(t, "token_invalid", b.ask(cookie))
	assert.Equal(t, "token_invalid", b.ask(bearing(issued.Access)))
}

func TestARefreshDuringARotationIsGoodWhileAnotherInstanceWrites(t *testing.T) {
	a, b, interrupt := bothAndNew(t)
	issued, cookie := a.login("checkout", "open sesame")
	both(a, b, 2*time.Minute)
	interrupt(func() { require.Equal(t, "checkout", b.ask(cookie), "it writes that the session is in use") })
	next, err := a.Refresh(a.request(), issued.Refresh)
	require.NoError(t, err)
	_, err = b.Refresh(b.request(), next.Refresh)
	assert.NoError(t, err)
}

func TestALoginDuringARotationIsCountedOnceWhileAnotherInstanceWrites(t *testing.T) {
	a, b, interrupt := bothAndNew(t)
	cookies := make([]string, 4)
	for n := range 2 {
		_, cookies[n] = a.login("checkout", "open sesame")
		both(a, b, time.Minute)
	}
	interrupt(func() { _, cookies[2] = b.login("checkout", "open sesame") })
	_, cookies[3] = a.login("checkout", "open sesame")
	both(a, b, time.Second)
	for n, cookie := range cookies {
		for _, i := range []*instance{a, b} {
			assert.Equal(t, n >= 1, i.ask(cookie) == "checkout", "login %d", n)
		}
	}
}

// Access tokens that end with their login all expire at one time.
func TestARefreshNearTheEndOfALoginIsGoodAtBothInstancesDuringARotation(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *instance) {
		issued, _ := a.login("checkout", "open sesame")
		both(a, b, issuing.RefreshTTL-10*time.Minute)
		for n := range 6 {
			both(a, b, time.Minute)
			i := []*instance{a, b}[n%2]
			next, err := i.Refresh(i.request(), issued.Refresh)
			require.NoError(t, err, "refresh %d", n)
			issued = next
		}
	})
}
