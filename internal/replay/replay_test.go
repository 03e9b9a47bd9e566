package replay

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
)

func planOf(t require.TestingT, rules []velocity.Rule) *velocity.Plan {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return plan
}

// replayed is what a run tells of each row, as the lines of --decisions.
func replayed(t require.TestingT, o Options) (*Result, string) {
	var b strings.Builder
	w := NewDecisionWriter(&b)
	if o.Files == nil {
		o.Files = []string{"-"}
	}
	o.Each = func(j *Judged) error { return w.Write(j, len(o.Plan.Rules())) }
	r, err := Run(o)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	return r, b.String()
}

func TestAReplayDecidesAsTheOracleDoes(t *testing.T) {
	blocked := 0
	rapid.Check(t, func(t *rapid.T) {
		rules, rows := ruleSets().Draw(t, "rules"), histories().Draw(t, "history")
		o := newOracle(rules)
		plan := planOf(t, rules)
		if rapid.Bool().Draw(t, "allow list") {
			o.allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.8/32")}
			lists, err := velocity.NewLists([]velocity.Entry{{Net: o.allow[0], Outcome: velocity.Allow}})
			require.NoError(t, err)
			plan = plan.With(lists)
		}
		answers := o.judge(rows)
		if o.unsure {
			t.Skip("which element a full list has lost is not said")
		}
		var want strings.Builder
		want.WriteString("row,decision,reasons,counts\n")
		for i, a := range answers {
			fmt.Fprintf(&want, "%d,%s,%s,%s\n", i+1, a.decision, a.reasons, a.counts)
			if a.decision == "block" {
				blocked++
			}
		}
		_, got := replayed(t, Options{Plan: plan, Columns: testColumns, Stdin: strings.NewReader(csvOf(rows))})
		require.Equal(t, want.String(), got)
	})
	require.NotZero(t, blocked, "the histories block nobody")
}

