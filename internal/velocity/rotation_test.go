package velocity_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

func keysOf(t *testing.T, name string) *velocity.Keys {
	t.Helper()
	keys, err := velocity.NewKeys([]byte(strings.Repeat(name+" key ", 8)))
	require.NoError(t, err)
	return keys
}

var rotated = velocity.Rule{
	Name: "cards_per_ip", Per: "ip", Count: "cards", Window: time.Hour, BlockOver: 5, Retention: velocity.Sliding, Mode: velocity.Enforce,
}

// A rotation starts instances, with hash keys of these names, on one store: their own,
// which outlives them, or one memcached.
type rotation struct {
	t     *testing.T
	rules []velocity.Rule
	store func(keys *velocity.Keys) velocity.Store
}

func (r *rotation) start(key, previous string) *velocity.Checker {
	r.t.Helper()
	plan, err := velocity.NewPlan(r.rules, 64)
	require.NoError(r.t, err)
	c := velocity.NewChecker(plan, keysOf(r.t, key), r.store(keysOf(r.t, key)))
	if previous != "" {
		c.AlsoUnder(keysOf(r.t, previous), r.store(keysOf(r.t, previous)))
	}
	return c
}

// startWith is start with the names of both keys in one text.
func (r *rotation) startWith(keys string) *velocity.Checker {
	r.t.Helper()
	key, previous, _ := strings.Cut(keys, " ")
	return r.start(key, previous)
}

// sideBySide are the instances that may run at once in a rotation: the one that an analyst
// asks, and another.
var sideBySide = []struct{ name, asked, other string }{
	{"at an instance with the old key alone", "old", "new old"},
	{"at one with both keys, among the old", "new old", "old"},
	{"at one with both keys, among such", "new old", "new old"},
	{"at one with both keys, among the new", "new old", "new"},
	{"at an instance with the new key alone", "new", "new old"},
}

// onEachStore runs the test with the embedded store, where one instance follows another,
// and with memcached.
func onEachStore(t *testing.T, rules []velocity.Rule, test func(t *testing.T, r *rotation)) {
	t.Run("memory", func(t *testing.T) {
		memory := newMemory(t)
		test(t, &rotation{t, rules, func(*velocity.Keys) velocity.Store { return memory }})
	})
	t.Run("memcached", func(t *testing.T) {
		addr := testbed.StartMemcached(t).Addr
		plan, err := velocity.NewPlan(rules, 64)
		require.NoError(t, err)
		test(t, &rotation{t, rules, func(keys *velocity.Keys) velocity.Store {
			local, err := velocity.NewMemory(velocity.MinMemoryBytes)
			require.NoError(t, err)
			m := velocitytest.NewMemcachedUnder(t, keys, local, memcached.Settings{Servers: []string{addr}, Budget: 10 * time.Second})
			velocity.WatchServers(m, plan)
			return m
		}})
	})
}

func decide(t *testing.T, c *velocity.Checker, ip string, card int, after time.Duration) velocity.Decision {
	t.Helper()
	var d velocity.Decision
	a := velocitytest.Attempt(t, ip, card)
	c.Check(&a, at(after), nil, &d)
	require.False(t, d.Degraded)
	return d
}

// An honest shopper with as many cards as may be is never blocked, and never counted for
// more or fewer, in any step.
func TestARotationCountsEachCardOnce(t *testing.T) {
	onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
		for step, keys := range [][2][2]string{
			{{"old"}, {"old"}},
			{{"new", "old"}, {"old"}},
			{{"new", "old"}, {"new", "old"}},
			{{"new"}, {"new", "old"}},
			{{"new"}, {"new"}},
		} {
			first, second := r.start(keys[0][0], keys[0][1]), r.start(keys[1][0], keys[1][1])
			for card := range 20 {
				now := time.Duration(step) * 10 * time.Minute
				d := decide(t, []*velocity.Checker{first, second}[card%2], "203.0.113.7", card%5, now)
				assert.Equal(t, velocity.Allow, d.Outcome, "step %d", step)
				if step > 0 || card >= 5 {
					assert.Equal(t, 5, d.Rules[0].Count, "step %d", step)
				}
			}
		}
	})
}

// Blocked stays blocked: an address that the old key's records block is blocked by the
// instance that has both, and by one that has the new key alone as soon as that may be.
func TestARotationLetsNobodyOff(t *testing.T) {
	onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
		const ip = "203.0.113.7"
		old := r.start("old", "")
		for card := range 6 {
			decide(t, old, ip, card, 0)
		}
		both := r.start("new", "old")
		d := decide(t, both, ip, 6, time.Minute)
		assert.Equal(t, velocity.Block, d.Outcome)
		assert.Equal(t, 6, d.Rules[0].Count)
		assert.Equal(t, 3540, d.Rules[0].ClearsIn)
		assert.Equal(t, velocity.Block, decide(t, old, ip, 7, 2*time.Minute).Outcome)
		for card := range 6 { // goes on trying
			assert.Equal(t, velocity.Block, decide(t, both, ip, card, 30*time.Minute).Outcome)
		}
		fresh := r.start("new", "")
		assert.Equal(t, velocity.Block, decide(t, fresh, ip, 8, time.Hour+time.Minute).Outcome, "all that is within the window was shown under both")
		assert.Equal(t, velocity.Allow, decide(t, fresh, ip, 8, 3*time.Hour).Outcome)
	})
}

