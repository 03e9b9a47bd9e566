package auth_test

import (
	"errors"
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

// sharing is an instance on memcached, which is patient: the machine may be busy.
func sharing(t *testing.T, now *time.Time, servers ...*testbed.TestMemcached) func(nonce string) error {
	t.Helper()
	var names []string
	for _, s := range servers {
		names = append(names, s.Addr)
	}
	shared := testStore(t, 10*time.Second, names...)
	guard := auth.NewGuard(ofUsers(t, signedUsers...))
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
	next := 3
	require.Eventually(t, func() bool { // once both ask it again
		next++
		return a(nonceNumber(next)) == nil && errors.Is(b(nonceNumber(next)), auth.TokenInvalid)
	}, testbed.Prompt, testbed.PollInterval)
}
