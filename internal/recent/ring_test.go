package recent_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/event"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// start is when the rings of these tests start.
var start = velocity.TimeOf(time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC))

var cardsPerIP = velocity.DefaultRule

var plan, _ = velocity.NewPlan([]velocity.Rule{cardsPerIP}, 64) // the default, which is valid

// newRing keeps that many decisions.
func newRing(keep int) *recent.Ring {
	return recent.NewRing(recent.RingSettings{Keep: keep, Rules: 1, Instance: "web-1", Start: start})
}

// A check of these tests.
type check struct {
	from    string // the address; empty for none
	at      time.Duration
	outcome velocity.Outcome
	id      string // of the request
}

func (c check) event() *event.Event {
	a := new(velocity.Attempt)
	if c.from != "" {
		a.Address = netip.MustParseAddr(c.from)
	}
	d := &velocity.Decision{Plan: plan, Outcome: c.outcome, Rules: []velocity.RuleResult{{Rule: &cardsPerIP, Outcome: c.outcome, Count: 3}}}
	if c.outcome != velocity.Allow {
		d.Reasons = []string{cardsPerIP.Name}
	}
	return &event.Event{Time: start + velocity.Time(c.at.Milliseconds()), Attempt: a, Decision: d, RequestID: []byte(c.id), Caller: &auth.Caller{Name: "checkout"}}
}

// addressesOf are the addresses of all decisions, newest first.
func addressesOf(r *recent.Ring) (all []string) {
	for _, d := range r.Before(nil, new(recent.Filter), 1<<20) {
		all = append(all, d.Address.String())
	}
	return all
}

// honest is the n-th of many addresses.
func honest(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&255, n&255) }

const attacker = "203.0.113.66"

func TestTheLastDecisionsAreKept(t *testing.T) {
	r := newRing(3)
	assert.Empty(t, addressesOf(r))
	for n := range 5 {
		r.Watch(check{from: honest(n), at: time.Duration(n) * time.Second}.event())
	}
	assert.Equal(t, []string{honest(4), honest(3), honest(2)}, addressesOf(r))
}

func TestWhatIsKeptOfADecision(t *testing.T) {
	r := newRing(3)
	e := check{from: "203.0.113.7", at: 123 * time.Millisecond, outcome: velocity.Block, id: "request-1"}.event()
	e.AttemptID, e.ShortAttempt, e.ShortCard, e.Decision.Degraded = "order-1", 11, 22, true
	r.Watch(e)
	r.Watch(&event.Event{Kind: event.Outcome})
	found := r.Before(nil, new(recent.Filter), 10)
	require.Len(t, found, 1)
	want := recent.Decision{
		Position: recent.Position{Time: start + 123, Instance: recent.InstanceNumber("web-1"), Number: found[0].Number},
		Address:  netip.MustParseAddr("203.0.113.7"), Card: 22, Attempt: 11, Outcome: velocity.Block, Reasons: []string{"cards_per_ip"},
		Rules: []velocity.RuleResult{{Rule: &cardsPerIP, Outcome: velocity.Block, Count: 3}}, Degraded: true, Caller: "checkout", RequestID: "request-1",
	}
	assert.Equal(t, want, found[0])
}

// The ring takes from the request's memory, which the next request overwrites.
func TestADecisionIsCopied(t *testing.T) {
	r := newRing(3)
	e := check{from: "203.0.113.7", outcome: velocity.Block, id: "request-1"}.event()
	r.Watch(e)
	before := r.Before(nil, new(recent.Filter), 10)
	copy(e.RequestID, "XXXXXXXXX")
	e.Decision.Reasons[0], e.Decision.Rules[0].Count = "other", 99
	assert.Equal(t, before, r.Before(nil, new(recent.Filter), 10))
	r.Watch(check{from: honest(1)}.event())
	r.Watch(check{from: honest(2)}.event())
	r.Watch(check{from: honest(3)}.event())
	assert.Equal(t, "request-1", before[0].RequestID, "what was read stays")
}

// An attack of 99 % of the traffic from one address leaves the honest decisions to be seen,
// all of them while there are fewer than the ring keeps beside the attacker's share.
func TestAnAddressThatFloodsLeavesRoomForOthers(t *testing.T) {
	const keep = 1000
	r := newRing(keep)
	at, shoppers := time.Duration(0), 0
	for n := range 100 * keep {
		at += 300 * time.Microsecond
		if n%100 == 50 {
			r.Watch(check{from: honest(shoppers), at: at}.event())
			shoppers++
		} else {
			r.Watch(check{from: attacker, at: at, outcome: velocity.Block}.event())
		}
	}
	all := addressesOf(r)
	require.Len(t, all, keep)
	shown := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return a == attacker })
	assert.LessOrEqual(t, len(all)-len(shown), keep/20)
	var want []string
	for n := range len(shown) {
		want = append(want, honest(shoppers-1-n))
	}
	assert.Equal(t, want, shown, "the newest, without a hole")
	for page := range slices.Chunk(all[:len(all)/2], 40) {
		assert.LessOrEqual(t, len(page)-len(slices.DeleteFunc(slices.Clone(page), func(a string) bool { return a == attacker })), 3, "nor do they crowd one page")
	}
	assert.Contains(t, all[:25], attacker, "which is seen all the same")
}

