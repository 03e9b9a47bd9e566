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

func guarded(t testing.TB, g velocity.CollapseGuard, rules ...velocity.Rule) *velocity.Plan {
	t.Helper()
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return plan.WithGuard(g)
}

var reviewing = velocity.CollapseGuard{AtMost: velocity.Review}

func TestWhichAddressesAreSuspect(t *testing.T) {
	plan := guarded(t, velocity.CollapseGuard{Networks: []netip.Prefix{
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:cd::/48"),
	}}, velocity.DefaultRule)
	const peer = "203.0.113.9"
	for address, want := range map[string]string{
		"10.0.0.0": "private", "10.255.255.255": "private", "9.255.255.255": "", "11.0.0.0": "",
		"172.16.0.0": "private", "172.31.255.255": "private", "172.15.255.255": "", "172.32.0.0": "",
		"192.168.0.1": "private", "192.169.0.0": "", "::ffff:10.0.0.5": "private", "64:ff9b::10.0.0.5": "private",
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "128.0.0.1": "", "::1": "loopback", "::2": "",
		"169.254.169.254": "link_local", "169.253.255.255": "", "fe80::1": "link_local", "febf::1": "link_local", "fec0::1": "",
		"fc00::1": "unique_local", "fdff::1": "unique_local", "fe00::1": "", "fbff::1": "",
		"0.0.0.0": "unspecified", "::": "unspecified", "0.0.0.1": "",
		"224.0.0.1": "multicast", "239.255.255.255": "multicast", "223.255.255.255": "", "ff02::1": "multicast",
		"100.64.0.0": "carrier_nat", "100.127.255.255": "carrier_nat", "100.63.255.255": "", "100.128.0.0": "",
		"198.51.100.7": "network", "198.51.101.7": "", "2001:db8:cd:1::1": "network", "2001:db8:ce::1": "",
		peer: "connection", "203.0.113.7": "", "::ffff:203.0.113.9": "connection", "2001:db8::7": "",
	} {
		addr, ok := velocity.ParseAddress(address)
		require.True(t, ok, address)
		found := plan.Suspect(addr, netip.MustParseAddr(peer))
		assert.Equal(t, want, found.String(), address)
		if want != "" {
			assert.Contains(t, velocity.Suspicions(), want)
		}
		if want == "connection" {
			assert.Equal(t, velocity.NotSuspect, plan.Suspect(addr, netip.Addr{}), "the connection is not known")
		}
		unguarded, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
		require.NoError(t, err)
		assert.Equal(t, velocity.NotSuspect, unguarded.Suspect(addr, netip.MustParseAddr(peer)))
	}
	assert.Equal(t, velocity.NotSuspect, plan.Suspect(netip.Addr{}, netip.Addr{}), "no address, over a unix socket")
}

// decideFrom is the decision on a card that the address shows over a connection from peer.
func decideFrom(t testing.TB, c *velocity.Checker, peer, address string, card int, after time.Duration) *velocity.Decision {
	t.Helper()
	a, d := velocitytest.Attempt(t, address, card), new(velocity.Decision)
	a.Peer = netip.MustParseAddr(peer)
	c.Check(&a, at(after), nil, d)
	return d
}

func TestARuleOnASuspectAddressIsLowered(t *testing.T) {
	shadow := cardsPer("network", 2)
	shadow.Mode = velocity.Shadow
	for name, c := range map[string]struct {
		guard   velocity.CollapseGuard
		outcome velocity.Outcome
		reasons []string
	}{
		"to review": {reviewing, velocity.Review, []string{"cards_per_ip"}},
		"to allow":  {velocity.CollapseGuard{}, velocity.Allow, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			i := inspect(t)
			i.Replace(guarded(t, c.guard, cardsPer("ip", 5), shadow))
			for card := range 5 {
				d := decideFrom(t, i.Checker, "192.0.2.1", "10.0.0.5", card, 0)
				assert.Equal(t, velocity.Allow, d.Outcome)
				assert.Equal(t, velocity.Private, d.Suspect)
				assert.True(t, d.Rules[0].Suspect, "told before it would have blocked")
			}
			d := decideFrom(t, i.Checker, "192.0.2.1", "10.0.0.5", 5, 0)
			assert.Equal(t, c.outcome, d.Outcome)
			assert.Equal(t, c.reasons, append([]string{}, d.Reasons...))
			assert.Equal(t, 6, d.Rules[0].Count)
			assert.Equal(t, c.outcome, d.Rules[0].Outcome)
			assert.Equal(t, c.outcome, d.Rules[1].Outcome, "enforced it would do no more")
			assert.False(t, d.Settled)
		})
	}
}

