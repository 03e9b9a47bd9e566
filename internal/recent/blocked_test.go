package recent_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/event"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// morning is when a shop opens, its time 0.
var morning = velocity.TimeOf(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))

// A shop makes checks at an instance whose blocked addresses are watched. Its time is the
// test's.
type shop struct {
	*recent.Blocked
	checker *velocity.Checker
	at      time.Duration
	cards   int
}

func newShop(t testing.TB, limit int, rules ...velocity.Rule) *shop {
	t.Helper()
	if len(rules) == 0 {
		rules = []velocity.Rule{overOne}
	}
	memory, err := velocity.NewMemory(64 << 20)
	require.NoError(t, err)
	return newShopOver(t, memory, limit, rules...)
}

func newShopOver(t testing.TB, store velocity.Store, limit int, rules ...velocity.Rule) *shop {
	t.Helper()
	checker := velocitytest.NewChecker(t, rules, store)
	return &shop{Blocked: recent.NewBlockedOf(checker, limit), checker: checker}
}

// overOne blocks the second card of an address.
var overOne = velocity.Rule{Name: "cards_per_ip", Per: "ip", Count: "cards", Window: time.Hour, BlockOver: 1,
	Retention: velocity.Sliding, Mode: velocity.Enforce}

func (s *shop) now() velocity.Time { return morning + velocity.Time(s.at.Milliseconds()) }

// attempt is one of the address, with a card of its own unless one is named.
func (s *shop) attempt(t testing.TB, address, card string) velocity.Attempt {
	t.Helper()
	if card == "" {
		s.cards++
		card = fmt.Sprint("card ", s.cards)
	}
	var f velocity.Fields
	f.Set(velocity.FieldAttemptID, card+address)
	f.Set(velocity.FieldCardID, card)
	f.Set(velocity.FieldIP, address)
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return a
}

// check is a check of the address and a card.
func (s *shop) check(t testing.TB, address, card string) velocity.Outcome {
	t.Helper()
	a, d := s.attempt(t, address, card), new(velocity.Decision)
	s.checker.Check(&a, s.now(), nil, d)
	s.Watch(&event.Event{Kind: event.Check, Time: s.now(), Attempt: &a, Decision: d})
	return d.Outcome
}

// block has the address show cards until it is blocked, and once.
func (s *shop) block(t testing.TB, address string) {
	t.Helper()
	for range 100 {
		if s.check(t, address, "") == velocity.Block {
			return
		}
	}
	require.Fail(t, "it is never blocked", address)
}

func (s *shop) forget(t testing.TB, address string) {
	t.Helper()
	a := velocity.Attempt{Address: netip.MustParseAddr(address)}
	require.True(t, s.checker.Forget(&a, "ip", s.now()))
}

func (s *shop) override(t testing.TB, address string, o velocity.Outcome, last time.Duration) {
	t.Helper()
	a := velocity.Attempt{Address: netip.MustParseAddr(address)}
	_, shared := s.checker.SetOverride(&a, velocity.Override{Outcome: o, Reason: "a test", Until: s.now() + velocity.Time(last.Milliseconds())}, s.now())
	require.True(t, shared)
}

// blocked are the subjects that are blocked, in order.
func (s *shop) blocked() (subjects []string) {
	for _, b := range s.List(recent.MaxBlocked, s.now()).Blocked {
		subjects = append(subjects, b.Subject.String())
	}
	return subjects
}

func (s *shop) replace(t testing.TB, entries []velocity.Entry, rules ...velocity.Rule) {
	t.Helper()
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	lists, err := velocity.NewLists(entries)
	require.NoError(t, err)
	s.checker.Replace(plan.With(lists))
}

func TestTheBlockedAreListedTheOneTriedLastFirst(t *testing.T) {
	s := newShop(t, 10, velocity.DefaultRule)
	for range 5 {
		assert.NotEqual(t, velocity.Block, s.check(t, "203.0.113.7", ""))
	}
	assert.Empty(t, s.blocked(), "reviewed is not blocked")
	s.at = time.Second
	s.check(t, "203.0.113.7", "")
	s.at = 2 * time.Second
	s.check(t, "203.0.113.7", "")
	s.at = 3 * time.Second
	s.block(t, "2001:db8:0:1::7")
	list := s.List(10, s.now())
	assert.False(t, list.Degraded)
	assert.Zero(t, list.LeftOut)
	assert.Equal(t, []recent.BlockedAddress{
		{Subject: netip.MustParsePrefix("2001:db8:0:1::/64"), Reasons: []string{"cards_per_ip"},
			FirstBlocked: morning + 3000, Tried: morning + 3000, ClearsIn: 3600, Attempts: 1},
		{Subject: netip.MustParsePrefix("203.0.113.7/32"), Reasons: []string{"cards_per_ip"},
			FirstBlocked: morning + 1000, Tried: morning + 2000, ClearsIn: 3597, Attempts: 2},
	}, list.Blocked)
	assert.Len(t, s.List(1, s.now()).Blocked, 1)
	assert.Equal(t, 2, s.Count(s.now()))

	s.at = 4 * time.Second
	s.check(t, "2001:db8:0:1::8", "") // another address of the same network
	s.check(t, "203.0.113.7", "")
	s.at = 5 * time.Second
	s.check(t, "2001:db8:0:1::9", "")
	assert.Equal(t, []string{"2001:db8:0:1::/64", "203.0.113.7/32"}, s.blocked())
	assert.EqualValues(t, 3, s.List(10, s.now()).Blocked[0].Attempts)
}

