package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheKnownTokensAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	cache := newTokenCache()
	id := func(i int) tokenID { return cache.id(fmt.Append(nil, "token ", i)) }
	caller := &Caller{Name: "checkout"}
	for i := range 30_000 {
		cache.add(id(i), knownToken{caller: caller, until: now.Add(time.Hour)})
		require.LessOrEqual(t, len(cache.young)+len(cache.old), maxKnown)
		require.Same(t, caller, cache.find(id(i), now), "the one just added")
		if i >= maxKnown/2 {
			require.Same(t, caller, cache.find(id(i-maxKnown/2), now), "the one half a bound ago")
		}
	}
	assert.Len(t, cache.young, maxKnown/2)
	assert.Len(t, cache.old, maxKnown/2)
	assert.Nil(t, cache.find(id(0), now), "the first")
}

func TestEveryProcessHashesTokensItsOwnWay(t *testing.T) {
	token := []byte("a token")
	one, other := newTokenCache(), newTokenCache()
	assert.Equal(t, one.id(token), one.id(token))
	assert.NotEqual(t, one.id(token), other.id(token))
	assert.NotEqual(t, one.id(token), one.id(append(token, 0)), "what the buffer is filled with")
}
