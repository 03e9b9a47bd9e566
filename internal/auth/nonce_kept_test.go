package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/testbed"
)

func TestNoncesAreKeptAsLongAsAnyInstanceMayBelieveThem(t *testing.T) {
	server := testbed.StartMemcached(t)
	shared, err := session.NewMemcached([]string{server.Addr}, time.Second)
	require.NoError(t, err)
	t.Cleanup(shared.Close)
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	used := usedNonces{NewNonceMemory(1000), shared}
	require.True(t, used.once(NonceID{}, midnight, midnight))
	assert.InDelta(t, 240, server.SecondsLeft("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"), 5)
}
