package velocity

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInvalidRulesNameTheSetting(t *testing.T) {
	for _, c := range []struct {
		key    string
		change func(*Rule)
	}{
		{"name", func(r *Rule) { r.Name = "" }},
		{"name", func(r *Rule) { r.Name = "Cards" }},
		{"name", func(r *Rule) { r.Name = strings.Repeat("a", 41) }},
		{"name", func(r *Rule) { r.Name = "override" }},
		{"name", func(r *Rule) { r.Name = "list" }},
		{"name", func(r *Rule) { r.Name = "store_failure" }},
		{"per", func(r *Rule) { r.Per = "" }},
		{"per", func(r *Rule) { r.Per = "cards" }},
		{"per", func(r *Rule) { r.Per = "attempts" }},
		{"count", func(r *Rule) { r.Count = "" }},
		{"count", func(r *Rule) { r.Count = "carts" }},
		{"count", func(r *Rule) { r.Count = "ips" }}, // per ip: always one
		{"window", func(r *Rule) { r.Window = 0 }},
		{"window", func(r *Rule) { r.Window = 999 * time.Millisecond }},
		{"window", func(r *Rule) { r.Window = 1500 * time.Millisecond }},
		{"window", func(r *Rule) { r.Window = 720*time.Hour + time.Second }},
		{"block_over", func(r *Rule) { r.ReviewOver, r.BlockOver = 0, 0 }},
		{"block_over", func(r *Rule) { r.BlockOver = 4097 }},
		{"review_over", func(r *Rule) { r.ReviewOver = -1 }},
		{"review_over", func(r *Rule) { r.ReviewOver = r.BlockOver }},
		{"retention", func(r *Rule) { r.Retention = "" }},
		{"mode", func(r *Rule) { r.Mode = "off" }},
	} {
		r := DefaultRule
		r.Name = "second"
		c.change(&r)
		_, err := NewPlan([]Rule{DefaultRule, r}, 64)
		var wrong *RuleError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, 1, wrong.Index)
		require.Equal(t, c.key, wrong.Key)
		require.Contains(t, err.Error(), "rules[1]."+c.key+": expected ")
	}
	_, err := NewPlan([]Rule{DefaultRule, DefaultRule}, 64)
	require.ErrorContains(t, err, "rules[1].name")
}

func TestRulesThatCountTheSameThingShareTheList(t *testing.T) {
	rule := func(name string, window time.Duration, over int, retention Retention) Rule {
		r := DefaultRule
		r.Name, r.Window, r.ReviewOver, r.BlockOver, r.Retention = name, window, 0, over, retention
		return r
	}
	plan, err := NewPlan([]Rule{
		rule("hour", time.Hour, 5, Sliding),
		rule("day", 24*time.Hour, 20, Sliding),
		rule("minute", time.Minute, 30, Sliding),
		rule("idle", time.Hour, 5, Idle),
		rule("idle_too", time.Hour, 7, Idle),
		rule("idle_day", 24*time.Hour, 5, Idle),
	}, 64)
	require.NoError(t, err)
	require.Len(t, plan.subjects, 1)
	s := plan.subjects[0]
	require.Len(t, s.lists, 4, "one by which outcomes are recognised")
	require.Equal(t, 31, s.lists[0].bound, "the largest block_over + 1")
	require.Equal(t, spanOf(24*time.Hour), s.lists[0].window, "the longest window")
	require.Equal(t, 8, s.listOf("cards", true).bound)
	require.Equal(t, spanOf(24*time.Hour), s.retain)
}

// A list serves the largest of its rules, wherever that one stands.
func TestTheOrderOfRulesChangesNoList(t *testing.T) {
	rules := []Rule{
		{Name: "small", Per: "ip", Count: "cards", Window: time.Hour, BlockOver: 5, Retention: Sliding, Mode: Enforce},
		{Name: "large", Per: "ip", Count: "cards", Window: time.Minute, BlockOver: 30, Retention: Sliding, Mode: Enforce},
		{Name: "long", Per: "ip", Count: "cards", Window: 24 * time.Hour, BlockOver: 10, Retention: Sliding, Mode: Enforce},
		{Name: "declined", Per: "ip", Count: "declined_cards", Window: 48 * time.Hour, BlockOver: 3, Retention: Sliding, Mode: Enforce},
		{Name: "declined_soon", Per: "ip", Count: "declined_cards", Window: time.Hour, BlockOver: 2, Retention: Sliding, Mode: Enforce},
	}
	rapid.Check(t, func(t *rapid.T) {
		plan, err := NewPlan(rapid.Permutation(rules).Draw(t, "rules"), 64)
		require.NoError(t, err)
		require.Len(t, plan.subjects, 1)
		s := &plan.subjects[0]
		require.Len(t, s.lists, 4)
		for _, l := range s.lists {
			switch {
			case l.kind.element == "cards":
				require.Equal(t, 31, l.bound)
				require.Equal(t, spanOf(24*time.Hour), l.window)
			case l.kind.element == "declined_cards":
				require.Equal(t, 4, l.bound)
				require.Equal(t, spanOf(48*time.Hour), l.window)
			case l.kind.completes:
				require.Equal(t, maxRecognised, l.bound)
				require.Equal(t, spanOf(24*time.Hour), l.window)
			default:
				require.Equal(t, maxRecognised, l.bound)
				require.Equal(t, spanOf(48*time.Hour), l.window)
			}
		}
		require.Equal(t, spanOf(48*time.Hour), s.retain)
		for i := range s.rules {
			rule := &plan.rules[s.rules[i].index]
			require.Equal(t, rule.Count, s.lists[s.rules[i].list].kind.element)
			require.Equal(t, spanOf(rule.Window), s.rules[i].window)
		}
	})
}

