package velocity_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// override sets one of an hour, and reports whether the others can know.
func override(t testing.TB, c *velocity.Checker, ip string, outcome velocity.Outcome, now velocity.Time) (shared bool) {
	t.Helper()
	a := velocitytest.Attempt(t, ip, 0)
	set, shared := c.SetOverride(&a, velocity.Override{Outcome: outcome, By: "ana", Reason: "known to us", Until: now + hourMS}, now)
	require.Equal(t, velocity.Override{Outcome: outcome, By: "ana", Reason: "known to us", Since: now, Until: now + hourMS}, set)
	return shared
}

// requireOverridden shows a card until the answer is not degraded, and wants it decided by
// an override, or by the rules.
func (i *instance) requireOverridden(ip string, card int, want velocity.Outcome, by ...string) {
	i.t.Helper()
	var d velocity.Decision
	require.Eventually(i.t, func() bool {
		a := velocitytest.Attempt(i.t, ip, card)
		i.Check(&a, i.now(), nil, &d)
		return !d.Degraded
	}, patient, time.Millisecond)
	require.Equal(i.t, want, d.Outcome, ip)
	require.ElementsMatch(i.t, by, d.Reasons, ip)
}

func TestEveryInstanceHonoursAnOverrideWithinASecond(t *testing.T) {
	server := testbed.StartMemcached(t)
	a, b := newCountingInstance(t, server, velocity.DefaultRule), newCountingInstance(t, server, velocity.DefaultRule)

	// Nobody answers from a copy for what no rule blocks: at once.
	require.True(t, override(t, a.Checker, ip, velocity.Block, a.now()))
	b.requireOverridden(ip, 0, velocity.Block, "override")
	b.requireOverridden(ip, 0, velocity.Block, "override")
	attempt := velocitytest.Attempt(t, ip, 0)
	require.True(t, b.RemoveOverride(&attempt, b.now()))
	a.requireOverridden(ip, 0, velocity.Allow)

	// b blocks the address from its copy, for less than a second.
	const blocked = "203.0.113.99"
	b.attack(blocked, 0, 6)
	require.True(t, override(t, a.Checker, blocked, velocity.Allow, a.now()))
	a.requireOverridden(blocked, 7, velocity.Allow, "override")
	b.clock.Add(900)
	before := b.trips()
	b.requireOverridden(blocked, 8, velocity.Allow, "override")
	require.Greater(t, b.trips(), before)

	// The flood goes on, and is answered from the copies, with the override.
	require.Eventually(t, func() bool {
		before = b.trips()
		b.requireOverridden(blocked, 10, velocity.Allow, "override")
		return b.trips() == before
	}, patient, time.Millisecond)
	for card := range 100 {
		b.requireOverridden(blocked, 100+card, velocity.Allow, "override")
	}
	require.LessOrEqual(t, b.trips(), before+3)
	require.True(t, a.RemoveOverride(&velocity.Attempt{Address: attemptAddress(t, blocked)}, a.now()))
	a.requireOverridden(blocked, 9, velocity.Block, "cards_per_ip")
	b.clock.Add(900)
	b.requireOverridden(blocked, 9, velocity.Block, "cards_per_ip")
}

func attemptAddress(t testing.TB, ip string) netip.Addr {
	return velocitytest.Attempt(t, ip, 0).Address
}

func TestOverridesOutlastAServerThatLosesItsMemory(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a, b := newCountingInstance(t, server, velocity.DefaultRule), newCountingInstance(t, server, velocity.DefaultRule)
	a.block(addresses())
	for n, ip := range addresses() {
		outcome := []velocity.Outcome{velocity.Allow, velocity.Block}[n%2]
		require.True(t, override(t, a.Checker, ip, outcome, a.now()))
	}
	removed := velocitytest.Attempt(t, addresses()[0], 0)
	require.True(t, a.RemoveOverride(&removed, a.now()))
	a.clock.Add(1000)
	b.clock.Add(1000)
	flush(t, server)
	c := newCountingInstance(t, server, velocity.DefaultRule) // was not there
	c.clock.Add(1000)
	for _, i := range []*instance{b, c, a} {
		i.requireOverridden(addresses()[0], 0, velocity.Block, "cards_per_ip")
		for n, ip := range addresses()[1:] {
			i.requireOverridden(ip, 0, []velocity.Outcome{velocity.Block, velocity.Allow}[n%2], "override")
		}
	}
}

