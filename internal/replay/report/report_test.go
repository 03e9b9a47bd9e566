package report_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/replay"
	"fraudcheck/internal/replay/report"
	"fraudcheck/internal/velocity"
)

// history has two days of shoppers, one card and one attempt an hour each, and an attacker
// who shows a card a minute for two hours of the first day and of the last.
func history(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,ip,card,fraud,outcome,amount\n")
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for minute := range 48 * 60 {
		at := start.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
		fmt.Fprintf(&b, "%s,198.51.100.%d,tok_%d,0,approved,20\n", at, minute%60, minute%60)
		if hour := minute / 60; hour == 10 || hour == 11 || hour == 40 || hour == 41 {
			fmt.Fprintf(&b, "%s,203.0.113.7,tok_a_%d,1,declined,1\n", at, minute)
		}
	}
	path := filepath.Join(t.TempDir(), "history.csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// page replays the history and returns the report.
func page(t *testing.T, labelled bool, sweeps ...string) (string, *replay.Result) {
	t.Helper()
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(t, err)
	columns := replay.Columns{Time: "time", Fields: map[velocity.Field]string{velocity.FieldIP: "ip", velocity.FieldCardID: "card", velocity.FieldOutcome: "outcome"}, OutcomeAfter: 3 * time.Second}
	if labelled {
		columns.Label, columns.Amount = "fraud", "amount"
	}
	collector := report.NewCollector()
	result, err := replay.Run(replay.Options{Plan: plan, Columns: columns, Files: []string{history(t)}, Sweeps: sweeps, Each: func(j *replay.Judged) error {
		collector.Add(j)
		return nil
	}})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, report.Write(&b, result, collector))
	return b.String(), result
}

func TestAReportShowsWhatWasCounted(t *testing.T) {
	text, result := page(t, true, "cards_per_ip block_over=1..10 window=10m,1h")
	require.NotNil(t, result.Chosen)
	assert.Contains(t, text, "<b>3\u202f120</b> attempts")
	assert.Equal(t, int64(230), result.Decisions[velocity.Block], "all but five of each raid")
	assert.Contains(t, text, "<b>230</b> blocked, 7.37 %")
	assert.Equal(t, 2, strings.Count(text, `class="chosen"`), "in each table")
	assert.Equal(t, 40, strings.Count(text, "<td>10 min</td>")+strings.Count(text, "<td>1 h</td>"), "a line for each cell in each table")
	assert.Contains(t, text, "Of those with at most 10 false blocks per 10,000 honest attempts, the one with the highest recall")
	assert.Regexp(t, `<tr><th scope="row"><code>[a-z2-7]{8}</code></th><td>cards_per_ip</td><td>6\d\d</td><td>230</td><td>230</td><td>2</td><td>2 h 51 min</td></tr>`, text, "the attacker, with two blocks")
	assert.Contains(t, text, `<tr><th scope="row">2 to 6 h</th><td>1</td></tr>`)
	assert.Contains(t, text, `<tr><th scope="row">2026-11-01 10:00</th><td>63</td><td>2</td><td>55</td></tr>`)
}

func TestAReportWithoutLabelsInventsNothing(t *testing.T) {
	text, _ := page(t, false)
	for _, word := range []string{"recall", "caught", "Best of them", "labelled</th>"} {
		assert.NotContains(t, text, word)
	}
	assert.Contains(t, text, "Without labels nobody knows")
}

// A browser opens it as a file, and a mail program or a wiki may show it: it asks nobody for
// anything, and runs nothing.
func TestAReportNeedsNothingElse(t *testing.T) {
	text, _ := page(t, true, "cards_per_ip block_over=1..3")
	assert.Contains(t, text, `content="default-src 'none'; style-src 'unsafe-inline'"`)
	for _, forbidden := range []string{"<script", "http://", "https://", "url(", "@import", "<img", "<link", " style=", "javascript:"} {
		assert.NotContains(t, text, forbidden)
	}
	assert.NotRegexp(t, `\son[a-z]+=`, text)
	assert.NotContains(t, text, "203.0.113.7", "no address of the history stands in it")
	assert.NotContains(t, text, "tok_a")
}

func TestEachPlotHasATableBelow(t *testing.T) {
	text, _ := page(t, true, "cards_per_ip block_over=1..3")
	plots := regexp.MustCompile(`(?s)<svg [^>]*role="img" aria-label="[^"]+">.*?</svg>.*?<table>`).FindAllString(text, -1)
	assert.Len(t, plots, 3)
	assert.Equal(t, strings.Count(text, "<svg"), len(plots))
	assert.Equal(t, strings.Count(text, "<table>"), strings.Count(text, "<caption>"))
}

// Nine columns can be read on a sheet of A4.
func TestNoTableIsTooWide(t *testing.T) {
	text, _ := page(t, true, "cards_per_ip block_over=1..3")
	for _, head := range regexp.MustCompile(`<thead>.*</thead>`).FindAllString(text, -1) {
		assert.LessOrEqual(t, strings.Count(head, "<th "), 9, head)
	}
}

// The plot has five lines; the chosen cell's is always one of them.
func TestLinesThatAreLeftOutAreCounted(t *testing.T) {
	text, result := page(t, true, "cards_per_ip block_over=5 window=1m,2m,3m,4m,5m,6m,7m,1h")
	require.NotNil(t, result.Chosen)
	assert.Equal(t, 5, strings.Count(text, `<span class="key c`))
	assert.Contains(t, text, `<span class="key c4">cards_per_ip, `+map[time.Duration]string{6 * time.Minute: "6 min", 7 * time.Minute: "7 min", time.Hour: "1 h"}[result.Chosen.Window]+"</span>")
	assert.Contains(t, text, "3 more lines are left out of the plot; the tables below have all.")
	text, _ = page(t, true, "cards_per_ip block_over=1..3")
	assert.NotContains(t, text, "left out of the plot")
}

func TestAReportTellsWhereALogIsIncomplete(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.Write(&b, &replay.Result{Judged: 1, Degraded: 2, Gaps: 1}, report.NewCollector()))
	assert.Contains(t, b.String(), "2 checks were degraded when decided, and lines are missing in 1 place")
}

func TestAReportHasNoValueWithoutAmounts(t *testing.T) {
	text, _ := page(t, false)
	assert.NotContains(t, text, "approved value lost")
}
