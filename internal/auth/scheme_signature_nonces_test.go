package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
)

func TestSharedNoncesAreKeptFourMinutes(t *testing.T) {
	server := testbed.StartMemcached(t)
	client, err := memcached.New(memcached.Settings{Servers: []string{server.Addr}, Budget: time.Second, Canary: "canary"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	shared := session.NewMemcached(client, turns.New(turns.Settings{Turns: 64, Answer: time.Second, Budget: time.Second}))
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	guard := NewGuard(new(Policy))
	guard.SharedNonces = shared
	require.True(t, guard.Once(httpsig.NonceID{}, midnight, midnight, &turns.Turn{Class: turns.LookUp}))
	assert.InDelta(t, 240, server.SecondsLeft("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"), 5)
}
