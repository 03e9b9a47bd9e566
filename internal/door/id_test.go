package door

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIDsAreULIDsThatSortByTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 38, 33, 217e6, time.UTC)
	last, seen := "", map[string]bool{}
	for n := range 1000 {
		at := now.Add(time.Duration(n) * time.Millisecond)
		id := string(AppendID(nil, at))
		parsed, err := ulid.ParseStrict(id)
		require.NoError(t, err)
		require.Equal(t, at, parsed.Timestamp().UTC())
		require.Less(t, last, id)
		require.True(t, Traceable([]byte(id)), "what we make, we take over")
		last = id
	}
	for range 1000 {
		id := string(AppendID(nil, now))
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestTraceable(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "Z": true, "0": true, ".": true, "_": true, "-": true,
		"checkout-1.2_3":                       true,
		"123456789012":                         true,
		"123456789012-123456789012":            false,
		"123456789012-a123456789012":           true,
		"123456789012a345678901234":            true,
		strings.Repeat("x", 64):                true,
		"":                                     false,
		strings.Repeat("x", 65):                false,
		"1234567890123":                        false,
		"x1234567890123x":                      false,
		"4111111111111111":                     false,
		"4111-1111-1111-1111":                  false, // separators hide no card
		"4111.1111_1111--1111":                 false,
		"61234567-8901-4234-8567-89012345678a": true, // a UUID of nearly no letters
		"4111-1111-1111":                       true,
		"2026-1128-081":                        true,
		"3fd2b9a0-6d4e-9b1c-a2f7-0c5e1a3c9d11": true,
		"two words":                            false,
		"line\nend":                            false,
		"a/b":                                  false,
		"a:b":                                  false,
		"a@b":                                  false,
		"[a]":                                  false,
		"`":                                    false,
		"{":                                    false,
		"é":                                    false,
		"a\x00":                                false,
		"a\xff":                                false,
		"١٢٣":                                  false,
		strings.Repeat("1", 12) + ".1":         false,
		strings.Repeat(strings.Repeat("1", 12)+"x", 4): true,
	} {
		assert.Equal(t, want, Traceable([]byte(id)), "%q", id)
	}
	assert.False(t, Traceable(nil))
}