// The other end of a connection is suspect for what comes over it, and for nothing else.
func TestAnAddressIsSuspectOverItsOwnConnection(t *testing.T) {
	i := inspect(t)
	i.Replace(guarded(t, reviewing, cardsPer("ip", 5)))
	for card := range 8 {
		decideFrom(t, i.Checker, "203.0.113.7", "203.0.113.7", card, 0)
	}
	assert.Equal(t, velocity.Review, decideFrom(t, i.Checker, "203.0.113.7", "203.0.113.7", 9, 0).Outcome)
	d := decideFrom(t, i.Checker, "203.0.113.8", "203.0.113.7", 9, 0)
	assert.Equal(t, velocity.Block, d.Outcome, "an attacker")
	assert.False(t, d.Rules[0].Suspect)
	assert.Equal(t, velocity.NotSuspect, d.Suspect, "the memory of the decision is used again")
}

func TestWhatElseBlocksASuspectAddressGoesOnBlocking(t *testing.T) {
	i := inspect(t)
	plan := guarded(t, reviewing, cardsPer("ip", 1), velocity.Rule{Name: "attempts_per_card", Per: "card", Count: "attempts", Window: time.Hour,
		BlockOver: 2, Retention: velocity.Sliding, Mode: velocity.Enforce})
	i.Replace(plan)
	decideFrom(t, i.Checker, "192.0.2.1", "10.0.0.5", 1, 0)
	var d velocity.Decision
	for n := range 3 {
		a, err := velocity.ParseAttempt(fields("ip=10.0.0.5", "card_id=one", "attempt_id="+string(rune('a'+n))))
		require.NoError(t, err)
		i.Check(&a, at(0), nil, &d)
	}
	assert.Equal(t, velocity.Block, d.Outcome)
	assert.Equal(t, []string{"attempts_per_card"}, d.Reasons)
	assert.Equal(t, []bool{true, false}, []bool{d.Rules[0].Suspect, d.Rules[1].Suspect})

	lists, err := velocity.NewLists([]velocity.Entry{{Net: netip.MustParsePrefix("10.0.0.0/8"), Outcome: velocity.Block}})
	require.NoError(t, err)
	i.Replace(plan.With(lists))
	listed := decideFrom(t, i.Checker, "192.0.2.1", "10.0.0.5", 1, 0)
	assert.Equal(t, velocity.Block, listed.Outcome)
	assert.Equal(t, []string{"list"}, listed.Reasons)
	assert.True(t, listed.Settled)
}

// An enforced rule on attempts that does not block there bounds nothing.
func TestNothingBoundsCardsToldLaterOfASuspectAddress(t *testing.T) {
	i := inspect(t)
	i.Replace(guarded(t, reviewing, velocity.Rule{Name: "attempts", Per: "ip", Count: "attempts", Window: time.Hour,
		BlockOver: 2, Retention: velocity.Sliding, Mode: velocity.Enforce}))
	for address, unbounded := range map[string]bool{"10.0.0.5": true, "203.0.113.7": false} {
		a, err := velocity.ParseAttempt(fields("ip="+address, "card=later", "attempt_id=a"))
		require.NoError(t, err)
		var d velocity.Decision
		i.Check(&a, at(0), nil, &d)
		assert.Equal(t, unbounded, d.UnboundedLater, address)
	}
}

