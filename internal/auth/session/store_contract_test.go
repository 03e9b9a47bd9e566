package session

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
)

var midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// eachStore runs the test over every kind of store, empty.
func eachStore(t *testing.T, test func(*testing.T, Store)) {
	t.Run("memory", func(t *testing.T) { test(t, NewMemory()) })
	t.Run("memcached", func(t *testing.T) { test(t, shared(t, testbed.StartMemcached(t))) })
	t.Run("two memcached", func(t *testing.T) {
		test(t, shared(t, testbed.StartMemcached(t), testbed.StartMemcached(t)))
	})
}

func shared(t *testing.T, servers ...*testbed.TestMemcached) *Memcached {
	t.Helper()
	var names []string
	for _, s := range servers {
		names = append(names, s.Addr)
	}
	return sharedAt(t, time.Second, names...)
}

// sharedAt is a store whose client is watched, as that of the program.
func sharedAt(t *testing.T, budget time.Duration, names ...string) *Memcached {
	t.Helper()
	client, err := memcached.New(memcached.Settings{Servers: names, Budget: budget, Canary: "canary"})
	require.NoError(t, err)
	client.Watch(nil)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return NewMemcached(client, turnsOf(budget))
}

func turnsOf(budget time.Duration) *turns.Queue {
	return turns.New(turns.Settings{Turns: 64, Answer: budget, Budget: budget})
}

// aTurn is one of a request that only looks, and gives it back after each operation.
func aTurn() *turns.Turn { return &turns.Turn{Class: turns.LookUp} }

func TestAStoreKeepsWhatWasPut(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		until := midnight.Add(time.Hour)
		for n := range 100 {
			key := fmt.Sprint("key-", n)
			_, _, err := s.Get(key, midnight, aTurn())
			require.Equal(t, ErrMissing, err)
			require.NoError(t, s.Put(key, []byte(key), 0, midnight, until, aTurn()))
		}
		for n := range 100 {
			key := fmt.Sprint("key-", n)
			value, version, err := s.Get(key, midnight, aTurn())
			require.NoError(t, err)
			require.Equal(t, key, string(value))
			require.NotZero(t, version)
		}
	})
}

func TestAStoreWritesOnlyOverTheVersionThatWasRead(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		until := midnight.Add(time.Hour)
		require.Equal(t, ErrConflict, s.Put("key", []byte("a"), 7, midnight, until, aTurn()), "there is none")
		require.NoError(t, s.Put("key", []byte("a"), 0, midnight, until, aTurn()))
		require.Equal(t, ErrConflict, s.Put("key", []byte("b"), 0, midnight, until, aTurn()), "there is one")
		_, first, err := s.Get("key", midnight, aTurn())
		require.NoError(t, err)
		require.NoError(t, s.Put("key", []byte("b"), first, midnight, until, aTurn()))
		require.Equal(t, ErrConflict, s.Put("key", []byte("c"), first, midnight, until, aTurn()), "another was faster")
		value, second, err := s.Get("key", midnight, aTurn())
		require.NoError(t, err)
		assert.Equal(t, "b", string(value))
		assert.NotEqual(t, first, second)
	})
}

func TestOfManyWritersOneIsFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		var won atomic.Int64
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				switch err := s.Put("key", []byte("a"), 0, midnight, midnight.Add(time.Hour), aTurn()); err {
				case nil:
					won.Add(1)
				default:
					assert.Equal(t, ErrConflict, err)
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, won.Load())
	})
}

func TestTheEmbeddedStoreForgetsExpiredItems(t *testing.T) {
	m := NewMemory()
	require.NoError(t, m.Put("key", []byte("a"), 0, midnight, midnight.Add(time.Hour), nil))
	_, version, err := m.Get("key", midnight.Add(time.Hour-1), nil)
	require.NoError(t, err)
	_, _, err = m.Get("key", midnight.Add(time.Hour), nil)
	assert.Equal(t, ErrMissing, err)
	assert.Equal(t, ErrConflict, m.Put("key", nil, version, midnight.Add(time.Hour), midnight.Add(2*time.Hour), nil))
	assert.NoError(t, m.Put("key", nil, 0, midnight.Add(time.Hour), midnight.Add(2*time.Hour), nil))
}