func TestWhatIsBlockedNoMoreIsNotListed(t *testing.T) {
	const address, other = "203.0.113.7", "203.0.113.8"
	entry := func(net string, o velocity.Outcome) []velocity.Entry {
		return []velocity.Entry{{Net: netip.MustParsePrefix(net), Outcome: o}}
	}
	shadow, higher := overOne, overOne
	shadow.Mode, higher.BlockOver = velocity.Shadow, 2
	tests := []struct {
		name string
		let  func(s *shop)
	}{
		{"its window is over", func(s *shop) { s.at = time.Hour; s.block(t, other) }},
		{"forgotten", func(s *shop) { s.forget(t, address) }},
		{"overridden", func(s *shop) { s.override(t, address, velocity.Allow, time.Minute) }},
		{"suspect", func(s *shop) {
			s.checker.Replace(s.checker.Plan().WithGuard(velocity.CollapseGuard{AtMost: velocity.Review, Networks: []netip.Prefix{netip.MustParsePrefix(address + "/32")}}))
		}},
		{"on an allow list", func(s *shop) { s.replace(t, entry(address+"/32", velocity.Allow), overOne) }},
		{"its rule is in shadow", func(s *shop) { s.replace(t, entry(other+"/32", velocity.Block), shadow) }},
		{"its rule is gone", func(s *shop) {
			s.replace(t, nil, velocity.Rule{Name: "attempts_per_ip", Per: "ip", Count: "attempts", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce})
			s.block(t, other)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t, 10)
			s.block(t, address)
			s.block(t, other)
			require.Equal(t, []string{other + "/32", address + "/32"}, sortedByAddress(s.blocked()))
			tt.let(s)
			assert.Equal(t, []string{other + "/32"}, s.blocked())
			assert.Equal(t, 1, s.Count(s.now()))
		})
	}
}

// sortedByAddress puts the later address first: what was tried at one time has no order.
func sortedByAddress(subjects []string) []string {
	if len(subjects) == 2 && subjects[0] < subjects[1] {
		subjects[0], subjects[1] = subjects[1], subjects[0]
	}
	return subjects
}

func TestABlockThatEndedBeginsAnew(t *testing.T) {
	ends := map[string]func(s *shop){
		"by itself":                   func(s *shop) { s.at = 2 * time.Hour },
		"forgotten, and was listed":   func(s *shop) { s.at = time.Minute; s.forget(t, "203.0.113.7"); assert.Empty(t, s.blocked()) },
		"forgotten, and tried before": func(s *shop) { s.at = time.Minute; s.forget(t, "203.0.113.7"); s.check(t, "203.0.113.7", "") },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 10)
			s.block(t, "203.0.113.7")
			end(s)
			s.block(t, "203.0.113.7")
			b := s.List(10, s.now()).Blocked
			require.Len(t, b, 1)
			assert.Equal(t, s.now(), b[0].FirstBlocked)
			assert.EqualValues(t, 1, b[0].Attempts)
		})
	}
}

func TestOnlyTheAddressIsListed(t *testing.T) {
	perCard := velocity.Rule{Name: "attempts_per_card", Per: "card", Count: "ips", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce}
	shadow := overOne
	shadow.Mode, shadow.Name = velocity.Shadow, "shadow"
	s := newShop(t, 10, perCard, shadow)
	s.check(t, "203.0.113.7", "one card")
	require.Equal(t, velocity.Block, s.check(t, "203.0.113.8", "one card"))
	s.check(t, "203.0.113.8", "another")
	assert.Empty(t, s.blocked(), "the card is blocked, not who shows it")

	perNetwork := overOne
	perNetwork.Name, perNetwork.Per = "cards_per_network", "network"
	s = newShop(t, 10, perNetwork)
	s.check(t, "203.0.113.7", "")
	require.Equal(t, velocity.Block, s.check(t, "203.0.113.8", ""))
	assert.Equal(t, []string{"203.0.113.8/32"}, s.blocked())
	assert.Equal(t, []string{"cards_per_network"}, s.List(1, s.now()).Blocked[0].Reasons)
}

