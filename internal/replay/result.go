package replay

import (
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
	// Chosen is the best of Cells, or of Rules without sweeps, on the first two thirds of
	// the time: the one with the highest harmonic mean of precision and recall; of equals the one
	// that blocks least. nil where there are no labels, or nothing is caught.
	Chosen *Cell
}

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
		if r.Chosen == nil || c.Tuned.f1() > r.Chosen.Tuned.f1() ||
			c.Tuned.f1() == r.Chosen.Tuned.f1() && c.Tuned.WouldBlock < r.Chosen.Tuned.WouldBlock {
			r.Chosen = c
		}
	}
}

// flagOf is the option that names the field's column.
func flagOf(f velocity.Field) string { return strings.ReplaceAll(f.String(), "_", "-") }
