package replay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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
	rapid.Check(t, func(t *rapid.T) {
		rules, rows := ruleSets().Draw(t, "rules"), histories().Draw(t, "history")
		swept := rapid.IntRange(0, len(rules)-1).Draw(t, "swept")
		holds := rapid.SampledFrom([]string{"", " hold=0s,2s,20s"}).Draw(t, "holds")
		reviews := rapid.SampledFrom([]string{"", " review_over=0..3"}).Draw(t, "reviews")
		sweep := rules[swept].Name + " block_over=1..5 window=1s,2s,10s" + holds + reviews
		columns := testColumns
		if rapid.Bool().Draw(t, "without attempt_id") {
			columns.Fields = map[velocity.Field]string{}
			for f, name := range testColumns.Fields {
				if f != velocity.FieldAttemptID {
					columns.Fields[f] = name
				}
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

func TestTheRowsOfTheIssue(t *testing.T) {
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