// Forgiven stays forgiven, whichever instance an analyst asks, and which key that has.
func TestForgettingHoldsAcrossARotation(t *testing.T) {
	for _, tt := range sideBySide {
		t.Run(tt.name, func(t *testing.T) {
			onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
				const ip = "203.0.113.7"
				asked, other, both := r.startWith(tt.asked), r.startWith(tt.other), r.startWith("new old")
				for card := range 6 {
					decide(t, both, ip, card, 0)
				}
				for _, c := range []*velocity.Checker{asked, other} {
					require.Equal(t, velocity.Block, decide(t, c, ip, 6, time.Second).Outcome)
				}
				a := velocitytest.Attempt(t, ip, 0)
				require.True(t, asked.Forget(&a, "ip", at(10*time.Second)))
				for i, c := range []*velocity.Checker{asked, other, both} {
					assert.Equal(t, 0+i, c.Inspect(&a, []string{"ip"}, at(11*time.Second)).Rules[0].Count)
					d := decide(t, c, ip, 10+i, 11*time.Second)
					assert.Equal(t, 1+i, d.Rules[0].Count, "instance %d", i)
					assert.Equal(t, velocity.Allow, d.Outcome)
				}
				for card := range 6 { // and it can be blocked anew
					decide(t, both, ip, 20+card, 12*time.Second)
				}
				for _, c := range []*velocity.Checker{asked, other} {
					assert.Equal(t, velocity.Block, decide(t, c, ip, 30, 13*time.Second).Outcome)
				}
			})
		})
	}
}

// What is known of one address under the other key is not taken for another's.
func TestForgettingOneAddressInARotationLeavesTheOthers(t *testing.T) {
	onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
		both, fresh := r.start("new", "old"), r.start("new", "")
		for card := range 5 {
			decide(t, both, "203.0.113.8", card, 0)
		}
		decide(t, both, "203.0.113.7", 0, 0)
		a := velocitytest.Attempt(t, "203.0.113.7", 0)
		require.True(t, fresh.Forget(&a, "ip", at(time.Second)))
		assert.Equal(t, 1, decide(t, both, "203.0.113.7", 1, 2*time.Second).Rules[0].Count)
		assert.Equal(t, 6, decide(t, both, "203.0.113.8", 5, 2*time.Second).Rules[0].Count)
	})
}

// A burst against instances of every kind that may run side by side: never one card more
// than the rule lets pass.
func TestNoRotationLetsABurstPass(t *testing.T) {
	t.Parallel()
	addr := testbed.StartMemcached(t).Addr
	plan, err := velocity.NewPlan([]velocity.Rule{rotated}, 64)
	require.NoError(t, err)
	r := &rotation{t, []velocity.Rule{rotated}, func(keys *velocity.Keys) velocity.Store {
		local, err := velocity.NewMemory(velocity.MinMemoryBytes)
		require.NoError(t, err)
		m := velocitytest.NewMemcachedUnder(t, keys, local, memcached.Settings{Servers: []string{addr}, Budget: 10 * time.Second})
		velocity.WatchServers(m, plan)
		return m
	}}
	for phase, checkers := range [][]*velocity.Checker{
		{r.start("old", ""), r.start("new", "old")},
		{r.start("new", "old"), r.start("new", "old")},
		{r.start("new", "old"), r.start("new", "")},
	} {
		for round := range 5 {
			ip := fmt.Sprintf("203.0.113.%d", 10*phase+round)
			var passed atomic.Int64
			var all sync.WaitGroup
			for card := range 40 {
				all.Go(func() {
					if decide(t, checkers[card%2], ip, card, 0).Outcome != velocity.Block {
						passed.Add(1)
					}
				})
			}
			all.Wait()
			assert.LessOrEqual(t, passed.Load(), int64(5), "phase %d", phase)
			assert.Positive(t, passed.Load(), "phase %d", phase)
			for i, c := range checkers {
				assert.Equal(t, velocity.Block, decide(t, c, ip, 99, time.Second).Outcome, "phase %d, instance %d", phase, i)
			}
		}
	}
}

// One after the other exactly block_over pass.
func TestARotationBlocksAtTheSameCard(t *testing.T) {
	onEachStore(t, []velocity.Rule{rotated}, func(t *testing.T, r *rotation) {
		for phase, checkers := range [][]*velocity.Checker{
			{r.start("old", ""), r.start("new", "old")},
			{r.start("new", "old"), r.start("new", "old")},
			{r.start("new", "old"), r.start("new", "")},
		} {
			for card := range 12 {
				d := decide(t, checkers[card%2], fmt.Sprintf("203.0.113.%d", phase), card, 0)
				if phase == 0 || phase == 1 || card%2 == 1 {
					assert.Equal(t, min(card+1, 6), d.Rules[0].Count, "phase %d", phase)
				}
				assert.Equal(t, card >= 5, d.Outcome == velocity.Block, "phase %d, card %d", phase, card)
			}
		}
	})
}

// Declines count under both keys, and once.
func TestDeclinesCountAcrossARotation(t *testing.T) {
	rule := rotated
	rule.Name, rule.Count, rule.BlockOver = "declined_cards_per_ip", "declined_cards", 3
	onEachStore(t, []velocity.Rule{rule}, func(t *testing.T, r *rotation) {
		old, both := r.start("old", ""), r.start("new", "old")
		for card := range 4 {
			a := velocitytest.Attempt(t, "203.0.113.7", card)
			for _, c := range []*velocity.Checker{both, old, both} {
				c.Answered(&a, velocity.IssuerAnswer{Outcome: "declined", Reason: "other"}, at(0), nil)
			}
		}
		for _, c := range []*velocity.Checker{old, both, r.start("new", "")} {
			d := decide(t, c, "203.0.113.7", 9, time.Second)
			assert.Equal(t, 4, d.Rules[0].Count)
			assert.Equal(t, velocity.Block, d.Outcome)
		}
	})
}
