package auth_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity/velocitytest"
)

func nonceID(i int) (n auth.NonceID) {
	binary.BigEndian.PutUint64(n[:], uint64(i))
	return n
}

// onMemcached is patient: the machine may be busy.
func onMemcached(t *testing.T, servers ...string) *auth.NonceMemcached {
	m := auth.NewNonceMemcached(servers, 10*time.Second)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestANonceIsNewOnceInEveryStore(t *testing.T) {
	for name, open := range map[string]func(*testing.T) auth.Nonces{
		"memory":    func(*testing.T) auth.Nonces { return auth.NewNonceMemory(1000) },
		"memcached": func(t *testing.T) auth.Nonces { return onMemcached(t, velocitytest.StartMemcached(t).Addr) },
		"three memcached": func(t *testing.T) auth.Nonces {
			return onMemcached(t, velocitytest.StartMemcached(t).Addr, velocitytest.StartMemcached(t).Addr, velocitytest.StartMemcached(t).Addr)
		},
	} {
		t.Run(name, func(t *testing.T) {
			nonces := open(t)
			once := func(i int) bool {
				first, known := nonces.Once(nonceID(i), noon, noon.Add(time.Minute))
				assert.True(t, known)
				return first
			}
			for i := range 50 {
				assert.True(t, once(i), "%d", i)
			}
			for i := range 50 {
				assert.False(t, once(i), "%d", i)
			}
			// However many ask at once, one is the first.
			var firsts atomic.Int32
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					if once(1000) {
						firsts.Add(1)
					}
				})
			}
			all.Wait()
			assert.EqualValues(t, 1, firsts.Load())
		})
	}
}

func TestTheMemoryForgetsNoncesOnlyOnceTheyAreTooOld(t *testing.T) {
	m := auth.NewNonceMemory(1000)
	once := func(now, until int) bool {
		first, _ := m.Once(nonceID(until), noon.Add(time.Duration(now)*time.Second), noon.Add(time.Duration(until)*time.Second))
		return first
	}
	require.True(t, once(0, 60))
	require.True(t, once(0, 120))
	require.False(t, once(60, 60), "good in its last second")
	require.True(t, once(61, 61))
	require.False(t, once(0, 60), "forgotten, and the clock was set back")
	require.False(t, once(0, 59), "so would be what ends before it")
	require.False(t, once(119, 120))
}

func TestAFullMemoryBelievesNothingTwice(t *testing.T) {
	m := auth.NewNonceMemory(100)
	once := func(i int) bool {
		first, _ := m.Once(nonceID(i), noon, noon.Add(time.Duration(i%60)*time.Second))
		return first
	}
	for i := range 1000 {
		once(i)
	}
	for i := range 1000 {
		require.False(t, once(i), "%d", i)
	}
	require.True(t, once(1019), "what ends last is taken still")
}

func TestInstancesShareNonces(t *testing.T) {
	server := velocitytest.StartMemcached(t)
	instance := func() *auth.Guard {
		g := signedGuard(t, noon)
		g.SharedNonces = onMemcached(t, server.Addr)
		return g
	}
	a, b := instance(), instance()
	_, err := a.Authenticate(check(nonce).sign())
	require.NoError(t, err)
	_, err = b.Authenticate(check(nonce).sign())
	require.ErrorIs(t, err, auth.TokenInvalid)
}

func TestWithoutMemcachedANonceIsGoodOncePerInstance(t *testing.T) {
	server := velocitytest.StartMemcached(t)
	now := noon
	a, b := onMemcached(t, server.Addr), onMemcached(t, server.Addr)
	once := func(m *auth.NonceMemcached, i int) (first, known bool) {
		return m.Once(nonceID(i), now, now.Add(time.Minute))
	}
	wantFirst := func(m *auth.NonceMemcached, i int) {
		t.Helper()
		first, known := once(m, i)
		require.True(t, known)
		require.True(t, first)
	}
	wantUnknown := func(m *auth.NonceMemcached, i int) {
		t.Helper()
		_, known := once(m, i)
		require.False(t, known)
	}
	wantFirst(a, 1)
	wantFirst(b, 2)

	server.Kill()
	wantUnknown(a, 3)
	guard := signedGuard(t, now)
	guard.SharedNonces = a
	_, err := guard.Authenticate(check(nonce).sign())
	require.NoError(t, err)
	_, err = guard.Authenticate(check(nonce).sign())
	require.ErrorIs(t, err, auth.TokenInvalid, "this instance remembers")

	server.Start()
	wantUnknown(a, 4) // it is left alone for a while
	now = now.Add(time.Second)
	wantFirst(a, 4)
	wantFirst(a, 5)
	wantFirst(b, 6) // whose connection was of before
}

func TestAMemcachedThatHangsCostsOneCallTheWaiting(t *testing.T) {
	server := velocitytest.StartMemcached(t)
	m := auth.NewNonceMemcached([]string{server.Addr}, 20*time.Millisecond)
	t.Cleanup(func() { _ = m.Close() })
	server.Hang()
	_, known := m.Once(nonceID(1), noon, noon)
	require.False(t, known)
	server.Resume()
	_, known = m.Once(nonceID(2), noon, noon)
	require.False(t, known, "not asked: it would have answered")
	_, known = m.Once(nonceID(3), noon.Add(-time.Hour), noon)
	assert.True(t, known, "asked again when the machine's clock was set back")
}

func TestNoncesAreKeptAsLongAsAnyInstanceMayBelieveThem(t *testing.T) {
	server := velocitytest.StartMemcached(t)
	m := onMemcached(t, server.Addr)
	_, known := m.Once(auth.NonceID{}, noon, noon)
	require.True(t, known)
	assert.InDelta(t, 240, server.SecondsLeft("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"), 5)
}
