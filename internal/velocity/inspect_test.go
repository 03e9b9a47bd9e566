package velocity_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// An inspection is a checker over a memory of its own.
type inspection struct {
	*velocity.Checker
	memory *velocity.Memory
	t      *testing.T
}

func inspect(t *testing.T, rules ...velocity.Rule) *inspection {
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	return &inspection{velocitytest.NewChecker(t, rules, memory), memory, t}
}

func cardsPer(per string, blockOver int) velocity.Rule {
	return velocity.Rule{Name: "cards_per_" + per, Per: per, Count: "cards", Window: time.Hour, BlockOver: blockOver,
		Retention: velocity.Sliding, Mode: velocity.Enforce}
}

// show has the address show so many cards, so long after the start.
func (i *inspection) show(address string, cards int, after time.Duration) {
	for n := range cards {
		a, d := velocitytest.Attempt(i.t, address, n), velocity.Decision{}
		i.Check(&a, at(after), nil, &d)
	}
}

func at(after time.Duration) velocity.Time {
	return velocitytest.Start + velocity.Time(after.Milliseconds())
}

func fields(pairs ...string) *velocity.Fields {
	f := new(velocity.Fields)
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		field, ok := velocity.FieldByName(name)
		if !ok || !f.Set(field, value) {
			panic(p)
		}
	}
	return f
}

func addressed(address string) *velocity.Attempt {
	return &velocity.Attempt{Address: netip.MustParseAddr(address)}
}

func TestInspectLooksAtTheKindsItIsAskedFor(t *testing.T) {
	i := inspect(t, cardsPer("network", 9), velocity.DefaultRule, cardsPer("email", 1))
	i.show("203.0.113.7", 6, 0)
	i.show("203.0.113.8", 2, 0)
	for _, tt := range []struct {
		per          string
		names        string
		counts       []int
		known, fresh velocity.Outcome
		blocking     []string
	}{
		{per: "ip", names: "cards_per_ip", counts: []int{6}, known: velocity.Block, fresh: velocity.Block, blocking: []string{"cards_per_ip"}},
		{per: "network", names: "cards_per_network", counts: []int{6}},
		{per: "ip network", names: "cards_per_network cards_per_ip", counts: []int{6, 6}, known: velocity.Block, fresh: velocity.Block, blocking: []string{"cards_per_ip"}},
		{per: "email"}, // the attempt has none
		{per: "account"},
		{per: ""},
	} {
		t.Run(tt.per, func(t *testing.T) {
			r := i.Inspect(addressed("203.0.113.7"), strings.Fields(tt.per), at(0))
			var names []string
			var counts []int
			for _, result := range r.Rules {
				names, counts = append(names, result.Rule.Name), append(counts, result.Count)
			}
			assert.Equal(t, tt.names, strings.Join(names, " "), "in configuration order")
			assert.Equal(t, tt.counts, counts)
			assert.Equal(t, tt.known, r.KnownCard)
			assert.Equal(t, tt.fresh, r.NewCard)
			assert.Equal(t, tt.blocking, r.Blocking)
			assert.False(t, r.Degraded)
		})
	}
}

// Rules that share a list each look at their own part of it.
func TestInspectByRulesThatShareAList(t *testing.T) {
	short, idle := cardsPer("ip", 2), cardsPer("ip", 3)
	short.Name, short.Window = "short", time.Minute
	idle.Name, idle.Retention = "idle", velocity.Idle
	i := inspect(t, cardsPer("ip", 5), short, idle)
	i.show("203.0.113.7", 3, 0)
	for _, tt := range []struct {
		after  time.Duration
		counts []int
		fresh  velocity.Outcome
	}{
		{0, []int{3, 3, 3}, velocity.Block},
		{time.Minute - time.Millisecond, []int{3, 3, 3}, velocity.Block},
		{time.Minute, []int{3, 0, 3}, velocity.Block},
		{time.Hour - time.Millisecond, []int{3, 0, 3}, velocity.Block},
		{time.Hour, []int{0, 0, 0}, velocity.Allow},
	} {
		r := i.Inspect(addressed("203.0.113.7"), []string{"ip"}, at(tt.after))
		var counts []int
		for _, result := range r.Rules {
			counts = append(counts, result.Count)
		}
		assert.Equal(t, tt.counts, counts, tt.after)
		assert.Equal(t, tt.fresh, r.NewCard, tt.after)
	}
}

