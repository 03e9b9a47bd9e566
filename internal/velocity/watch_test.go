package velocity_test

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
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

func TestAServerThatLostItsMemoryIsToldWhoIsBlocked(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a := newInstance(t, patient, server.Addr)
	for card := range 7 {
		a.show(ip, card)
	}
	a.requireShared("203.0.113.8", 1, 1)
	blocked, honest := velocitytest.Attempt(t, ip, 0), velocitytest.Attempt(t, "203.0.113.8", 0)
	server.Kill()
	server.Start()

	// It is told without any check; the address that is not blocked is not told.
	raw := memcache.New(server.Addr)
	require.Eventually(t, func() bool {
		_, err := raw.Get(velocity.ItemKeyOf(a.store, a.Checker, &blocked))
		return err == nil
	}, patient, 10*time.Millisecond)
	_, err := raw.Get(velocity.ItemKeyOf(a.store, a.Checker, &honest))
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
	newInstance(t, patient, server.Addr).requireShared(ip, 9, 6)
}

// Whoever finds out first does not keep the others from telling what they know.
func TestEachInstanceTellsAServerThatLostItsMemory(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	var instances []*instance
	for n := range 3 {
		i := newInstance(t, patient, server.Addr)
		instances = append(instances, i)
		for card := range 7 {
			i.show(fmt.Sprintf("203.0.113.%d", n), card)
		}
	}
	raw := memcache.New(server.Addr)
	knows := func() (n int) {
		for n, i := range instances {
			attempt := velocitytest.Attempt(t, fmt.Sprintf("203.0.113.%d", n), 0)
			if _, err := raw.Get(velocity.ItemKeyOf(i.store, i.Checker, &attempt)); err != nil {
				return n
			}
		}
		return len(instances)
	}
	server.Kill()
	server.Start()
	require.Eventually(t, func() bool { return knows() == len(instances) }, patient, 10*time.Millisecond)
}

func TestAServerThatCouldNotBeToldIsToldAgain(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	between := newPicky(t, server)
	a := newInstance(t, patient, between.addr)
	for card := range 7 {
		a.show(ip, card)
	}
	blocked := velocitytest.Attempt(t, ip, 0)
	between.picky.Store(true)
	server.Kill()
	server.Start()
	require.Eventually(t, func() bool { return between.refused.Load() > 1 }, patient, time.Millisecond)
	between.picky.Store(false)
	raw := memcache.New(server.Addr)
	require.Eventually(t, func() bool {
		_, err := raw.Get(velocity.ItemKeyOf(a.store, a.Checker, &blocked))
		return err == nil
	}, patient, 10*time.Millisecond)
}

func TestAStopDoesNotWaitUntilAServerWasToldOfEverybody(t *testing.T) {
	const addresses = 200
	server := testbed.StartMemcached(t)
	local, err := velocity.NewMemory(1 << 20)
	require.NoError(t, err)
	checker := velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, local)
	for n := range addresses {
		for card := range 7 {
			attempt := velocitytest.Attempt(t, fmt.Sprintf("203.0.113.%d", n), card)
			var d velocity.Decision
			checker.Check(&attempt, velocitytest.Start, nil, &d)
		}
	}
	var store *velocity.Memcached
	var closing sync.WaitGroup
	var told atomic.Int32
	stopping := make(chan struct{})
	store = velocitytest.NewMemcached(t, local, memcached.Settings{
		Servers: []string{server.Addr}, Budget: patient,
		Observe: func(_, op string, _ memcached.Result, _ time.Duration) {
			if op != "add" {
				return
			}
			if told.Add(1) == 1 {
				closing.Go(func() {
					close(stopping)
					_ = store.Client.Close()
				})
			}
			<-stopping
		},
	})
	store.Watch(checker.Plan, func() velocity.Time { return velocitytest.Start })
	<-stopping
	closing.Wait()
	require.Less(t, told.Load(), int32(addresses/2))
}

// picky is a proxy before a server. While it is picky it closes a connection on which
// anything but the canary is asked for.
type picky struct {
	addr    string
	picky   atomic.Bool
	refused atomic.Int32
}

var recordCommand = regexp.MustCompile(`(?m)^(gets|add|cas) fraudcheck:[^ :]+:[^ c]`)

func newPicky(t *testing.T, server *testbed.TestMemcached) *picky {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	p := &picky{addr: ln.Addr().String()}
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server.Addr)
			if err != nil {
				_ = from.Close()
				continue
			}
			go p.pass(from, to)
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	return p
}

func (p *picky) pass(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.picky.Load() && recordCommand.Match(buf[:n]) {
			p.refused.Add(1)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
