package memcached

import (
	"bufio"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// newTestClient makes a client that is closed with the test.
func newTestClient(t *testing.T, settings Settings) *Client {
	settings.Canary = "canary"
	c, err := New(settings)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// get reads the key within d.
func get(s *Server, key string, d time.Duration) Result {
	slot := s.Acquire(time.Now().Add(d), false)
	defer slot.Release(false)
	_, result := slot.Get([]byte(key), func([]byte) Result { return OK })
	return result
}

func add(s *Server, key string, value []byte) Result {
	slot := s.Acquire(time.Now().Add(patient), true)
	defer slot.Release(false)
	return slot.Write([]byte(key), 0, value, 60)
}

func TestServersAreChosenByTheirNames(t *testing.T) {
	const keys = 3000
	choices := func(names ...string) (chosen []string) {
		c := newTestClient(t, Settings{Servers: names})
		for n := range keys {
			chosen = append(chosen, names[c.ServerOf(mix(uint64(n))).Index()])
		}
		return chosen
	}
	three, without := choices("a:1", "b:1", "c:1"), choices("a:1", "c:1")
	require.Equal(t, three, choices("c:1", "a:1", "b:1"), "the order does not matter")
	shares := map[string]int{}
	for i := range three {
		shares[three[i]]++
		if three[i] != "b:1" {
			require.Equal(t, three[i], without[i], "losing one moves only its own")
		}
	}
	for name, n := range shares {
		require.InDelta(t, keys/3, n, keys/15, name)
	}
}

func TestAServerIsNotBlamedForTimeSpentElsewhere(t *testing.T) {
	const budget = 40 * time.Millisecond
	mute, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and answers nothing
	require.NoError(t, err)
	defer mute.Close()
	var why atomic.Value
	c := newTestClient(t, Settings{
		Servers: []string{mute.Addr().String()}, Budget: budget,
		Changed: func(_ string, trouble Trouble) { why.Store(trouble) },
	})
	s := c.ServerOf(0)
	for range 32 {
		require.Equal(t, Timeout, get(s, "key", 2*time.Millisecond))
	}
	require.True(t, s.Answers())
	for range tooManyInARow {
		require.Equal(t, Timeout, get(s, "key", budget))
	}
	require.False(t, s.Answers())
	require.Equal(t, Hangs, why.Load())
}

func TestAServerThatRefusesConnectionsIsToldFromOneThatHangs(t *testing.T) {
	var why atomic.Value
	c := newTestClient(t, Settings{
		Servers: []string{"127.0.0.1:1"}, Budget: patient,
		Changed: func(_ string, trouble Trouble) { why.Store(trouble) },
	})
	for range tooManyInARow {
		require.Equal(t, Failed, get(c.ServerOf(0), "key", patient))
	}
	require.Equal(t, Refuses, why.Load())
}

// What a server refuses is the command's trouble, not the server's.
func TestAServerThatRefusesAWriteIsUsedOn(t *testing.T) {
	server := testbed.StartMemcached(t) // which keeps a MiB at most
	var said atomic.Value
	var observed atomic.Int32
	c := newTestClient(t, Settings{
		Servers: []string{server.Addr}, Budget: patient,
		Refused: func(_, text string) { said.Store(text) },
		Observe: func(_, op string, result Result, _ time.Duration) {
			if op == opAdd && result == Refused {
				observed.Add(1)
			}
		},
	})
	c.Watch(nil)
	c.Await(patient)
	s := c.ServerOf(0)
	for range 3 * tooManyInARow {
		require.Equal(t, Refused, add(s, "large", make([]byte, 1<<20)))
	}
	require.Contains(t, said.Load(), "too large")
	require.EqualValues(t, 3*tooManyInARow, observed.Load(), "an answer, and not an error")
	require.True(t, s.Trusted())
	require.Equal(t, OK, add(s, "small", []byte("x")))
	require.Equal(t, OK, get(s, "small", patient))
}

func TestAServerThatRefusesAProbeIsNotBlamed(t *testing.T) {
	s := newScript(t)
	go func() {
		for c := range s.accepted {
			go func() {
				for r := bufio.NewScanner(c); r.Scan(); {
					_, _ = io.WriteString(c, "SERVER_ERROR out of memory\r\n")
				}
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() { close(s.accepted) })
	var said atomic.Value
	client := newTestClient(t, Settings{
		Servers: []string{s.address()}, Budget: patient,
		Refused: func(_, text string) { said.Store(text) },
	})
	p := newProber(client.ServerOf(0))
	for range 3 * tooManyInARow {
		_, result := p.read()
		require.Equal(t, Refused, result)
	}
	require.Equal(t, "out of memory", said.Load())
	require.True(t, p.server.Answers())
}

func TestAReadOfAMemoryThatWasLostIsDoubted(t *testing.T) {
	server := testbed.StartMemcached(t)
	c := newTestClient(t, Settings{Servers: []string{server.Addr}, Budget: patient})
	s := c.ServerOf(0)
	require.Equal(t, Doubted, get(s, "key", patient), "nothing is trusted yet")
	s.pipe.trust("another memory")
	require.Equal(t, Doubted, get(s, "key", patient))
	require.False(t, s.Trusted())
	c.Watch(nil)
	c.Await(patient)
	require.Equal(t, Miss, get(s, "key", patient))
}

// Resolving and connecting may take longer than any operation.
func TestAServerThatIsSlowToConnectIsUsedInTheEnd(t *testing.T) {
	const budget = 20 * time.Millisecond
	server := testbed.StartMemcached(t)
	c := newTestClient(t, Settings{Servers: []string{server.Addr}, Budget: budget})
	s := c.ServerOf(0)
	goOn := make(chan struct{})
	s.pipe.dial = func() (net.Conn, error) {
		<-goOn
		return net.Dial("tcp", server.Addr)
	}
	c.Watch(nil)
	require.Eventually(t, func() bool { return !s.Answers() }, patient, time.Millisecond)
	close(goOn)
	require.Eventually(t, s.Trusted, patient, time.Millisecond)
}

func TestAKeyKeepsItsServerFromVersionToVersion(t *testing.T) {
	require.Equal(t, uint64(0xceb15f85cca798b9), HashOf("fraudcheck-nonce:AAAAAAAAAAAAAAAAAAAAAA"))
}
