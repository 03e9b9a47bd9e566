package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
	r.judge()
	require.Equal(t, []string{"bar checks/s ≥0.8 held", "bar CPU ≤1.4 held", "bar p99 ≤100 held"}, r.verdict)
	r.verdict, r.samples[0].CPU, r.samples[1].CPU = nil, 15, 15
	r.judge()
	require.Contains(t, r.verdict, "bar CPU ≤1.4 missed")
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
	for _, b := range bars {
		n := 0
		for name := range names {
			if b.rows.MatchString(name) {
				n++
			}
		}
		require.Positive(t, n, b.rows.String())
	}
	chosen, err := choose(cells, `^memcached unix honest 256$`)
	require.NoError(t, err)
	require.Len(t, chosen, 2)
	require.Equal(t, "bare honest 256", chosen[0].name())
	_, err = choose(cells, "no such row")
	require.Error(t, err)
}
