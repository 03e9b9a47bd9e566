package velocity_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// liar answers every command with what say makes of it, and hangs up.
func liar(t testing.TB, say func(command string) []byte) (addr string) {
	ln, err := net.Listen("unix", t.TempDir()+"/liar") // a fuzzer would run out of ports
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				command, _ := bufio.NewReader(c).ReadString('\n')
				_, _ = c.Write(say(strings.TrimSpace(command)))
				_ = c.(*net.UnixConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c) // the rest of a write
			}()
		}
	}()
	return ln.Addr().String()
}

// stored is a record of three cards as a server holds it, and its key.
func stored(t testing.TB) (key string, value []byte) {
	server := testbed.StartMemcached(t)
	it, ok := t.(*testing.T)
	require.True(t, ok)
	a := newInstance(it, patient, server.Addr)
	for card := range 3 {
		a.show(ip, card)
	}
	attempt := velocitytest.Attempt(t, ip, 0)
	key = velocity.ItemKeyOf(a.store, a.Checker, &attempt)
	item, err := memcache.New(server.Addr).Get(key)
	require.NoError(t, err)
	return key, item.Value
}

// lied asks an instance that knows one card of its own, of a server that answers
// reads with the reply.
func lied(t *testing.T, reply []byte) (count int, degraded bool) {
	c := askLiar(t, reply)
	var d velocity.Decision
	a := velocitytest.Attempt(t, ip, 7)
	c.Check(&a, velocitytest.Start, nil, &d)
	return d.Rules[0].Count, d.Degraded
}

// askLiar is a checker on a server that answers reads with the reply. The canary, asked
// for behind each command, is always the trusted one.
func askLiar(t testing.TB, reply []byte) *velocity.Checker {
	return askLiarOf(t, func() []byte { return reply })
}

// askLiarOf is askLiar of a server that is asked what to reply for each read.
func askLiarOf(t testing.TB, reply func() []byte) *velocity.Checker {
	key := velocitytest.NewKeys(t).CanaryKey()
	canary := fmt.Appendf(nil, "VALUE %s 0 6 1\r\ncanary\r\nEND\r\n", key)
	addr := liar(t, func(command string) []byte {
		switch {
		case command == "gets "+key:
			return canary
		case strings.HasPrefix(command, "add "):
			return append([]byte("NOT_STORED\r\n"), canary...)
		}
		return append(slices.Clip(reply()), canary...)
	})
	local, err := velocity.NewMemory(1 << 20)
	require.NoError(t, err)
	store := velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{addr}, Budget: time.Second})
	c := velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, store)
	store.Watch(c.Plan, func() velocity.Time { return velocitytest.Start })
	store.Client.Await(patient)
	require.True(t, velocity.Trusted(store))
	return c
}

// What is refused below is refused for what it says, and not for how it is asked.
func TestWhatIsNoLieIsBelieved(t *testing.T) {
	key, value := stored(t)
	c := askLiar(t, fmt.Appendf(nil, "VALUE %s 0 %d 1\r\n%s\r\nEND\r\n", key, len(value), value))
	a := velocitytest.Attempt(t, ip, 7)
	r := c.Inspect(&a, []string{"ip"}, velocitytest.Start)
	require.False(t, r.Degraded)
	require.Equal(t, 3, r.Rules[0].Count)
}

func TestAReplyCutAnywhereIsNoReply(t *testing.T) {
	key, value := stored(t)
	whole := append(fmt.Appendf(nil, "VALUE %s 0 %d 1\r\n", key, len(value)), value...)
	whole = append(whole, "\r\nEND\r\n"...)
	var reply atomic.Pointer[[]byte]
	var asked atomic.Int32
	liar := func() *velocity.Checker {
		return askLiarOf(t, func() []byte {
			asked.Add(1)
			return *reply.Load()
		})
	}
	c := liar()
	for cut := range whole {
		short := whole[:cut]
		reply.Store(&short)
		asked.Store(0)
		for tries := 0; asked.Load() == 0; tries++ {
			require.Less(t, tries, 10, "the server is never asked")
			if tries > 0 { // one that has lied too often is not asked any more
				c = liar()
			}
			var d velocity.Decision
			a := velocitytest.Attempt(t, ip, 7)
			c.Check(&a, velocitytest.Start, nil, &d)
			require.True(t, d.Degraded, "cut after %d bytes", cut)
			require.Equal(t, 1, d.Rules[0].Count)
		}
	}
}

func TestNoLieIsBelieved(t *testing.T) {
	key, value := stored(t)
	says := func(key string, length int, value, end string) []byte {
		return fmt.Appendf(nil, "VALUE %s 0 %d 1\r\n%s%s", key, length, value, end)
	}
	const end = "\r\nEND\r\n"
	for name, reply := range map[string][]byte{
		"nothing":               nil,
		"garbage":               []byte("\x00\xff\xfe garbage \r\n"),
		"a line without end":    bytes.Repeat([]byte("A"), 1<<20),
		"values without end":    bytes.Repeat(says(key, len(value), string(value), "\r\n"), 1000),
		"another key":           says("fraudcheck:other", len(value), string(value), end),
		"a key twice as long":   says(strings.Repeat("k", 600), len(value), string(value), end),
		"too short a length":    says(key, len(value)-1, string(value), end),
		"too long a length":     says(key, len(value)+1, string(value), end),
		"a gigantic length":     says(key, 1_900_000_000, string(value), end),
		"a negative length":     says(key, -1, string(value), end),
		"a length beyond all":   []byte("VALUE " + key + " 0 99999999999999999999 1\r\n"),
		"two values":            append(says(key, len(value), string(value), "\r\n"), says(key, len(value), string(value), end)...),
		"something after END":   says(key, len(value), string(value), end+"END\r\n"),
		"an answer to a write":  []byte("STORED\r\n"),
		"a server error":        []byte("SERVER_ERROR out of memory\r\n"),
		"no cas id":             fmt.Appendf(nil, "VALUE %s 0 %d\r\n%s%s", key, len(value), value, end),
		"an empty line":         []byte("\r\n"),
		"a lone newline":        []byte("\n"),
		"the value of another":  says(key, 4, "evil", end),
		"END and then a secret": []byte("END\r\nVALUE " + key + " 0 1 1\r\nx" + end),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			count, degraded := lied(t, reply)
			runtime.ReadMemStats(&after)
			require.Equal(t, 1, count)
			require.True(t, degraded)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), "memory stays bounded")
		})
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("VALUE k 0 1 1\r\nx\r\nEND\r\n"))
	f.Add([]byte("END\r\n"))
	f.Add([]byte("NOT_STORED\r\n"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		c := askLiar(t, reply)
		a := velocitytest.Attempt(t, ip, 1)
		var d velocity.Decision
		for range 3 {
			c.Check(&a, velocitytest.Start, nil, &d)
			require.Equal(t, 1, d.Rules[0].Count, "no reply makes a card")
		}
	})
}
