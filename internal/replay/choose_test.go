package replay

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

// A cell is chosen for what it catches, within what it may cost.
func TestTheChosenCell(t *testing.T) {
	cell := func(over int, caught, falseBlocks int64) Cell {
		return Cell{Rule: velocity.Rule{BlockOver: over}, Tuned: Score{Rows: 11_000, WouldBlock: caught + falseBlocks, Fraud: 1000, Caught: caught, Honest: 10_000, FalseBlocks: falseBlocks}}
	}
	for name, c := range map[string]struct {
		cells  []Cell
		over   int // 0 for none
		within bool
	}{
		"not the best mean of precision and recall": {[]Cell{cell(1, 1000, 300), cell(2, 500, 10), cell(3, 400, 0)}, 2, true},
		"eleven are too many":                       {[]Cell{cell(1, 900, 11), cell(2, 500, 9), cell(3, 400, 0)}, 2, true},
		"of equals the one with fewer false blocks": {[]Cell{cell(1, 500, 9), cell(2, 500, 3), cell(3, 500, 3)}, 2, true},
		"none keeps it":                             {[]Cell{cell(1, 1000, 2000), cell(2, 500, 90), cell(3, 400, 80)}, 3, false},
		"what catches nothing is no choice":         {[]Cell{cell(1, 900, 2000), cell(2, 0, 0)}, 1, false},
		"nothing is caught":                         {[]Cell{cell(1, 0, 7)}, 0, false},
	} {
		r := Result{Labelled: true, Cells: c.cells}
		r.choose()
		var out bytes.Buffer
		require.NoError(t, r.WriteText(&out))
		assert.Equal(t, c.within, r.WithinLimit, name)
		if c.over == 0 {
			assert.Nil(t, r.Chosen, name)
			continue
		}
		require.NotNil(t, r.Chosen, name)
		assert.Equal(t, c.over, r.Chosen.BlockOver, name)
		want := "for the highest recall with at most 10 false blocks per 10,000 honest attempts"
		if !c.within {
			want = "None of those that catch anything keeps at most 10 false blocks per 10,000 honest attempts"
		}
		assert.Contains(t, out.String(), want, name)
	}
}