func TestARecordThatCouldPass60KiBIsRefusedByName(t *testing.T) {
	large := func(name, count string) Rule {
		return Rule{Name: name, Per: "ip", Count: count, Window: MaxWindow, BlockOver: MaxBlockOver, Retention: Sliding, Mode: Enforce}
	}
	_, err := NewPlan([]Rule{large("cards", "cards")}, 64)
	require.NoError(t, err, "the largest single rule fits")
	_, err = NewPlan([]Rule{large("cards", "cards"), large("attempts", "attempts")}, 64)
	require.ErrorContains(t, err, "rules[1].block_over")
	_, err = NewPlan([]Rule{large("declined", "declined_cards")}, 64)
	require.NoError(t, err)
	other := large("attempts", "attempts")
	other.Per = "account"
	_, err = NewPlan([]Rule{large("cards", "cards"), other}, 64)
	require.NoError(t, err, "another subject has a record of its own")
}

func TestWorstSizeBoundsTheEncodedSize(t *testing.T) {
	rules := []Rule{
		{Name: "a", Per: "ip", Count: "cards", Window: MaxWindow, BlockOver: 500, Retention: Sliding, Mode: Enforce},
		{Name: "b", Per: "ip", Count: "attempts", Window: MaxWindow, BlockOver: 500, Retention: Idle, Mode: Enforce},
		{Name: "c", Per: "ip", Count: "declined_cards", Window: MaxWindow, BlockOver: 500, Retention: Sliding, Mode: Enforce},
	}
	plan, err := NewPlan(rules, 64)
	require.NoError(t, err)
	s := &plan.subjects[0]
	r := &Record{generation: 1 << 60}
	gap := spanOf(MaxWindow) - 1
	for _, l := range s.lists {
		for i := range l.bound {
			r.listFor(l.key).observe(uint64(i), testStart+Time(i)*gap, l.bound)
		}
	}
	size := len(r.append(nil))
	require.LessOrEqual(t, size, s.worstSize())
	require.Greater(t, size, s.worstSize()*9/10, "nor far from it")
}

func TestTheStrictestEnforcedRuleDecides(t *testing.T) {
	rule := func(name string, mode Mode) *Rule { return &Rule{Name: name, Mode: mode} }
	for _, c := range []struct {
		results []RuleResult
		outcome Outcome
		reasons []string
	}{
		{nil, Allow, nil},
		{[]RuleResult{{Rule: rule("a", Enforce), Outcome: Allow}}, Allow, nil},
		{[]RuleResult{{Rule: rule("a", Shadow), Outcome: Block}}, Allow, nil},
		{[]RuleResult{
			{Rule: rule("a", Enforce), Outcome: Review}, {Rule: rule("b", Enforce), Outcome: Block},
			{Rule: rule("c", Shadow), Outcome: Block}, {Rule: rule("d", Enforce), Outcome: Block},
		}, Block, []string{"b", "d"}},
		{[]RuleResult{
			{Rule: rule("a", Enforce), Outcome: Review}, {Rule: rule("b", Shadow), Outcome: Block},
		}, Review, []string{"a"}},
	} {
		d := Decision{Rules: c.results, Reasons: []string{"stale"}}
		d.judge(nil, nil, nil)
		require.Equal(t, c.outcome, d.Outcome)
		require.ElementsMatch(t, c.reasons, d.Reasons)
	}
}

func TestWarnings(t *testing.T) {
	require.Empty(t, DefaultRule.Warnings())
	require.Empty(t, (&Rule{Per: "nobody"}).Warnings())
	require.Len(t, (&Rule{Per: "card"}).Warnings(), 1)
	require.Len(t, (&Rule{Per: "email", Mode: Enforce}).Warnings(), 1)
	require.Empty(t, (&Rule{Per: "email", Mode: Shadow}).Warnings())
}
