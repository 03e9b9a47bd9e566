package recent

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/event"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
)

// traffic is a Traffic with the time of its checks.
type traffic struct {
	*Traffic
	plan *velocity.Plan
	now  velocity.Time
}

func newTraffic(t testing.TB) *traffic {
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(t, err)
	return &traffic{NewTraffic(), plan, start}
}

func (t *traffic) check(address netip.Addr, card int) {
	t.Watch(&event.Event{Kind: event.Check, Time: t.now, Attempt: &velocity.Attempt{Address: address},
		Decision: &velocity.Decision{Plan: t.plan}, ShortCard: velocity.ShortID(mixed(uint64(card)))})
}

func shopper(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
}

var attacker = netip.MustParseAddr("203.0.113.7")

// An attacker who sends part of the traffic, among honest shoppers who come once or twice, is
// found with about its share.
func TestTheShareOfOneAddressIsFound(t *testing.T) {
	for _, share := range []float64{0.05, 0.3, 0.6, 0.95, 1} {
		c := newTraffic(t)
		random := rand.New(rand.NewPCG(1, 2))
		sent := 0
		for n := range 20_000 {
			c.now += 25 // ten minutes are 24,000 of them
			if random.Float64() < share {
				c.check(attacker, n)
				sent++
			} else {
				c.check(shopper(random.IntN(30_000)), n)
			}
		}
		top := c.Top(c.now, nil)
		assert.Equal(t, attacker, top.Address, "%v", share)
		assert.EqualValues(t, 20_000, top.Of)
		assert.InDelta(t, float64(sent)/20_000, top.Share(), 0.02)
		assert.LessOrEqual(t, top.Attempts, int64(sent), "never too many")
	}
}

func TestAShareSaysNothingOfFewAttempts(t *testing.T) {
	c := newTraffic(t)
	assert.Equal(t, Top{}, c.Top(c.now, nil))
	for n := range LeastAttempts {
		assert.Zero(t, c.Top(c.now, nil).Share(), "%d", n)
		c.check(attacker, n)
	}
	assert.Equal(t, Top{Address: attacker, Attempts: LeastAttempts, Of: LeastAttempts}, c.Top(c.now, nil))
	assert.InDelta(t, 1, c.Top(c.now, nil).Share(), 0)
	assert.Equal(t, Top{Of: LeastAttempts}, c.Top(c.now, func(top Top) bool { return top.Address == attacker }), "somebody knows it")
}

func TestAShareIsOfTheLastTenMinutes(t *testing.T) {
	c := newTraffic(t)
	for n := range 300 {
		c.check(attacker, n)
	}
	c.now += 5 * 60_000
	for n := range 700 {
		c.check(shopper(n), n)
	}
	assert.InDelta(t, 0.3, c.Top(c.now, nil).Share(), 0)
	assert.EqualValues(t, 1000, c.Top(c.now+5*60_000-sliceTime, nil).Of)
	assert.EqualValues(t, 700, c.Top(c.now+5*60_000, nil).Of, "those of ten minutes ago have gone")
	assert.NotEqual(t, attacker, c.Top(c.now+5*60_000, nil).Address)
	assert.Equal(t, Top{}, c.Top(c.now+24*3600_000, nil))
	c.now += 24 * 3600_000
	c.check(attacker, 0)
	assert.Equal(t, Top{Address: attacker, Attempts: 1, Of: 1}, c.Top(c.now, nil), "a slice is used again")
}

// An IPv6 network counts as one; a suspect address and one that somebody has decided about
// are nobody's share, and attempts all the same; so are those without an address.
func TestWhatIsCountedAsAShare(t *testing.T) {
	c := newTraffic(t)
	for n := range 200 {
		address := netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", n+1))
		c.check(address, n)
		e := event.Event{Kind: event.Check, Time: c.now, Attempt: &velocity.Attempt{Address: attacker}, Decision: &velocity.Decision{Plan: c.plan, Settled: true}}
		c.Watch(&e)
		e.Decision = &velocity.Decision{Plan: c.plan, Suspect: velocity.Private}
		c.Watch(&e)
		e.Attempt, e.Decision = new(velocity.Attempt), &velocity.Decision{Plan: c.plan}
		c.Watch(&e)
		c.Watch(&event.Event{Kind: event.Outcome, Time: c.now, Attempt: new(velocity.Attempt)})
	}
	assert.Equal(t, Top{Address: netip.MustParseAddr("2001:db8:0:1::"), Attempts: 200, Of: 800}, c.Top(c.now, nil))
	assert.InDelta(t, 2, c.Addresses(c.now), 0.1)
	assert.InDelta(t, 200, c.Cards(c.now), 6)
}

func TestManyGoroutinesLoseNoAttempt(t *testing.T) {
	c := newTraffic(t)
	var checking sync.WaitGroup
	for range 8 {
		checking.Go(func() {
			for n := range 5000 {
				c.check(attacker, n)
			}
		})
	}
	checking.Wait()
	assert.Equal(t, Top{Address: attacker, Attempts: 40_000, Of: 40_000}, c.Top(c.now, nil))
}

func TestWatchingAllocatesNothing(t *testing.T) {
	testbed.SkipRace(t, "the race detector allocates")
	c := newTraffic(t)
	e := event.Event{Kind: event.Check, Time: c.now, Attempt: &velocity.Attempt{Address: attacker}, Decision: &velocity.Decision{Plan: c.plan}, ShortCard: 7}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { c.Watch(&e); c.Took(time.Millisecond) }))
}