// Every cell of a sweep is what a run with its values finds.
func TestEveryCellEqualsASingleRun(t *testing.T) {
	testbed.SkipRace(t, "a thousand runs; others sweep under the detector")
	rapid.Check(t, func(t *rapid.T) {
		runtime.GC() // unmaps the records of the runs before: a process has 65,530 mappings
		rules, rows := ruleSets().Draw(t, "rules"), histories().Draw(t, "history")
		swept := rapid.IntRange(0, len(rules)-1).Draw(t, "swept")
		holds := rapid.SampledFrom([]string{"", " hold=0s,20s"}).Draw(t, "holds")
		reviews := rapid.SampledFrom([]string{"", " review_over=0..2"}).Draw(t, "reviews")
		sweep := rules[swept].Name + " block_over=1..4 window=1s,10s" + holds + reviews
		columns := testColumns
		if rapid.Bool().Draw(t, "without attempt_id") {
			columns.Fields = map[velocity.Field]string{}
			for f, name := range testColumns.Fields {
				if f != velocity.FieldAttemptID {
					columns.Fields[f] = name
				}
			}
		}
		planOf := func(t require.TestingT, rules []velocity.Rule) *velocity.Plan { return planOf(t, rules) }
		if rapid.Bool().Draw(t, "guard") {
			guard := velocity.CollapseGuard{AtMost: rapid.SampledFrom([]velocity.Outcome{velocity.Review, velocity.Allow}).Draw(t, "at most"),
				Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.8/32")}}
			without := planOf
			planOf = func(t require.TestingT, rules []velocity.Rule) *velocity.Plan {
				return without(t, rules).WithGuard(guard)
			}
		}
		result, decisions := replayed(t, Options{Plan: planOf(t, rules), Columns: columns, Stdin: strings.NewReader(csvOf(rows)), Sweeps: []string{sweep}})
		_, alone := replayed(t, Options{Plan: planOf(t, rules), Columns: columns, Stdin: strings.NewReader(csvOf(rows))})
		require.Equal(t, alone, decisions, "a sweep changes no decision of the configuration")
		require.NotEmpty(t, result.Cells)
		for range 8 {
			cell := rapid.SampledFrom(result.Cells).Draw(t, "cell")
			single := planOf(t, replaced(rules, swept, cell.Rule))
			one, _ := replayed(t, Options{Plan: single, Columns: columns, Stdin: strings.NewReader(csvOf(rows))})
			require.Equal(t, one.Rules[swept], cell)
		}
	})
}

// The histories in which a longer list tells another count: see lane.
func TestCellsThatNeedRecordsOfTheirOwn(t *testing.T) {
	declined := func(at int64, attempt string) testRow {
		return testRow{at: at, ip: "203.0.113.7", cardID: "c" + attempt, attemptID: attempt, outcome: "declined"}
	}
	later := func(at int64) testRow { return testRow{at: at, ip: "203.0.113.7", attemptID: "t"} }
	// An outcome of each of 64 others comes before the first one comes again.
	many := []testRow{declined(1000, "again")}
	for i := range 64 {
		many = append(many, declined(1001, fmt.Sprint(i)))
	}
	many = append(many, declined(6000, "again"), declined(7000, "other"), testRow{at: 12_000, ip: "203.0.113.7", cardID: "c"})
	for _, tt := range []struct {
		name, count, sweep string
		rows               []testRow
	}{
		{"a decline heard again after a short window", "declines", "block_over=1 window=2s,60s",
			[]testRow{declined(0, "a"), declined(1, "b"), declined(5000, "a"), declined(5001, "b"), {at: 5500, ip: "203.0.113.7", cardID: "c"}}},
		{"a declined card heard again after a short window", "declined_cards", "block_over=1 window=2s,60s",
			[]testRow{declined(0, "a"), declined(1, "b"), declined(5000, "a"), declined(5001, "b"), {at: 5500, ip: "203.0.113.7", cardID: "c"}}},
		{"a decline heard again after many others", "declines", "block_over=1,100 window=10s", many},
		{"an attempt without a card that comes again in the next second", "attempts", "block_over=1 window=1s,60s",
			[]testRow{later(0), later(1100), later(2000)}},
		{"an attempt without a card that comes again behind two others", "attempts", "block_over=1..5 window=1s",
			[]testRow{later(900), declined(901, "a"), declined(902, "b"), declined(903, "c"), later(1100), later(2000)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.rows {
				tt.rows[i].at += 1_800_000_000_000
			}
			rules := []velocity.Rule{{Name: "swept", Per: "ip", Count: tt.count, Window: time.Second, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce}}
			columns := testColumns
			columns.OutcomeAfter = time.Millisecond
			o := Options{Columns: columns, Plan: planOf(t, rules), Sweeps: []string{"swept " + tt.sweep}, Stdin: strings.NewReader(csvOf(tt.rows))}
			result, _ := replayed(t, o)
			for _, cell := range result.Cells {
				o.Sweeps, o.Plan, o.Stdin = nil, planOf(t, []velocity.Rule{cell.Rule}), strings.NewReader(csvOf(tt.rows))
				one, _ := replayed(t, o)
				require.Equal(t, one.Rules[0], cell)
			}
		})
	}
}

func TestSixCardsOfOneAddress(t *testing.T) {
	rule := velocity.DefaultRule
	rule.Window = time.Hour
	var b strings.Builder
	b.WriteString("time,ip,card_id\n")
	for i := range 7 {
		fmt.Fprintf(&b, "2026-11-28T13:00:0%dZ,203.0.113.7,c%d\n", i, i)
	}
	_, got := replayed(t, Options{Plan: planOf(t, []velocity.Rule{rule}), Stdin: strings.NewReader(b.String())})
	require.Equal(t, `row,decision,reasons,counts
1,allow,,cards_per_ip=1
2,allow,,cards_per_ip=2
3,allow,,cards_per_ip=3
4,review,cards_per_ip,cards_per_ip=4
5,review,cards_per_ip,cards_per_ip=5
6,block,cards_per_ip,cards_per_ip=6
7,block,cards_per_ip,cards_per_ip=6
`, got)
}