// It would block long after the shop has mended its proxies.
func TestASuspectAddressBeginsNoHold(t *testing.T) {
	rule := holding(24 * time.Hour)
	onEachStore(t, []velocity.Rule{rule}, func(t *testing.T, r *rotation) {
		both := r.start("new", "old")
		both.Replace(guarded(t, reviewing, rule))
		for card := range 8 {
			decideFrom(t, both, "192.0.2.1", "10.0.0.5", card, 0)
			decideFrom(t, both, "192.0.2.1", "203.0.113.7", card, 0)
		}
		both.Replace(planWith(t, rule))
		assert.False(t, decideFrom(t, both, "192.0.2.1", "10.0.0.5", 0, 2*time.Hour).Rules[0].Held)
		assert.True(t, decideFrom(t, both, "192.0.2.1", "203.0.113.7", 0, 2*time.Hour).Rules[0].Held)

		// A hold that ran before the address became suspect does not block either.
		both.Replace(guarded(t, velocity.CollapseGuard{AtMost: velocity.Review, Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}, rule))
		d := decideFrom(t, both, "192.0.2.1", "203.0.113.7", 0, 3*time.Hour)
		assert.True(t, d.Rules[0].Held)
		assert.Equal(t, velocity.Review, d.Outcome)
	})
}

func TestASuspectAddressIsNotAnsweredFromTheCopy(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	a.Replace(guarded(t, reviewing, velocity.DefaultRule, wide))
	a.attack("10.0.0.5", 0, 10)
	before := a.trips()
	require.Equal(t, 15, a.attack("10.0.0.5", 10, 5))
	require.GreaterOrEqual(t, a.trips(), before+5)

	// Over its own connection, while others are answered from the copy.
	a.attack(ip, 0, 10)
	before = a.trips()
	a.attack(ip, 10, 5)
	require.Equal(t, before, a.trips())
	attempt, d := velocitytest.Attempt(t, ip, 20), velocity.Decision{}
	attempt.Peer = attempt.Address
	a.Check(&attempt, a.now(), nil, &d)
	require.Equal(t, velocity.Review, d.Outcome)
	require.Equal(t, 16, d.Rules[1].Count, "what was shown to the copy too")
	require.Greater(t, a.trips(), before)
}

func TestAnAnalystIsToldThatAnAddressIsSuspect(t *testing.T) {
	i := inspect(t)
	i.Replace(guarded(t, reviewing, cardsPer("ip", 5), cardsPer("network", 7)))
	i.show("10.0.0.5", 5, 0)
	i.show("203.0.113.7", 5, 0)
	inspected := func(address string) velocity.Report {
		a := velocitytest.Attempt(t, address, 0)
		return i.Inspect(&a, velocity.AddressSubjects(), at(0))
	}
	r := inspected("10.0.0.5")
	assert.Equal(t, velocity.Private, r.Suspect)
	assert.Equal(t, []velocity.Outcome{velocity.Allow, velocity.Review}, []velocity.Outcome{r.KnownCard, r.NewCard})
	assert.Empty(t, r.Blocking)
	assert.True(t, r.Rules[0].Suspect && r.Rules[1].Suspect)
	assert.Equal(t, velocity.Review, decideFrom(t, i.Checker, "192.0.2.1", "10.0.0.5", 5, 0).Outcome, "as was said")

	r = inspected("203.0.113.7")
	assert.Equal(t, velocity.NotSuspect, r.Suspect)
	assert.Equal(t, velocity.Block, r.NewCard)
	assert.Equal(t, []string{"cards_per_ip"}, r.Blocking)
}

func TestSuspicionAllocatesNothing(t *testing.T) {
	testbed.SkipRace(t, "the race detector allocates")
	plan := guarded(t, velocity.CollapseGuard{Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, velocity.DefaultRule)
	addr := netip.MustParseAddr("203.0.113.7")
	assert.Zero(t, testing.AllocsPerRun(100, func() { plan.Suspect(addr, addr) }))
}
