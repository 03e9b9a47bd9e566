package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/testbed"
)

func TestNoncesAreKeptAsLongAsAnyInstanceMayBelieveThem(t *testing.T) {
	server := testbed.StartMemcached(t)
	shared, err := session.NewMemcached([]string{server.Addr}, time.Second)
	require.NoError(t, err)
	t.Cleanup(shared.Close)
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	guard := NewGuard(new(Policy))
	guard.SharedNonces = shared
	require.True(t, guard.Once(httpsig.NonceID{}, midnight, midnight))
	assert.InDelta(t, 240, server.SecondsLeft("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"), 5)
}