func TestTheListedAndTheHeldAreBlocked(t *testing.T) {
	s := newShop(t, 10)
	until := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	s.replace(t, []velocity.Entry{
		{Net: netip.MustParsePrefix("203.0.113.0/24"), Outcome: velocity.Block},
		{Net: netip.MustParsePrefix("198.51.100.0/24"), Outcome: velocity.Block, Until: until},
	}, overOne)
	s.check(t, "203.0.113.7", "")
	s.at = time.Second
	s.check(t, "198.51.100.7", "")
	assert.Equal(t, []recent.BlockedAddress{
		{Subject: netip.MustParsePrefix("198.51.100.7/32"), Reasons: []string{"list"}, FirstBlocked: morning + 1000, Tried: morning + 1000, ClearsIn: 1799, Attempts: 1},
		{Subject: netip.MustParsePrefix("203.0.113.7/32"), Reasons: []string{"list"}, FirstBlocked: morning, Tried: morning, Attempts: 1},
	}, s.List(10, s.now()).Blocked)
	s.at = time.Hour
	assert.Empty(t, s.blocked(), "the list blocks it, but it has not tried for a window")

	s = newShop(t, 10)
	s.override(t, "203.0.113.7", velocity.Block, time.Minute)
	s.check(t, "203.0.113.7", "")
	assert.Equal(t, []recent.BlockedAddress{{
		Subject: netip.MustParsePrefix("203.0.113.7/32"), Reasons: []string{"override"}, FirstBlocked: morning, Tried: morning, ClearsIn: 60, Attempts: 1,
	}}, s.List(10, s.now()).Blocked)
	s.at = time.Minute
	assert.Empty(t, s.blocked(), "the override has ended")

	held := overOne
	held.Hold = 24 * time.Hour
	s = newShop(t, 10, held)
	s.block(t, "203.0.113.7")
	s.at = 23 * time.Hour
	require.Len(t, s.blocked(), 1)
	assert.Equal(t, 3600, s.List(1, s.now()).Blocked[0].ClearsIn)
}

func TestTheOneUntriedLongestLeavesFirst(t *testing.T) {
	const limit = 100
	s := newShop(t, limit)
	address := func(n int) string { return fmt.Sprintf("203.0.%d.%d", n/250, n%250) }
	for n := range limit {
		s.at = time.Duration(n) * time.Second
		s.block(t, address(n))
	}
	assert.Zero(t, s.Evicted())
	s.block(t, address(0)) // tried again: the next one is the longest untried now
	s.block(t, address(limit))
	assert.EqualValues(t, 1, s.Evicted())
	got := s.blocked()
	assert.Len(t, got, limit)
	assert.Contains(t, got, address(0)+"/32")
	assert.NotContains(t, got, address(1)+"/32")

	s.at += 2 * time.Hour
	s.block(t, "198.51.100.7")
	assert.EqualValues(t, 1, s.Evicted(), "its block had ended")
}

// The table of entries against the obvious one, for any sequence of blocks and lets.
func TestWhoIsBlockedIsExactBelowTheLimit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newShop(t, 8)
		want := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			address := fmt.Sprintf("203.0.113.%d", rapid.IntRange(1, 8).Draw(r, "address"))
			s.at += time.Millisecond
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0:
				s.forget(t, address)
				delete(want, address+"/32")
			case 1:
				s.blocked()
			default:
				if s.check(t, address, "") == velocity.Block {
					want[address+"/32"] = true
				}
			}
		}
		got := map[string]bool{}
		for _, b := range s.blocked() {
			got[b] = true
		}
		assert.Equal(r, want, got)
	})
}

// Two instances share memcached: what one lets go leaves the list of the other.
func TestWhatAnotherInstanceForgotIsNotListed(t *testing.T) {
	server := testbed.StartMemcached(t)
	instance := func() *shop {
		memory, err := velocity.NewMemory(1 << 20)
		require.NoError(t, err)
		store := velocitytest.NewMemcached(t, memory, memcached.Settings{Servers: []string{server.Addr}, Budget: time.Second})
		s := newShopOver(t, store, 10, overOne)
		store.Watch(s.checker.Plan, s.now)
		store.Client.Await(5 * time.Second)
		return s
	}
	here, there := instance(), instance()
	here.block(t, "203.0.113.7")
	here.block(t, "203.0.113.8")
	require.Len(t, here.blocked(), 2)
	there.forget(t, "203.0.113.7")
	assert.Equal(t, []string{"203.0.113.8/32"}, here.blocked())
	assert.False(t, here.List(10, here.now()).Degraded)

	server.Stop()
	list := here.List(10, here.now())
	assert.Len(t, list.Blocked, 1)
	assert.True(t, list.Degraded, "only this instance says so")
}

func TestChecksAllocateNothing(t *testing.T) {
	testbed.SkipRace(t, "counts allocations")
	s := newShop(t, 1000)
	events := func(network string) []*event.Event {
		var of []*event.Event
		for n := range 1000 {
			a, d := s.attempt(t, fmt.Sprintf(network, n/250, n%250), ""), new(velocity.Decision)
			s.checker.Check(&a, s.now(), nil, d)
			of = append(of, &event.Event{Kind: event.Check, Time: s.now(), Attempt: &a, Decision: d})
		}
		return of
	}
	allowed := events("198.51.%d.%d")
	events("203.0.%d.%d")
	blocked := events("203.0.%d.%d")
	require.Equal(t, velocity.Block, blocked[0].Decision.Outcome)
	random := rand.New(rand.NewPCG(1, 2))
	for name, of := range map[string][]*event.Event{"blocked": blocked, "allowed": allowed} {
		assert.Zero(t, testing.AllocsPerRun(10_000, func() { s.Watch(of[random.IntN(len(of))]) }), name)
	}
}
