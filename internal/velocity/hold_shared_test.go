package velocity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// holding is the default rule with this hold.
func holding(hold time.Duration) velocity.Rule {
	r := velocity.DefaultRule
	r.Hold = hold
	return r
}

const hourMS = 3_600_000

// requireHeld shows a card until the answer is not degraded, and wants it held or allowed.
func (i *instance) requireHeld(ip string, held bool) {
	i.t.Helper()
	var d velocity.Decision
	require.Eventually(i.t, func() bool {
		a := velocitytest.Attempt(i.t, ip, 0)
		i.Check(&a, i.now(), nil, &d)
		return !d.Degraded
	}, patient, time.Millisecond)
	require.Equal(i.t, held, d.Rules[0].Held, ip)
	require.Equal(i.t, held, d.Outcome == velocity.Block, ip)
}

// An instance without the hold, such as one that is not reloaded yet, writes the record and
// carries the mark; a shorter hold ends at once, and a longer one is back.
func TestEachInstanceAddsItsOwnHold(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	day, short := newCountingInstance(t, server, holding(24*time.Hour)), newCountingInstance(t, server, holding(3*time.Hour))
	none, other := newCountingInstance(t, server, holding(0)), newCountingInstance(t, server, cardsPer("ip", 100))
	day.attack(ip, 0, 6)
	for _, i := range []*instance{day, short, none, other} {
		i.clock.Add(2 * hourMS)
	}
	none.requireHeld(ip, false)
	other.requireHeld(ip, false)
	short.requireHeld(ip, true)
	newCountingInstance(t, server, holding(24*time.Hour)).requireHeld(ip, true)
	for _, i := range []*instance{day, short, none, other} {
		i.clock.Add(hourMS)
	}
	short.requireHeld(ip, false)
	none.requireHeld(ip, false)
	day.requireHeld(ip, true)
	day.Replace(planWith(t, holding(time.Hour)))
	day.clock.Add(1000) // what was read a second ago may have been answered
	day.requireHeld(ip, false)
	day.Replace(planWith(t, holding(720*time.Hour)))
	day.requireHeld(ip, true)
}

func planWith(t *testing.T, rules ...velocity.Rule) *velocity.Plan {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return plan
}

// The cards have left long ago when the server loses its memory.
func TestWhatIsHeldStaysSoAfterAServerLostItsMemory(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newCountingInstance(t, server, holding(24*time.Hour)), newCountingInstance(t, server, holding(24*time.Hour))
	a.block(addresses())
	a.clock.Add(5 * hourMS)
	b.clock.Add(5 * hourMS)
	flush(t, server)
	for _, ip := range addresses() {
		b.requireHeld(ip, true)
	}
	for _, ip := range addresses()[:10] {
		attempt := velocitytest.Attempt(t, ip, 0)
		require.True(t, b.Forget(&attempt, "ip", b.now()))
	}
	a.clock.Add(1000)
	b.clock.Add(1000)
	flush(t, server)
	for n, ip := range addresses() {
		a.requireHeld(ip, n >= 10)
		b.requireHeld(ip, n >= 10)
	}
}

// What an instance finds by itself while the server hangs holds everywhere.
func TestAHoldThatBeginsWhileAServerHangsIsTold(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newInstance(t, 50*time.Millisecond, server.Addr), newInstance(t, patient, server.Addr) // only a is to give up
	a.Replace(planWith(t, holding(24*time.Hour)))
	b.Replace(planWith(t, holding(24*time.Hour)))
	server.Hang()
	require.Eventually(t, func() bool { a.show("192.0.2.1", 1); return velocity.GivenUp(a.store) }, patient, time.Millisecond)
	a.block([]string{ip})
	a.clock.Add(5 * hourMS)
	b.clock.Add(5 * hourMS)
	server.Resume()
	a.awaitServer()
	b.awaitServer()
	b.requireHeld(ip, true)
}

