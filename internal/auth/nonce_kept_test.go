package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
)

func TestNoncesAreKeptAsLongAsAnyInstanceMayBelieveThem(t *testing.T) {
	server := testbed.StartMemcached(t)
	client, err := memcached.New(memcached.Settings{Servers: []string{server.Addr}, MaxConns: 64, Budget: time.Second, Canary: "canary"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	shared := session.NewMemcached(client, time.Second)
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	used := usedNonces{NewNonceMemory(1000), shared}
	require.True(t, used.once(NonceID{}, midnight, midnight, new(time.Duration)))
	assert.InDelta(t, 240, server.SecondsLeft("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"), 5)
}
