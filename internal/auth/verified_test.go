package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestVerifiedCredentialsAreBounded(t *testing.T) {
	testbed.SkipRace(t, "fills a table with one goroutine")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	memory := newVerified()
	id := func(i int) credentialID { return memory.id(fmt.Append(nil, "token ", i)) }
	find := func(i int) *Caller {
		id := id(i)
		p, age := memory.find(&id, now)
		if age != fresh {
			return nil
		}
		return p.caller
	}
	caller := &Caller{Name: "checkout"}
	for i := range 30_000 {
		memory.add(id(i), &verification{caller: caller, until: now.Add(time.Hour)})
		require.LessOrEqual(t, len(memory.young)+len(memory.old), maxVerified)
		require.Same(t, caller, find(i), "the one just added")
		if i >= maxVerified/2 {
			require.Same(t, caller, find(i-maxVerified/2), "the one half a bound ago")
		}
	}
	assert.Len(t, memory.young, maxVerified/2)
	assert.Len(t, memory.old, maxVerified/2)
	assert.Nil(t, find(0), "the first")
}

func TestCredentialIDsAreKeyed(t *testing.T) {
	token := []byte("a token")
	one, other := newVerified(), newVerified()
	assert.Equal(t, one.id(token), one.id(token))
	assert.NotEqual(t, one.id(token), other.id(token))
	assert.NotEqual(t, one.id(token), one.id(append(token, 0)), "what the buffer is filled with")
}