func TestMemcachedKeepsAnItemAsLongAsItMatters(t *testing.T) {
	server := testbed.StartMemcached(t)
	s := shared(t, server)
	for keep, seconds := range map[time.Duration]int{
		time.Hour: 3600, 1500 * time.Millisecond: 2, 720 * time.Hour: 2592000, 721 * time.Hour: 2592000, -time.Hour: 1,
	} {
		key := strings.Trim(fmt.Sprint("key", keep), "-")
		require.NoError(t, s.Put(key, nil, 0, midnight, midnight.Add(keep), aTurn()))
		assert.InDelta(t, seconds, server.SecondsLeft(key), 1)
	}
}

func TestTheEmbeddedStoreIsBounded(t *testing.T) {
	m := NewMemory()
	for n := range maxItems + 5000 {
		now := midnight.Add(time.Duration(n) * time.Millisecond)
		if err := m.Put(fmt.Sprint(n), nil, 0, now, now.Add(time.Hour), nil); err != nil || len(m.items) > maxItems {
			require.FailNow(t, "not bounded", "item %d: %v, %d items", n, err, len(m.items))
		}
	}
	_, _, err := m.Get(fmt.Sprint(maxItems+4999), midnight, nil)
	assert.NoError(t, err, "the last one")
	later := midnight.Add(2 * time.Hour)
	for n := range 30_000 {
		if err := m.Put(fmt.Sprint("later ", n), nil, 0, later, later.Add(time.Hour), nil); err != nil {
			require.NoError(t, err)
		}
	}
	assert.Less(t, len(m.items), maxItems, "what is over makes room")
}

func TestMemcachedThatDoesNotAnswerIsUsedAgainWhenItDoes(t *testing.T) {
	server := testbed.StartMemcached(t)
	s := shared(t, server)
	require.NoError(t, s.Put("key", []byte("a"), 0, midnight, midnight.Add(time.Hour), aTurn()))
	server.Kill()
	_, _, err := s.Get("key", midnight, aTurn())
	require.Equal(t, ErrAway, err)
	server.Start()
	require.Eventually(t, func() bool {
		_, _, err := s.Get("key", midnight, aTurn())
		return err == ErrMissing // it knows nothing
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Put("key", []byte("a"), 0, midnight, midnight.Add(time.Hour), aTurn()))
}

func TestMemcachedIsGoodAgainAtOnceAfterARestart(t *testing.T) {
	server := testbed.StartMemcached(t)
	s := shared(t, server)
	require.NoError(t, s.Put("key", []byte("a"), 0, midnight, midnight.Add(time.Hour), aTurn()))
	server.Kill()
	server.Start()
	_, _, err := s.Get("key", midnight, aTurn())
	assert.Equal(t, ErrMissing, err, "a connection that died says nothing about the server")
}

func TestMemcachedThatHangsCostsOneTimeout(t *testing.T) {
	server := testbed.StartMemcached(t)
	s := sharedAt(t, 50*time.Millisecond, server.Addr)
	server.Hang()
	defer server.Resume()
	since := time.Now()
	for range 1000 {
		_, _, err := s.Get("key", midnight, aTurn())
		require.Equal(t, ErrAway, err)
	}
	assert.Less(t, time.Since(since), 5*time.Second)
}

// A connection that broke after the write was carried out does not make it another's.
func TestAWriteThatWasCarriedOutWithoutAnAnswerIsOurs(t *testing.T) {
	for stored, want := range map[string]error{"ours": nil, "else": ErrConflict} {
		ln, err := net.Listen("unix", t.TempDir()+"/memcached")
		require.NoError(t, err)
		var serving sync.WaitGroup
		serving.Go(func() {
			for replies := range slices.Values([][]string{{""}, {"VALUE key 0 4 1\r\n" + stored + "\r\nEND\r\n"}}) {
				c, err := ln.Accept()
				if !assert.NoError(t, err) {
					return
				}
				r := bufio.NewReader(c)
				for _, reply := range replies {
					line, _ := r.ReadString('\n')
					if strings.HasPrefix(line, "add ") {
						_, _ = r.ReadString('\n')
					}
					_, _ = io.WriteString(c, reply)
				}
				_ = c.Close()
			}
		})
		client, err := memcached.New(memcached.Settings{Servers: []string{ln.Addr().String()}, Budget: 10 * time.Second, Canary: "canary"})
		require.NoError(t, err)
		s := NewMemcached(client, turnsOf(10*time.Second))
		assert.Equal(t, want, s.Put("key", []byte("ours"), 0, midnight, midnight.Add(time.Hour), aTurn()))
		_ = client.Close()
		serving.Wait()
		_ = ln.Close()
	}
}
