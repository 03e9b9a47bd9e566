package recent_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/event"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// What watching costs a check, with none blocked and with as many as there may be.
func BenchmarkBlockedWatch(b *testing.B) {
	for _, blocked := range []int{0, recent.MaxBlocked} {
		s := newShop(b, recent.MaxBlocked)
		s.fill(b, blocked)
		checks := map[string]*event.Event{"allowed": s.event(b, "198.51.100.7")}
		if blocked > 0 {
			checks["blocked"] = s.event(b, "10.7.7.1")
		}
		for name, check := range checks {
			addresses := make([]netip.Addr, 50_000)
			for i := range addresses {
				first := map[string]byte{"allowed": 198, "blocked": 10}[name]
				addresses[i] = netip.AddrFrom4([4]byte{first, byte(i % 250), byte(i / 250 % 250), byte(rand.IntN(2))})
			}
			b.Run(fmt.Sprintf("%s/%d blocked", name, blocked), func(b *testing.B) {
				b.ReportAllocs()
				before := cpu()
				defer func() { b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") }()
				b.RunParallel(func(pb *testing.PB) {
					e, a := *check, *check.Attempt
					e.Attempt = &a
					for i := rand.IntN(len(addresses)); pb.Next(); i++ {
						a.Address = addresses[i%len(addresses)]
						s.Watch(&e)
					}
				})
			})
		}
	}
}

// What a list of as many as there may be costs.
func BenchmarkBlockedList(b *testing.B) {
	memory := func() *velocity.Memory {
		memory, err := velocity.NewMemory(256 << 20)
		require.NoError(b, err)
		return memory
	}
	list := func(b *testing.B, s *shop) {
		s.fill(b, recent.MaxBlocked)
		b.ResetTimer()
		before := cpu()
		defer func() { b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") }()
		for range b.N {
			s.NotShared()
			list := s.List(recent.MaxBlocked, s.now())
			b.ReportMetric(float64(len(list.Blocked)), "listed")
			b.ReportMetric(float64(list.LeftOut), "left-out")
		}
	}
	b.Run("embedded", func(b *testing.B) { list(b, newShopOver(b, memory(), recent.MaxBlocked, overOne)) })
	b.Run("memcached", func(b *testing.B) {
		server := testbed.StartMemcached(b)
		store := velocitytest.NewMemcached(b, memory(), memcached.Settings{Servers: []string{server.Addr}, Budget: time.Second})
		s := newShopOver(b, store, recent.MaxBlocked, overOne)
		store.Watch(s.checker.Plan, s.now)
		store.Client.Await(5 * time.Second)
		list(b, s)
	})
}

// fill blocks that many addresses.
func (s *shop) fill(t testing.TB, addresses int) {
	for n := range addresses {
		s.block(t, fmt.Sprintf("10.%d.%d.%d", n%250, n/250%250, n/62500))
	}
}

// event is a check of the address with another card.
func (s *shop) event(t testing.TB, address string) *event.Event {
	a, d := s.attempt(t, address, ""), new(velocity.Decision)
	s.checker.Check(&a, s.now(), nil, d)
	return &event.Event{Kind: event.Check, Time: s.now(), Attempt: &a, Decision: d}
}

// cpu is the processor time of this process, which other processes on the machine change
// less than the time on the clock.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails only for another constant
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
