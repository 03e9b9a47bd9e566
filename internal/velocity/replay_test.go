package velocity_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// A replay, whole or in parts, decides what a checker with the embedded store decides, to
// the last second of clears_in_seconds.
func TestAReplayDecidesAsACheckerDoes(t *testing.T) {
	keys := velocitytest.NewKeys(t)
	pairs := [][2]string{{"ip", "cards"}, {"ip", "attempts"}, {"ip", "declined_cards"}, {"card", "declines"}, {"email", "cards"}, {"network", "cards"}, {"card", "ips"}}
	rapid.Check(t, func(t *rapid.T) {
		var rules []velocity.Rule
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			pair := rapid.SampledFrom(pairs).Draw(t, "pair")
			rules = append(rules, velocity.Rule{
				Name: fmt.Sprintf("rule_%d", i), Per: pair[0], Count: pair[1], BlockOver: rapid.IntRange(1, 3).Draw(t, "block_over"),
				Window:    time.Duration(rapid.IntRange(1, 20).Draw(t, "window")) * time.Second,
				Hold:      time.Duration(rapid.SampledFrom([]int{0, 5}).Draw(t, "hold")) * time.Second,
				Retention: rapid.SampledFrom([]velocity.Retention{velocity.Sliding, velocity.Idle}).Draw(t, "retention"), Mode: velocity.Enforce,
			})
		}
		plan, err := velocity.NewPlan(rules, 64)
		require.NoError(t, err)
		lists, err := velocity.NewLists([]velocity.Entry{{Net: netip.MustParsePrefix("203.0.113.9/32"), Outcome: velocity.Allow}})
		require.NoError(t, err)
		plan = plan.With(lists).WithGuard(velocity.CollapseGuard{AtMost: velocity.Review})
		memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
		require.NoError(t, err)
		checker := velocity.NewChecker(plan, keys, memory)
		whole, err := velocity.NewReplay(plan)
		require.NoError(t, err)
		split, err := velocity.NewReplay(plan)
		require.NoError(t, err)
		parts := []*velocity.ReplayPart{split.Part(0, 2), split.Part(1, 2)}

		now := velocitytest.Start
		var d velocity.Decision
		var one, two velocity.Judgement
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			now += velocity.Time(rapid.SampledFrom([]int{0, 1, 500, 1000, 2000, 5000, 20_000}).Draw(t, "step"))
			var f velocity.Fields
			f.Set(velocity.FieldIP, rapid.SampledFrom([]string{"203.0.113.7", "203.0.113.8", "203.0.113.9", "10.0.0.1", "2001:db8::1", "2001:db8::2"}).Draw(t, "ip"))
			f.Set(velocity.FieldAttemptID, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "attempt"))
			f.Set(velocity.FieldEmail, rapid.SampledFrom([]string{"", "a@example.com"}).Draw(t, "email"))
			if rapid.IntRange(0, 4).Draw(t, "later") == 0 {
				f.Set(velocity.FieldCard, "later")
			} else {
				f.Set(velocity.FieldCardID, rapid.SampledFrom([]string{"c1", "c2", "c3", "c4", "c5"}).Draw(t, "card"))
			}
			if rapid.IntRange(0, 2).Draw(t, "an outcome") == 0 {
				f.Set(velocity.FieldOutcome, rapid.SampledFrom([]string{"declined", "approved"}).Draw(t, "outcome"))
				if f.Value(velocity.FieldCard) == "" && rapid.Bool().Draw(t, "now") {
					f.Set(velocity.FieldCard, "now")
				}
				a, answer, err := velocity.ParseOutcome(&f)
				require.NoError(t, err)
				checker.Answered(&a, answer, now, nil)
				var first, second velocity.Trace
				if whole.TraceOutcome(&a, answer, now, &first) {
					whole.Answered(&first, now)
				}
				if split.TraceOutcome(&a, answer, now, &second) {
					for _, p := range parts {
						p.Answered(&second, now)
					}
				}
				continue
			}
			a, err := velocity.ParseAttempt(&f)
			require.NoError(t, err)
			checker.Check(&a, now, nil, &d)
			var first, second velocity.Trace
			whole.TraceCheck(&a, now, &first)
			whole.Check(&first, now, &one)
			split.TraceCheck(&a, now, &second)
			two.Results = make([]velocity.RuleResult, len(rules))
			for _, p := range parts {
				p.Check(&second, now, two.Results)
			}
			split.Decide(&second, &two)
			for _, j := range []*velocity.Judgement{&one, &two} {
				require.Equal(t, d.Outcome, j.Outcome)
				require.Equal(t, d.Suspect, j.Suspect)
				require.Empty(t, differences(d.Reasons, j.Reasons))
				require.Equal(t, len(d.Rules), len(j.Rules))
				for i := range d.Rules {
					want, got := d.Rules[i], j.Rules[i]
					require.Equal(t, want.Rule.Name, got.Rule.Name)
					want.Rule, got.Rule = nil, nil
					require.Equal(t, want, got)
				}
			}
		}
	})
}

// The parts of a history are judged at once, and one may be far ahead of another.
func TestAPartOfAReplayDropsNoRecordOfAnother(t *testing.T) {
	plan, err := velocity.NewPlan([]velocity.Rule{{Name: "cards", Per: "ip", Count: "cards", BlockOver: 3, Window: time.Second, Mode: velocity.Enforce, Retention: velocity.Sliding}}, 64)
	require.NoError(t, err)
	whole, err := velocity.NewReplay(plan)
	require.NoError(t, err)
	slow, fast := whole.Part(0, 2), whole.Part(1, 2)
	results := make([]velocity.RuleResult, 1)
	var trace velocity.Trace
	// show has the part judge the card from each of many IP addresses, and returns how often it
	// counted what.
	show := func(p *velocity.ReplayPart, card string, at velocity.Time) map[int]int {
		counts := map[int]int{}
		for i := range 2000 {
			var f velocity.Fields
			f.Set(velocity.FieldIP, fmt.Sprintf("203.0.%d.%d", 1+i/250, 1+i%250))
			f.Set(velocity.FieldCardID, card)
			attempt, err := velocity.ParseAttempt(&f)
			require.NoError(t, err)
			whole.TraceCheck(&attempt, at, &trace)
			clear(results)
			p.Check(&trace, at, results)
			if results[0].Rule != nil {
				counts[results[0].Count]++
			}
		}
		return counts
	}
	first := show(slow, "c1", velocitytest.Start)
	require.Greater(t, first[1], 800)
	show(fast, "c1", velocitytest.Start+velocity.Time(time.Hour.Milliseconds()))
	require.Equal(t, map[int]int{2: first[1]}, show(slow, "c2", velocitytest.Start+1))
}

// differences is empty where both have the same words.
func differences(a, b []string) string {
	if fmt.Sprint(a) == fmt.Sprint(b) {
		return ""
	}
	return fmt.Sprint(a, b)
}