func TestInspectWritesNothing(t *testing.T) {
	i := inspect(t, velocity.DefaultRule, cardsPer("network", 3))
	i.Inspect(addressed("203.0.113.7"), []string{"ip", "network"}, at(0))
	assert.Zero(t, i.memory.Stats().Records)
	i.show("203.0.113.7", 2, 0)
	before := i.memory.Stats()
	for n := range 100 {
		i.Inspect(addressed("203.0.113.7"), []string{"ip", "network"}, at(time.Duration(n)*time.Second))
		i.Inspect(addressed("203.0.113.7"), []string{"ip", "network"}, at(2*time.Hour)) // a clock that runs ahead forgets nothing
	}
	assert.Equal(t, before, i.memory.Stats())
	assert.Equal(t, 2, i.Inspect(addressed("203.0.113.7"), []string{"ip"}, at(time.Hour-time.Millisecond)).Rules[0].Count)
	assert.Zero(t, i.Inspect(addressed("203.0.113.7"), []string{"ip"}, at(time.Hour)).Rules[0].Count)
}

func TestForgetEmptiesOneSubject(t *testing.T) {
	i := inspect(t, velocity.DefaultRule, cardsPer("network", 3))
	i.show("203.0.113.7", 6, 0)
	i.show("203.0.113.8", 6, 0)
	require.True(t, i.Forget(addressed("203.0.113.7"), "ip", at(0)))
	count := func(address, per string) int {
		return i.Inspect(addressed(address), []string{per}, at(0)).Rules[0].Count
	}
	assert.Equal(t, 0, count("203.0.113.7", "ip"))
	assert.Equal(t, 6, count("203.0.113.8", "ip"))
	assert.Equal(t, 4, count("203.0.113.7", "network"))
	require.True(t, i.Forget(addressed("203.0.113.99"), "network", at(0)))
	assert.Equal(t, 0, count("203.0.113.7", "network"))

	i.show("203.0.113.7", 2, 0)
	assert.Equal(t, 2, count("203.0.113.7", "ip"), "a check after it is an ordinary one")
}

func TestForgettingAnUnwatchedKindSucceeds(t *testing.T) {
	i := inspect(t, velocity.DefaultRule)
	for _, per := range []string{"network", "email", "card", "nonsense", ""} {
		assert.True(t, i.Forget(addressed("203.0.113.7"), per, at(0)), per)
	}
	assert.True(t, i.Forget(&velocity.Attempt{}, "ip", at(0)), "nobody is no subject")
	assert.Zero(t, i.memory.Stats().Records)
	assert.Empty(t, i.Inspect(&velocity.Attempt{}, []string{"ip"}, at(0)).Rules)
}

func TestOthersAreTheEnforcedRulesOnOtherKinds(t *testing.T) {
	silent := cardsPer("device", 1)
	silent.Mode = velocity.Shadow
	i := inspect(t, cardsPer("email", 1), velocity.DefaultRule, silent, cardsPer("network", 9), cardsPer("cart", 1))
	for per, want := range map[string]string{
		"":                          "cards_per_email cards_per_ip cards_per_network cards_per_cart",
		"ip":                        "cards_per_email cards_per_network cards_per_cart",
		"ip network":                "cards_per_email cards_per_cart",
		"ip network email cart":     "",
		"device":                    "cards_per_email cards_per_ip cards_per_network cards_per_cart",
		"nonsense account card ips": "cards_per_email cards_per_ip cards_per_network cards_per_cart",
	} {
		assert.Equal(t, want, strings.Join(i.Others(strings.Fields(per)), " "), per)
	}
}

