package replay

import (
	"encoding/json"
	"io"
	"time"

	"fraudcheck/internal/velocity"
)

// The JSON form of a Result: see docs/replay.md. Shares have six digits behind the point;
// what is not known is null or left out.
type resultJSON struct {
	Rows         int64       `json:"rows"`
	Judged       int64       `json:"judged"`
	Malformed    int64       `json:"malformed"`
	Faults       []faultJSON `json:"malformed_rows"`
	BadOutcomes  int64       `json:"malformed_outcomes"`
	Degraded     int64       `json:"degraded"`
	Gaps         int64       `json:"gaps"`
	From         string      `json:"from"`
	To           string      `json:"to"`
	ReportedFrom string      `json:"reported_from,omitempty"`
	Decisions    struct {
		Allow  int64 `json:"allow"`
		Review int64 `json:"review"`
		Block  int64 `json:"block"`
	} `json:"decisions"`
	Rules        []cellJSON `json:"rules"`
	Cells        []cellJSON `json:"cells"`
	InvalidCells int        `json:"invalid_cells"`
	Chosen       *cellJSON  `json:"chosen"`
	WithinLimit  *bool      `json:"chosen_within_limit,omitempty"`
}

type faultJSON struct {
	Row      int64  `json:"row"`
	Column   string `json:"column"`
	Expected string `json:"expected"`
}

type cellJSON struct {
	Rule        string   `json:"rule"`
	Per         string   `json:"per"`
	Count       string   `json:"count"`
	Window      int64    `json:"window_seconds"`
	ReviewOver  int      `json:"review_over"`
	BlockOver   int      `json:"block_over"`
	Hold        int64    `json:"hold_seconds"`
	Retention   string   `json:"retention"`
	Mode        string   `json:"mode"`
	Rows        int64    `json:"rows"`
	Skipped     int64    `json:"skipped"`
	WouldBlock  int64    `json:"would_block"`
	WouldReview int64    `json:"would_review"`
	ValueLost   *float64 `json:"approved_value_lost"`
	*labelsJSON
	Tuned    *scoreJSON `json:"tuned,omitempty"`
	Reported *scoreJSON `json:"reported,omitempty"`
}

// labelsJSON is what only a history with labels tells.
type labelsJSON struct {
	Fraud             int64       `json:"fraud"`
	Caught            int64       `json:"caught"`
	Missed            int64       `json:"missed"`
	Honest            int64       `json:"honest"`
	FalseBlocks       int64       `json:"false_blocks"`
	FalsePerAttempts  *float64    `json:"false_blocks_per_10000_attempts"`
	HonestSubjects    int64       `json:"honest_subjects"`
	FalsePerSubjects  *float64    `json:"false_blocks_per_10000_subjects"`
	Precision         *float64    `json:"precision"`
	PrecisionInterval *[2]float64 `json:"precision_interval"`
	Recall            *float64    `json:"recall"`
	RecallInterval    *[2]float64 `json:"recall_interval"`
}

type scoreJSON struct {
	Rows       int64    `json:"rows"`
	WouldBlock int64    `json:"would_block"`
	ValueLost  *float64 `json:"approved_value_lost"`
	*labelsJSON
}

// WriteJSON writes the result as one JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	out := resultJSON{
		Rows: r.Rows, Judged: r.Judged, Malformed: r.Malformed, Faults: []faultJSON{}, BadOutcomes: r.MalformedOutcomes, Degraded: r.Degraded, Gaps: r.Gaps, From: timeText(r.From), To: timeText(r.To),
		Rules: r.cellsJSON(r.Rules), Cells: r.cellsJSON(r.cells()), InvalidCells: r.InvalidCells,
	}
	out.Decisions.Allow, out.Decisions.Review, out.Decisions.Block = r.Decisions[velocity.Allow], r.Decisions[velocity.Review], r.Decisions[velocity.Block]
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, faultJSON(f))
	}
	if r.Labelled {
		out.ReportedFrom = timeText(r.ReportedFrom)
	}
	if r.Chosen != nil {
		out.WithinLimit = &r.WithinLimit
		out.Chosen = &r.cellsJSON([]Cell{*r.Chosen})[0]
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(out)
}

// cells are the cells of the sweeps, or those of the configuration where nothing is swept.
func (r *Result) cells() []Cell {
	if len(r.Cells) > 0 || r.InvalidCells > 0 {
		return r.Cells
	}
	return r.Rules
}

func (r *Result) cellsJSON(cells []Cell) []cellJSON {
	out := make([]cellJSON, 0, len(cells))
	for i := range cells {
		c := &cells[i]
		o := cellJSON{
			Rule: c.Name, Per: c.Per, Count: c.Count, Window: int64(c.Window.Seconds()), ReviewOver: c.ReviewOver, BlockOver: c.BlockOver,
			Hold: int64(c.Hold.Seconds()), Retention: string(c.Retention), Mode: string(c.Mode),
			Rows: c.Whole.Rows, Skipped: c.Skipped, WouldBlock: c.Whole.WouldBlock, WouldReview: c.Whole.WouldReview, ValueLost: r.valueLost(&c.Whole),
		}
		if r.Labelled {
			o.labelsJSON, o.Tuned, o.Reported = labels(&c.Whole), r.score(&c.Tuned), r.score(&c.Reported)
		}
		out = append(out, o)
	}
	return out
}

func (r *Result) score(s *Score) *scoreJSON {
	return &scoreJSON{s.Rows, s.WouldBlock, r.valueLost(s), labels(s)}
}

func (r *Result) valueLost(s *Score) *float64 {
	if !r.Amounts {
		return nil
	}
	v := money(s.ValueLost)
	return &v
}

func labels(s *Score) *labelsJSON {
	out := &labelsJSON{
		Fraud: s.Fraud, Caught: s.Caught, Missed: s.Fraud - s.Caught, Honest: s.Honest, FalseBlocks: s.FalseBlocks, HonestSubjects: s.HonestSubjects,
		FalsePerAttempts: perTenThousand(s.FalsePerAttempts()), FalsePerSubjects: perTenThousand(s.FalsePerSubjects()),
	}
	out.Precision, out.PrecisionInterval = share(s.Precision())
	out.Recall, out.RecallInterval = share(s.Recall())
	return out
}

func share(s Share) (value *float64, interval *[2]float64) {
	if !s.Known() {
		return nil, nil
	}
	v := s.Value()
	low, high := s.Wilson()
	return &v, &[2]float64{low, high}
}

func perTenThousand(s Share) *float64 {
	if !s.Known() {
		return nil
	}
	v := rounded(1e4 * float64(s.Part) / float64(s.Of))
	return &v
}

// money is an amount as it stood in the history.
func money(millionths int64) float64 { return float64(millionths) / 1e6 }

func timeText(t velocity.Time) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
