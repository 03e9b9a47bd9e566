package operator_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

func TestDecisionsAreCounted(t *testing.T) {
	d := open(t, threeRules)
	check := func(card int, more ...string) {
		d.metrics.Decision(d.check(t, append([]string{"ip=203.0.113.7", fmt.Sprint("card_id=", card)}, more...)...), time.Millisecond)
	}
	check(0, "email=a@example.org")
	check(1, "email=a@example.org", "device=d1")
	check(2, "email=a@example.org", "device=d1") // the device blocks, the e-mail only would
	check(3)                                     // a review
	check(4, "device=d2")                        // a review
	check(5)                                     // a block
	check(5, "device=d3")                        // a block, by the address
	have := scrape(t, d.metrics)
	assert.Equal(t, map[string]float64{
		`fraudcheck_checks_total{decision="allow"}`:  2,
		`fraudcheck_checks_total{decision="review"}`: 2,
		`fraudcheck_checks_total{decision="block"}`:  3,
	}, changed(have, "fraudcheck_checks_total"))
	assert.Equal(t, map[string]float64{
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="allow",rule="cards_per_ip"}`:       3,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="review",rule="cards_per_ip"}`:      2,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="block",rule="cards_per_ip"}`:       2,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="allow",rule="cards_per_email"}`:     2,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="block",rule="cards_per_email"}`:     1,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="skipped",rule="cards_per_email"}`:   4,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="allow",rule="cards_per_device"}`:   3,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="block",rule="cards_per_device"}`:   1,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="skipped",rule="cards_per_device"}`: 3,
	}, changed(have, "fraudcheck_rule_outcomes_total"))
	assert.EqualValues(t, 7, have["fraudcheck_check_duration_seconds_count"])
	assert.InDelta(t, .007, have["fraudcheck_check_duration_seconds_sum"], 1e-9)
	assert.Empty(t, changed(have, "fraudcheck_degraded_checks_total"))
}

// A decision that no rule had a word in, or only some.
func TestEveryRuleIsCountedOnceForEachDecision(t *testing.T) {
	answered := func(places ...int) *velocity.Decision {
		d := velocity.Decision{Plan: planOf(t, threeRules)}
		for _, i := range places {
			d.Rules = append(d.Rules, velocity.RuleResult{Rule: &threeRules[i], Outcome: velocity.Review})
		}
		return &d
	}
	for _, tt := range [][]int{{}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}} {
		m := newMetrics(t)
		m.Decision(answered(tt...), 0)
		have := scrape(t, m)
		for i, r := range threeRules {
			outcome := map[bool]string{true: "review", false: "skipped"}[slices.Contains(tt, i)]
			for _, o := range []string{"allow", "review", "block", "skipped"} {
				name := fmt.Sprintf("fraudcheck_rule_outcomes_total{mode=%q,outcome=%q,rule=%q}", r.Mode, o, r.Name)
				assert.EqualValues(t, map[bool]int{true: 1}[o == outcome], have[name], "%v: %s", tt, name)
			}
		}
	}
}

func TestDegradedChecksAreCounted(t *testing.T) {
	d := openUnreachable(t)
	for range 3 {
		decision := d.check(t, "ip=203.0.113.7", "card_id=1")
		require.True(t, decision.Degraded)
		d.metrics.Decision(decision, 0)
	}
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules)}, 0)
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules), Degraded: true}, 0)
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules), Degraded: true, ClockOff: true}, 0)
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules), Degraded: true, ClockOff: true}, 0)
	assert.Equal(t, map[string]float64{
		`fraudcheck_degraded_checks_total{reason="store"}`: 3,
		`fraudcheck_degraded_checks_total{reason="wait"}`:  1,
		`fraudcheck_degraded_checks_total{reason="clock"}`: 2,
	}, changed(scrape(t, d.metrics), "fraudcheck_degraded_checks_total"))
}

func TestCountingADecisionAllocatesNothing(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	m := newMetrics(t)
	d := &velocity.Decision{Plan: planOf(t, threeRules), Outcome: velocity.Block, Degraded: true, Rules: []velocity.RuleResult{
		{Rule: &threeRules[0], Outcome: velocity.Block}, {Rule: &threeRules[2], Outcome: velocity.Allow},
	}}
	n := 0
	assert.Zero(t, testing.AllocsPerRun(10_000, func() {
		n++
		m.Decision(d, time.Duration(n%20)*100*time.Microsecond)
	}), "Decision")
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { m.Request("/v1/check", 200, time.Millisecond) }), "Request")
	assert.Zero(t, testing.AllocsPerRun(10_000, m.PANLike), "PANLike")
}