func TestSubjectOfAnAddress(t *testing.T) {
	for _, tt := range []struct {
		bits          int
		address, want string
	}{
		{64, "203.0.113.7", "203.0.113.7"},
		{48, "203.0.113.7", "203.0.113.7"},
		{64, "2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"},
		{48, "2001:db8:0:1::5", "2001:db8::/48"},
		{56, "2001:db8:0:1ff::5", "2001:db8:0:100::/56"},
		{128, "2001:db8::5", "2001:db8::5/128"},
		{64, "::", "::/64"},
	} {
		plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, tt.bits)
		require.NoError(t, err)
		c := velocity.NewChecker(plan, velocitytest.NewKeys(t), nil)
		assert.Equal(t, tt.want, c.Subject(netip.MustParseAddr(tt.address)))
	}
}

// What an analyst names is what the shop sent.
func TestParseSubjectNamesWhatAnAttemptNames(t *testing.T) {
	everything := []string{"ip=203.0.113.7", "card_id=pm_1", "email=A@example.org", "device= d ", "cart=c", "account=" + strings.Repeat("é", 256)}
	attempt, err := velocity.ParseAttempt(fields(everything...))
	require.NoError(t, err)
	for per, named := range map[string][]string{
		"ip":      {"value=::ffff:203.0.113.7"},
		"network": {"value=203.0.113.255"},
		"card":    {"card_id=pm_1"},
		"email":   {"value=\ta@EXAMPLE.org"},
		"device":  {"value= d "},
		"cart":    {"value=c"},
		"account": {"value=" + strings.Repeat("é", 256)},
	} {
		t.Run(per, func(t *testing.T) {
			watched := velocity.Rule{Name: "r", Per: per, Count: "cards", Window: time.Hour, BlockOver: 9, Retention: velocity.Sliding, Mode: velocity.Enforce}
			if per == "card" {
				watched.Count = "ips"
			}
			i := inspect(t, watched)
			var d velocity.Decision
			i.Check(&attempt, at(0), nil, &d)
			got, subject, err := velocity.ParseSubject(fields(append(named, "per="+per)...))
			require.NoError(t, err)
			assert.Equal(t, per, got)
			assert.Equal(t, 1, i.Inspect(&subject, []string{per}, at(0)).Rules[0].Count)
		})
	}
}

func TestInvalidSubjectsNameTheField(t *testing.T) {
	for _, tt := range []struct {
		fields  []string
		field   velocity.Field
		missing bool
		pan     bool
	}{
		{nil, velocity.FieldPer, true, false},
		{[]string{"value=x"}, velocity.FieldPer, true, false},
		{[]string{"per="}, velocity.FieldPer, true, false},
		{[]string{"per=cards", "value=x"}, velocity.FieldPer, false, false},
		{[]string{"per=email"}, velocity.FieldValue, true, false},
		{[]string{"per=email", "value="}, velocity.FieldValue, true, false},
		{[]string{"per=email", "value= "}, velocity.FieldValue, false, false},
		{[]string{"per=cart", "value=" + strings.Repeat("x", 257)}, velocity.FieldValue, false, false},
		{[]string{"per=ip", "value=203.0.113"}, velocity.FieldValue, false, false},
		{[]string{"per=network", "value=203.0.113.0/24"}, velocity.FieldValue, false, false},
		{[]string{"per=card"}, velocity.FieldLast4, true, false},
		{[]string{"per=card", "value=x", "card_id=y"}, velocity.FieldValue, false, false},
		{[]string{"per=card", "card_id=4111111111111111"}, velocity.FieldCardID, false, true},
		{[]string{"per=card", "card_id=y", "last4=41111"}, velocity.FieldLast4, false, true},
		{[]string{"per=device", "value=x", "card_id=y"}, velocity.FieldCardID, false, false},
		{[]string{"per=ip", "value=203.0.113.7", "exp_month=1"}, velocity.FieldExpMonth, false, false},
	} {
		t.Run(strings.Join(tt.fields, " "), func(t *testing.T) {
			f := fields(tt.fields...)
			_, _, err := velocity.ParseSubject(f)
			var wrong *velocity.FieldError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, tt.field, wrong.Field)
			assert.Equal(t, tt.missing, wrong.Missing)
			assert.Equal(t, tt.pan, f.PANLike())
			assert.NotEmpty(t, wrong.Expected)
		})
	}
	_, _, err := velocity.ParseSubject(fields("per=nonsense"))
	assert.ErrorContains(t, err, "one of ip, network, card, email, device, cart, account", "all there are")
}

