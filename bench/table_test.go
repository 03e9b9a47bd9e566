package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestARowIsTheMedianOfItsRounds(t *testing.T) {
	r := &row{
		cell:    cell{table: closed, target: "embedded", does: "honest", conns: 64},
		samples: []sample{{Rate: 80, CPU: 12, P99: 5}, {Rate: 10, CPU: 14, P99: 6}, {Rate: 90, CPU: 20, P99: 7}},
		against: []sample{{Rate: 100, CPU: 10}, {Rate: 20, CPU: 10}, {Rate: 100, CPU: 10}},
	}
	require.Equal(t, 80.0, r.median(rate))
	require.Equal(t, 0.8, r.ratio(rate), "of the ratios, not the ratio of the medians")
	require.Equal(t, 1.4, r.ratio(cpu))
	require.Equal(t, 4.0, r.more(cpu))
	require.Equal(t, 2.5, median([]float64{4, 1, 3, 2}))

	void := &row{cell: cell{table: closed, target: "memcached tcp"}}
	void.addSample(sample{Rate: 1}, nil)
	void.addSample(sample{Void: "what happened", Others: 0.5}, nil)
	void.addSample(sample{Void: "and again"}, nil)
	away := &row{cell: cell{table: otherStacks, target: "turbine"}}
	away.addSample(sample{}, skipped("no turbine here"))
	require.True(t, away.cannot && away.void == "")
	require.Contains(t, away.String(), "skipped: no turbine here")

	var out strings.Builder
	printTables(&out, []*row{r, void})
	require.Contains(t, out.String(), "embedded         honest         64       80           10-90   0.80")
	require.Contains(t, out.String(), "void: what happened while others took 50 % of the machine (in 2 of 3 rounds)")

	path := filepath.Join(t.TempDir(), "rows.json")
	require.NoError(t, writeJSON(path, []*row{r, void}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(text, &rows))
	require.Len(t, rows, 2)
	require.Len(t, rows[0]["rounds"], 3)
}

func TestEveryCellHasItsBaseAndEveryBarItsRows(t *testing.T) {
	cells := ownCells()
	names := make(map[string]int)
	for i, c := range cells {
		require.NotContains(t, names, c.name())
		names[c.name()] = i
		base, there := names[c.base]
		require.True(t, there && cells[base].table == c.table, "%s comes before %s", c.base, c.name())
	}
	for _, c := range append(peerCells([]string{"peers/haproxy/start"}), sizingCells()...) {
		require.True(t, !c.sizing || c.base == c.name())
		names[c.name()] = 0
	}
	for _, b := range bars {
		require.Contains(t, names, b.row)
		require.True(t, b.than == "" || b.row != b.than)
		if b.than != "" {
			require.Contains(t, names, b.than)
		}
	}
	chosen, err := choose(cells, `^memcached unix honest 256$`)
	require.NoError(t, err)
	require.Len(t, chosen, 2)
	require.Equal(t, "bare honest 256", chosen[0].name())
	_, err = choose(cells, "no such row")
	require.Error(t, err)
}

func TestTheRowsToSizeByAreMeasured(t *testing.T) {
	testbed.SkipShort(t, "starts the program")
	var out strings.Builder
	require.NoError(t, run(t.Context(), &options{sizing: true, only: "^embedded, pack orders", seconds: 1, rounds: 1}, &out, io.Discard))
	require.Regexp(t, `(?m)^embedded, pack   orders         64 +\d+\.\d +\d+\.\d-\d+\.\d +\d+ +- +- +- +- +- +\d{3} +\d{4} +\d+ %$`, out.String())
}

func TestABarComparesRowsOfOneRun(t *testing.T) {
	named := func(target, does string, cpu, bare float64) *row {
		return &row{
			cell:    cell{target: target, does: does, conns: 64, base: "bare honest 64"},
			samples: []sample{{CPU: cpu}}, against: []sample{{CPU: bare}},
		}
	}
	honest := named("memcached tcp", "honest", 10, 5)
	attack := named("memcached tcp", "attack", 7, 5)
	// The machine was half as fast when the attack was measured.
	slowed := named("memcached tcp", "attack", 14, 10)
	rows := map[string]*row{honest.name(): honest}
	for _, r := range []*row{attack, slowed} {
		r.judge(rows)
		require.Contains(t, r.verdict, "an attack is cheaper than shoppers: 0.70 of memcached tcp honest 64")
	}
	dear := named("memcached tcp", "attack", 9, 5)
	dear.judge(rows)
	require.Contains(t, dear.verdict, "an attack is cheaper than shoppers: 0.90 of memcached tcp honest 64 MISSED (≤0.8)")
	alone := named("memcached tcp", "attack", 9, 5)
	alone.judge(nil)
	require.NotContains(t, strings.Join(alone.verdict, ""), "cheaper")
}
