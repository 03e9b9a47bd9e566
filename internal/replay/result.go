package replay

import (
	"cmp"
	"strings"

	"fraudcheck/internal/velocity"
)

// A Result is what came of a replay.
type Result struct {
	Rows      int64 // read
	Judged    int64
	Malformed int64
	Faults    []Fault // the first malformed rows
	// MalformedOutcomes is how many rows were judged without their outcome, which is none
	// that the service takes; OutcomeFault is that of the first.
	MalformedOutcomes int64
	OutcomeFault      Fault
	// Unused are columns with the default name of a part, which are not used as the caller
	// named columns.
	Unused []string

	// Of a decision log:

	Others   int64 // lines that are no checks
	Degraded int64 // checks that were degraded when they were decided
	Gaps     int64 // times that lines are missing

	From, To     velocity.Time // of the first and the last row that was judged
	Labelled     bool
	ReportedFrom velocity.Time // where the last third of the time begins, of a history with labels

	Decisions [velocity.Block + 1]int64 // by outcome
	Rules     []Cell                    // of the configuration
	Cells     []Cell                    // of the sweeps
	// InvalidCells is how many combinations of the sweeps were left out, as they are no
	// valid rule.
	InvalidCells int
	// Amounts reports whether the history has amounts and outcomes, without which no ValueLost
	// is known.
	Amounts bool
	// Chosen is one of Cells, or of Rules without sweeps, that catches something on the first
	// two thirds of the time: of those that block at most FalseLimit of 10,000 honest attempts
	// there, the one with the highest recall; of equals the one with the fewest false blocks.
	// Where none keeps the limit, WithinLimit is false and Chosen the one with the fewest false
	// blocks. nil where there are no labels, or nothing is caught.
	Chosen      *Cell
	WithinLimit bool
}

// FalseLimit is how many of 10,000 honest attempts a cell may block that is chosen.
const FalseLimit = 10

// finish fills the result with what was counted.
func (r *Result) finish(h *history, configured []*meter) {
	r.Rows = r.Judged + r.Malformed + r.Others
	r.Labelled, r.ReportedFrom = h.scores, h.boundary
	for _, m := range configured {
		r.Rules = append(r.Rules, m.cells()...)
	}
	for i := range h.sweeps {
		s := &h.sweeps[i]
		counted := map[velocity.Rule]Cell{}
		for _, m := range s.meters {
			for _, c := range m.cells() {
				counted[c.Rule] = c
			}
		}
		for _, rule := range s.cells {
			r.Cells = append(r.Cells, counted[rule])
		}
	}
	if h.scores {
		r.choose()
	}
}

func (r *Result) choose() {
	cells := r.Cells
	if len(cells) == 0 {
		cells = r.Rules
	}
	for i := range cells {
		c := &cells[i]
		if c.Tuned.Caught == 0 {
			continue
		}
		within := c.Tuned.FalseBlocks*10_000 <= FalseLimit*c.Tuned.Honest
		if r.Chosen == nil || within && !r.WithinLimit || within == r.WithinLimit && c.Tuned.betterThan(&r.Chosen.Tuned, within) {
			r.Chosen, r.WithinLimit = c, within
		}
	}
}

// betterThan compares what two cells do with the same rows: by what they catch first where
// both are within the limit of false blocks, otherwise by their false blocks.
func (s *Score) betterThan(o *Score, within bool) bool {
	caught, cost := cmp.Compare(s.Caught, o.Caught), cmp.Compare(o.FalseBlocks, s.FalseBlocks)
	if within {
		return cmp.Or(caught, cost) > 0
	}
	return cmp.Or(cost, caught) > 0
}

// flagOf is the option that names the field's column.
func flagOf(f velocity.Field) string { return strings.ReplaceAll(f.String(), "_", "-") }