// A rule on declines: a check adds nothing, and leaves a mark. In a flood it is written
// once a second, not with every check.
func TestHoldsThatOnlyMarksKeepAreAnsweredFromTheCopy(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	rule := holding(24 * time.Hour)
	rule.Count, rule.ReviewOver, rule.BlockOver = "declined_cards", 0, 1
	a, b := newCountingInstance(t, server, rule), newCountingInstance(t, server, rule)
	for card := range 2 {
		attempt := velocitytest.Attempt(t, ip, card)
		a.Answered(&attempt, velocity.IssuerAnswer{Outcome: "declined", Reason: "other"}, a.now(), nil)
	}
	a.requireHeld(ip, true)
	before := a.trips()
	a.clock.Add(800)
	a.attack(ip, 0, 200)
	require.Equal(t, before, a.trips())
	a.clock.Add(100)
	attempt := velocitytest.Attempt(t, ip, 0)
	require.Eventually(t, func() bool {
		r := b.Inspect(&attempt, []string{"ip"}, a.now())
		return r.Rules[0].Held && r.Rules[0].ClearsIn == 24*3600 // 100 ms of it have passed
	}, patient, 5*time.Millisecond, "the time of the last of them")
	before = b.trips() // a may still be counting what it wrote
	b.requireHeld("192.0.2.1", false)
	require.Equal(t, before+1, b.trips(), "an address that is not over the limit is read, not written")
}

// Marks that the old key's records have are carried over to the new key's at once.
func TestHoldsOutlastARotation(t *testing.T) {
	rule := holding(24 * time.Hour)
	onEachStore(t, []velocity.Rule{rule}, func(t *testing.T, r *rotation) {
		held := func(c *velocity.Checker, ip string, after time.Duration, want bool) {
			t.Helper()
			d := decide(t, c, ip, 99, after)
			assert.Equal(t, want, d.Rules[0].Held, ip)
			assert.Equal(t, want, d.Outcome == velocity.Block, ip)
		}
		old := r.start("old", "")
		for card := range 6 {
			decide(t, old, "203.0.113.1", card, 0) // held before the rotation
			decide(t, old, "203.0.113.2", card, 0) // and forgotten in it
		}
		for card := range 5 {
			decide(t, old, "203.0.113.3", card, 50*time.Minute)
		}
		both := r.start("new", "old")
		for card := range 2 { // over block_over with those that the old key alone has
			decide(t, both, "203.0.113.3", 10+card, 51*time.Minute)
		}
		held(both, "203.0.113.1", 3*time.Hour, true)
		held(both, "203.0.113.2", 3*time.Hour, true)
		held(both, "203.0.113.3", 3*time.Hour, true)
		a := velocitytest.Attempt(t, "203.0.113.2", 0)
		require.True(t, both.Forget(&a, "ip", at(4*time.Hour)))
		fresh := r.start("new", "")
		held(fresh, "203.0.113.1", 5*time.Hour, true)
		held(fresh, "203.0.113.2", 5*time.Hour, false)
		held(fresh, "203.0.113.3", 5*time.Hour, true)
		held(both, "203.0.113.2", 5*time.Hour, false)
		held(fresh, "203.0.113.1", 24*time.Hour, false)
		held(fresh, "203.0.113.3", 24*time.Hour, true)
		held(fresh, "203.0.113.3", 24*time.Hour+51*time.Minute, false)
	})
}

// An attempt that the list lets through begins a hold under neither key.
func TestInARotationTheAllowListLetsThroughUnderBothKeys(t *testing.T) {
	rule := holding(24 * time.Hour)
	onEachStore(t, []velocity.Rule{rule}, func(t *testing.T, r *rotation) {
		both := r.start("new", "old")
		network, _ := velocity.ParseNetwork("203.0.113.0/24")
		lists, err := velocity.NewLists([]velocity.Entry{{Net: network, Outcome: velocity.Allow}})
		require.NoError(t, err)
		both.Replace(planWith(t, rule).With(lists))
		for card := range 6 {
			assert.Equal(t, velocity.Allow, decide(t, both, "203.0.113.7", card, 0).Outcome)
		}
		both.Replace(planWith(t, rule))
		assert.False(t, decide(t, both, "203.0.113.7", 0, 2*time.Hour).Rules[0].Held)
	})
}

// Concurrent attempts share an exchange: each hears that it is held.
func TestConcurrentAttemptsAreAllHeld(t *testing.T) {
	server := testbed.StartMemcached(t)
	local, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	store := velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{server.Addr}, Budget: patient})
	plan := planWith(t, holding(24*time.Hour))
	velocity.WatchServers(store, plan) // without local answers
	c := velocity.NewChecker(plan, velocitytest.NewKeys(t), store)
	for card := range 6 {
		decide(t, c, ip, card, 0)
	}
	held := make(chan bool)
	for card := range 32 {
		go func() {
			var d velocity.Decision
			a := velocitytest.Attempt(t, ip, card)
			c.Check(&a, at(2*time.Hour), nil, &d)
			held <- d.Rules[0].Held && d.Outcome == velocity.Block && !d.Degraded
		}()
	}
	for range 32 {
		assert.True(t, <-held)
	}
}