func TestInspectAndForgetDuringChecks(t *testing.T) {
	i := inspect(t, velocity.DefaultRule, cardsPer("network", 3))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for card := range 200 {
				a := velocitytest.Attempt(t, "203.0.113.7", card)
				switch n {
				case 0:
					i.Forget(&a, "ip", at(0))
				case 1, 2:
					r := i.Inspect(&a, []string{"ip", "network"}, at(0))
					assert.Len(t, r.Rules, 2)
					assert.LessOrEqual(t, r.Rules[0].Count, 6)
				default:
					var d velocity.Decision
					i.Check(&a, at(0), nil, &d)
					assert.Positive(t, d.Rules[0].Count)
				}
			}
		})
	}
	all.Wait()
	require.True(t, i.Forget(addressed("203.0.113.7"), "ip", at(0)))
	assert.Zero(t, i.Inspect(addressed("203.0.113.7"), []string{"ip"}, at(0)).Rules[0].Count)
}

func TestInspectSeesWhatOtherInstancesRecorded(t *testing.T) {
	server := testbed.StartMemcached(t)
	instance := func(servers ...string) *velocity.Checker {
		local, err := velocity.NewMemory(velocity.MinMemoryBytes)
		require.NoError(t, err)
		store := velocitytest.NewMemcached(t, local, memcached.Settings{Servers: servers, Budget: 5 * time.Second})
		c := velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, store)
		velocity.WatchServers(store, c.Plan())
		return c
	}
	one, two, cutOff := instance(server.Addr), instance(server.Addr), instance("127.0.0.1:1")
	look := func(c *velocity.Checker) string {
		r := c.Inspect(addressed("203.0.113.7"), []string{"ip"}, at(0))
		return fmt.Sprint(r.Rules[0].Count, " ", r.NewCard, " ", r.Degraded)
	}
	for card := range 5 {
		a, d := velocitytest.Attempt(t, "203.0.113.7", card), velocity.Decision{}
		one.Check(&a, at(0), nil, &d)
		cutOff.Check(&a, at(0), nil, &d)
	}
	for range 3 {
		assert.Equal(t, "5 block false", look(two), "it never saw the address")
		assert.Equal(t, "5 block true", look(cutOff))
	}
	require.True(t, two.Forget(addressed("203.0.113.7"), "ip", at(0)))
	assert.Equal(t, "0 allow false", look(one), "its own copy does not bring it back")
	assert.Equal(t, "0 allow false", look(two))

	require.False(t, cutOff.Forget(addressed("203.0.113.7"), "ip", at(0)), "nobody has heard")
	assert.Equal(t, "0 allow true", look(cutOff), "and it is forgotten here")
}

// What a hold blocks, every card is blocked by: also one that is counted already.
func TestAHoldBlocksTheNextCardToo(t *testing.T) {
	rule := cardsPer("ip", 2)
	rule.Hold = 24 * time.Hour
	i := inspect(t, rule)
	i.show("203.0.113.7", 3, 0)
	i.show("203.0.113.7", 1, 2*time.Hour)
	a := velocitytest.Attempt(t, "203.0.113.7", 0)
	for after, want := range map[time.Duration]velocity.Outcome{3 * time.Hour: velocity.Block, 24 * time.Hour: velocity.Allow} {
		r := i.Inspect(&a, []string{"ip"}, at(after))
		assert.Equal(t, want, r.KnownCard)
		assert.Equal(t, want, r.NewCard)
		assert.Equal(t, want == velocity.Block, len(r.Blocking) == 1)
		assert.Equal(t, want == velocity.Block, r.Rules[0].Held)
	}
}