// It holds where it was set at once, and everywhere when the server is well again.
func TestAnOverrideSetWhileAServerHungIsToldWhenItIsWellAgain(t *testing.T) {
	t.Parallel()
	server, a, b := hungAfterBlocking(t)
	a.OnFailure(velocity.Block)
	for _, ip := range addresses() {
		require.False(t, override(t, a.Checker, ip, velocity.Allow, a.now()))
		attempt := velocitytest.Attempt(t, ip, 100)
		var d velocity.Decision
		a.Check(&attempt, a.now(), nil, &d)
		require.True(t, d.Degraded)
		require.Equal(t, []string{"override"}, d.Reasons, "before on_failure, too")
	}
	server.Resume()
	a.awaitServer()
	b.clock.Add(1000) // until then it may answer what it read before
	b.awaitServer()
	for _, ip := range addresses() {
		b.requireOverridden(ip, 101, velocity.Allow, "override")
	}
}

// No rule of the instances watches IP addresses: the record is read all the same.
func TestAnOverrideNeedsNoRule(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	rule := cardsPer("network", 1)
	a, b := newCountingInstance(t, server, rule), newCountingInstance(t, server, rule)
	b.attack(ip, 0, 2)
	require.True(t, override(t, a.Checker, ip, velocity.Allow, a.now()))
	a.requireOverridden(ip, 3, velocity.Allow, "override")
	b.requireOverridden(ip, 4, velocity.Allow, "override")
	b.requireOverridden("203.0.113.200", 4, velocity.Block, rule.Name)
	attempt := velocitytest.Attempt(t, ip, 0)
	report := b.Inspect(&attempt, []string{"ip"}, b.now())
	require.False(t, report.Watched)
	require.Equal(t, "known to us", report.Override.Reason)
}

// An override holds in each step of a rotation, wherever it was set or removed, and shows
// who set it and why.
func TestOverridesOutlastARotation(t *testing.T) {
	for _, tt := range sideBySide {
		t.Run(tt.name, func(t *testing.T) {
			onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
				const ip = "203.0.113.7"
				asked, other, both := r.startWith(tt.asked), r.startWith(tt.other), r.startWith("new old")
				require.True(t, override(t, asked, ip, velocity.Block, at(time.Second)))
				a := velocitytest.Attempt(t, ip, 0)
				for round := range 2 {
					for i, c := range []*velocity.Checker{asked, both, other} {
						assert.Equal(t, []string{"override"}, decide(t, c, ip, i, 2*time.Second).Reasons, "instance %d", i)
						o := c.Inspect(&a, []string{"ip"}, at(2*time.Second)).Override
						if assert.NotNil(t, o, "instance %d, round %d", i, round) {
							assert.Equal(t, velocity.Override{Outcome: velocity.Block, By: "ana", Reason: "known to us", Since: at(time.Second), Until: at(time.Second) + hourMS}, *o)
						}
					}
				}
				require.True(t, other.RemoveOverride(&a, at(3*time.Second)))
				for i, c := range []*velocity.Checker{other, both, asked} {
					assert.Equal(t, velocity.Allow, decide(t, c, ip, i, 4*time.Second).Outcome, "instance %d", i)
				}
			})
		})
	}
	onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
		const ip = "203.0.113.7"
		old := r.start("old", "")
		require.True(t, override(t, old, ip, velocity.Block, at(time.Second)))
		decide(t, r.start("new", "old"), ip, 0, time.Minute)
		a := velocitytest.Attempt(t, ip, 0)
		o := r.start("new", "").Inspect(&a, []string{"ip"}, at(2*time.Minute)).Override
		require.NotNil(t, o, "carried over by a check")
		require.Equal(t, "known to us", o.Reason)
	})
}

func TestAnInstanceListsTheOverridesThatItSetOrMet(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a, b := newCountingInstance(t, server, velocity.DefaultRule), newCountingInstance(t, server, velocity.DefaultRule)
	subjects := func(i *instance) (all []string) {
		for _, o := range i.Overrides(i.now()) {
			require.Equal(t, "ana", o.By)
			all = append(all, o.Subject)
		}
		return all
	}
	require.Empty(t, subjects(a))
	require.True(t, override(t, a.Checker, ip, velocity.Block, a.now()))
	require.True(t, override(t, a.Checker, "2001:db8:0:1::7", velocity.Allow, a.now()+1))
	require.Equal(t, []string{"2001:db8:0:1::/64", ip}, subjects(a))
	require.Empty(t, subjects(b))
	b.requireOverridden("2001:db8:0:1::8", 0, velocity.Allow, "override")
	require.Equal(t, []string{"2001:db8:0:1::/64"}, subjects(b))

	attempt := velocitytest.Attempt(t, "2001:db8:0:1::7", 0)
	require.True(t, b.RemoveOverride(&attempt, b.now()))
	require.Empty(t, subjects(b))
	require.Equal(t, []string{ip}, subjects(a), "one that another instance removed is not in force")
	a.clock.Add(hourMS)
	require.Empty(t, subjects(a))
}
