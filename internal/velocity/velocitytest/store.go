package velocitytest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

// NewMemcached makes a store with the keys of tests: see [NewMemcachedUnder].
func NewMemcached(t testing.TB, local *velocity.Memory, settings memcached.Settings) *velocity.Memcached {
	return NewMemcachedUnder(t, NewKeys(t), local, settings)
}

// NewMemcachedUnder makes a store with these keys, on a client of its own. Both are
// closed with the test. The servers are used from when the store is watched. A check has
// twice the budget until its answer is due.
func NewMemcachedUnder(t testing.TB, keys *velocity.Keys, local *velocity.Memory, settings memcached.Settings) *velocity.Memcached {
	settings.Canary = keys.CanaryKey()
	client, err := memcached.New(settings)
	require.NoError(t, err)
	queue := turns.New(turns.Settings{Turns: 64, Answer: 2 * settings.Budget, Budget: settings.Budget})
	store, err := velocity.NewMemcached(velocity.MemcachedSettings{Client: client, Turns: queue, Keys: keys, Local: local})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, client.Close())
	})
	return store
}
