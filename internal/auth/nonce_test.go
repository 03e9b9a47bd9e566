package auth_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/testbed"
)

func nonceID(i int) (n auth.NonceID) {
	binary.BigEndian.PutUint64(n[:], uint64(i))
	return n
}

func TestOfAllWhoShowANonceOneIsFirst(t *testing.T) {
	m := auth.NewNonceMemory(1000)
	var firsts atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if m.Once(nonceID(1), noon, noon.Add(time.Minute)) {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, firsts.Load())
}

func TestTheMemoryForgetsNoncesOnlyOnceTheyAreTooOld(t *testing.T) {
	m := auth.NewNonceMemory(1000)
	once := func(now, until int) bool {
		return m.Once(nonceID(until), noon.Add(time.Duration(now)*time.Second), noon.Add(time.Duration(until)*time.Second))
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
		return m.Once(nonceID(i), noon, noon.Add(time.Duration(i%60)*time.Second))
	}
	for i := range 1000 {
		once(i)
	}
	for i := range 1000 {
		require.False(t, once(i), "%d", i)
	}
	require.True(t, once(1019), "what ends last is taken still")
}

// sharing is an instance on memcached, which is patient: the machine may be busy.
func sharing(t *testing.T, now *time.Time, servers ...*testbed.TestMemcached) func(nonce string) error {
	t.Helper()
	var names []string
	for _, s := range servers {
		names = append(names, s.Addr)
	}
	shared := testStore(t, 10*time.Second, names...)
	signed, err := auth.NewSigned(signedUsers)
	require.NoError(t, err)
	guard := auth.NewGuard(nil, nil).WithSigned(signed)
	guard.SharedNonces = shared
	guard.Now = func() time.Time { return *now }
	return func(nonce string) error {
		_, err := guard.Authenticate(check(nonce).sign())
		return err
	}
}

func nonceNumber(i int) string { return fmt.Sprintf("nonce-number-%08d", i) }

func TestInstancesShareNonces(t *testing.T) {
	for _, servers := range []int{1, 3} {
		now := noon
		var started []*testbed.TestMemcached
		for range servers {
			started = append(started, testbed.StartMemcached(t))
		}
		a, b := sharing(t, &now, started...), sharing(t, &now, started...)
		for i := range 50 {
			require.NoError(t, a(nonceNumber(i)))
			require.ErrorIs(t, b(nonceNumber(i)), auth.TokenInvalid)
		}
		var firsts atomic.Int32
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				if []func(string) error{a, b}[i%2](nonceNumber(1000)) == nil {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, firsts.Load())
	}
}

func TestWithoutMemcachedANonceIsGoodOncePerInstance(t *testing.T) {
	server := testbed.StartMemcached(t)
	now := noon
	a, b := sharing(t, &now, server), sharing(t, &now, server)
	require.NoError(t, a(nonceNumber(1)))
	require.ErrorIs(t, b(nonceNumber(1)), auth.TokenInvalid)

	server.Kill()
	require.NoError(t, a(nonceNumber(2)))
	require.ErrorIs(t, a(nonceNumber(2)), auth.TokenInvalid, "this instance remembers")
	require.NoError(t, b(nonceNumber(2)))

	server.Start()
	now = now.Add(time.Second)
	require.NoError(t, a(nonceNumber(3)))
	require.ErrorIs(t, b(nonceNumber(3)), auth.TokenInvalid)
}