func TestWhatHasNoEntryRaisesMore(t *testing.T) {
	const keep = 100 // so 5 are a share
	r := newRing(keep)
	for n := range keep {
		r.Watch(check{from: honest(n), at: time.Duration(n)}.event())
	}
	for range 7 {
		r.Watch(check{from: attacker}.event())
	}
	of := func() (more []int) {
		for _, d := range r.Before(nil, &recent.Filter{Network: netip.MustParsePrefix(attacker + "/32")}, 100) {
			more = append(more, d.More)
		}
		return more
	}
	assert.Equal(t, []int{2, 0, 0, 0, 0}, of())
	for n := range 18 {
		r.Watch(check{from: honest(n)}.event())
	}
	r.Watch(check{from: attacker}.event())
	assert.Equal(t, []int{3, 0, 0, 0, 0}, of(), "18 others lie between")
	r.Watch(check{from: honest(18)}.event())
	r.Watch(check{from: attacker}.event())
	assert.Equal(t, []int{0, 3, 0, 0, 0}, of(), "19, so it has another one, and gives one up")
	r.Watch(check{from: attacker, at: 9999 * time.Millisecond}.event())
	assert.Equal(t, []int{1, 3, 0, 0, 0}, of())
	r.Watch(check{from: attacker, at: 10 * time.Second}.event())
	assert.Equal(t, []int{0, 1, 3, 0, 0}, of(), "its newest is never older than ten seconds")
}

func TestWhereNobodyWaitsAFloodHasAllPlaces(t *testing.T) {
	const keep = 100
	for name, from := range map[string]func(int) string{
		"one address":   func(int) string { return attacker },
		"two addresses": func(n int) string { return honest(n % 2) },
		"no address":    func(int) string { return "" },
	} {
		r := newRing(keep)
		for n := range 20 * keep {
			r.Watch(check{from: from(n), at: time.Duration(n) * time.Second, id: fmt.Sprint(n)}.event())
		}
		found := r.Before(nil, new(recent.Filter), 2*keep)
		require.Len(t, found, keep, name)
		for i, d := range found {
			assert.Zero(t, d.More, name)
			assert.Equal(t, fmt.Sprint(20*keep-1-i), d.RequestID, name)
		}
	}
}

// Numbers of entries that nobody needs any more run out; what is oldest then leaves.
func TestAFloodThatNobodyInterruptsEndsTheOldest(t *testing.T) {
	const keep = 100
	r := newRing(keep)
	for n := range 10 {
		r.Watch(check{from: honest(n)}.event())
	}
	for n := range 20 * keep {
		r.Watch(check{from: attacker, at: time.Duration(n) * 20 * time.Second}.event())
		if n == 2*keep {
			assert.Equal(t, honest(0), addressesOf(r)[keep-1], "they stay while there is room")
		}
	}
	all := addressesOf(r)
	require.Len(t, all, keep)
	assert.NotContains(t, all, honest(0))
}

// A network of IPv6 is one shopper's.
func TestAnIPv6NetworkCountsAsOneAddress(t *testing.T) {
	const keep = 100
	r := newRing(keep)
	for n := range 1000 {
		r.Watch(check{from: fmt.Sprintf("2001:db8::%x", n+1)}.event())
		if n%10 == 0 {
			r.Watch(check{from: honest(n)}.event())
		}
	}
	assert.LessOrEqual(t, len(r.Before(nil, &recent.Filter{Network: netip.MustParsePrefix("2001:db8::/64")}, keep)), keep/20)
}

func TestManyGoroutinesLoseNothing(t *testing.T) {
	const keep, each = 512, 2000
	r := newRing(keep)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for n := range each {
				r.Watch(check{from: honest(n % (g + 3)), at: time.Duration(n) * time.Millisecond}.event())
				if n%64 == 0 {
					r.Before(nil, new(recent.Filter), 10)
					r.Subscribe(recent.Filter{Since: 1}).Read(10)
				}
			}
		})
	}
	all.Wait()
	found := r.Before(nil, new(recent.Filter), 2*keep)
	require.Len(t, found, keep)
	assert.True(t, slices.IsSortedFunc(found, func(a, b recent.Decision) int { return a.Compare(b.Position) }))
}

func TestNotingAllocatesNothing(t *testing.T) {
	r := newRing(64)
	var events []*event.Event
	for n := range 200 {
		events = append(events, check{from: honest(n), outcome: velocity.Block, id: "01JD2Z4V7K8M9N0P1Q2R3S4T5V"}.event())
	}
	n := 0
	assert.Zero(t, testing.AllocsPerRun(1000, func() { r.Watch(events[n%len(events)]); n++ }))
}

func BenchmarkRing(b *testing.B) {
	for name, addresses := range map[string]int{"honest": 50_000, "attack": 1} {
		b.Run(name, func(b *testing.B) {
			r := newRing(10_000)
			var events []*event.Event
			for n := range 1024 {
				events = append(events, check{outcome: velocity.Block, id: "01JD2Z4V7K8M9N0P1Q2R3S4T5V"}.event())
				events[n].Attempt.Address = netip.MustParseAddr(honest(n))
			}
			for n := range 20_000 {
				r.Watch(check{from: honest(n)}.event())
			}
			n := 0
			var before, after syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			defer func() {
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
				b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/float64(b.N), "cpu-ns/op")
			}()
			for b.Loop() {
				e := events[n&1023]
				e.Attempt.Address = netip.AddrFrom4([4]byte{10, byte(n % addresses >> 16), byte(n % addresses >> 8), byte(n % addresses)})
				e.Time = start + velocity.Time(n>>4)
				r.Watch(e)
				n++
			}
		})
	}
}
