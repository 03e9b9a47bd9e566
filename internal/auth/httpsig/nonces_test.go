package httpsig_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/httpsig"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func nonceID(i int) (n httpsig.NonceID) {
	binary.BigEndian.PutUint64(n[:], uint64(i))
	return n
}

func TestOfConcurrentUsesOfANonceOneIsFirst(t *testing.T) {
	m := httpsig.NewNonceMemory(1000)
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

func TestANonceIsGoodOnceWhateverTimeItsSignatureSays(t *testing.T) {
	m := httpsig.NewNonceMemory(1000)
	require.True(t, m.Once(nonceID(1), noon, noon.Add(60*time.Second)))
	for _, seconds := range []int{0, 59, 61, 120} {
		assert.False(t, m.Once(nonceID(1), noon, noon.Add(time.Duration(seconds)*time.Second)), seconds)
	}
	for _, later := range []int{1, 60, 61, 239} {
		now := noon.Add(time.Duration(later) * time.Second)
		assert.False(t, m.Once(nonceID(1), now, now.Add(time.Minute)), "signed again %d s later", later)
	}
}

func TestTheMemoryForgetsNoncesOnlyOnceTheyAreTooOld(t *testing.T) {
	m := httpsig.NewNonceMemory(1000)
	once := func(now, until int) bool {
		return m.Once(nonceID(until), noon.Add(time.Duration(now)*time.Second), noon.Add(time.Duration(until)*time.Second))
	}
	require.True(t, once(0, 60))
	require.True(t, once(0, 120))
	require.False(t, once(60, 60), "good in its last second")
	require.False(t, once(300, 60), "its signature is good no more, and another one may bear the nonce")
	require.True(t, once(301, 301))
	require.False(t, once(0, 60), "forgotten, and the clock was set back")
	require.False(t, once(0, 59), "so would be what ends before it")
	require.False(t, once(119, 120))
}

func TestAFullMemoryAcceptsNothingTwice(t *testing.T) {
	m := httpsig.NewNonceMemory(100)
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
