package replay

import (
	"math"

	"fraudcheck/internal/velocity"
)

// A Score is what a cell would have done with some rows.
type Score struct {
	Rows        int64
	WouldBlock  int64
	WouldReview int64
	// ValueLost is the value of the attempts that it would have blocked although they were
	// honest and the issuer approved them, in millionths.
	ValueLost int64

	// The rest is of a history with labels.

	Fraud       int64 // rows that should have been stopped
	Caught      int64 // of them, those that it would have blocked
	Honest      int64 // the other rows
	FalseBlocks int64 // of them, those that it would have blocked

	HonestSubjects  int64 // subjects of the rule of which no attempt of the history is labelled
	BlockedSubjects int64 // of them, those of which it would have blocked an attempt
}

// Precision is the share of what would have been blocked that is labelled.
func (s *Score) Precision() Share { return Share{s.Caught, s.WouldBlock} }

// Recall is the share of what is labelled that would have been blocked.
func (s *Score) Recall() Share { return Share{s.Caught, s.Fraud} }

// FalsePerAttempts is the share of honest attempts that would have been blocked.
func (s *Score) FalsePerAttempts() Share { return Share{s.FalseBlocks, s.Honest} }

// FalsePerSubjects is the share of honest subjects that would have been blocked at least once.
func (s *Score) FalsePerSubjects() Share { return Share{s.BlockedSubjects, s.HonestSubjects} }

// A Share is a number of a larger number.
type Share struct{ Part, Of int64 }

// Known reports whether there is anything of which it is a share.
func (s Share) Known() bool { return s.Of > 0 }

// Value is the share, from 0 to 1.
func (s Share) Value() float64 { return rounded(float64(s.Part) / float64(s.Of)) }

// Wilson is the interval in which the true share lies with a confidence of 95 %, by the
// score method (E. B. Wilson 1927, Probable Inference, the Law of Succession, and
// Statistical Inference). It holds for independent draws; attempts of one attacker are not,
// so the truth may lie further out.
func (s Share) Wilson() (low, high float64) {
	const z = 1.959963984540054
	n, p := float64(s.Of), float64(s.Part)/float64(s.Of)
	middle := p + z*z/(2*n)
	reach := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	scale := 1 + z*z/n
	return rounded(max(0, (middle-reach)/scale)), rounded(min(1, (middle+reach)/scale))
}

// rounded leaves six digits behind the point: the last ones of a float differ between
// processors.
func rounded(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// A Cell is a rule with one set of values, and what it would have done.
type Cell struct {
	velocity.Rule
	Skipped int64 // rows without its subject
	Whole   Score // of the whole history
	// Tuned and Reported are of the first two thirds of the time, and of the last third.
	// Without labels all is Tuned.
	Tuned, Reported Score
}

// cells returns what the meter has counted.
func (m *meter) cells() (cells []Cell) {
	for i, r := range m.rules {
		c := Cell{Rule: r, Skipped: m.skipped, Tuned: m.score(i, tuning), Reported: m.score(i, reporting)}
		c.Whole = c.Tuned.plus(&c.Reported)
		if m.subjects != nil {
			m.countSubjects(i, &c)
		}
		cells = append(cells, c)
	}
	return cells
}

// score is the score of a cell in one part of the time, without subjects.
func (m *meter) score(cell, part int) (s Score) {
	review, block, reviews := m.limits(cell)
	held := &m.held[cell][part]
	var blocked [classes]int64
	for class := range classes {
		for reached, n := range m.rows[part][class] {
			s.Rows += n
			switch {
			case reached > block:
				blocked[class] += n
			case reviews && reached > review:
				s.WouldReview += n
			}
		}
		blocked[class] += held.rows[class]
		s.WouldReview -= held.reviewed[class]
	}
	for reached, n := range m.value[part] {
		if reached > block {
			s.ValueLost += n
		}
	}
	s.ValueLost += held.value
	s.WouldReview += m.lowered[cell][part]
	s.WouldBlock = blocked[honest] + blocked[fraud]
	if m.subjects == nil {
		return s
	}
	s.Caught, s.FalseBlocks = blocked[fraud], blocked[honest]
	for _, n := range m.rows[part][fraud] {
		s.Fraud += n
	}
	s.Honest = s.Rows - s.Fraud
	return s
}

// plus adds the scores of two parts, without subjects.
func (s *Score) plus(o *Score) Score {
	return Score{
		Rows: s.Rows + o.Rows, WouldBlock: s.WouldBlock + o.WouldBlock, WouldReview: s.WouldReview + o.WouldReview, ValueLost: s.ValueLost + o.ValueLost,
		Fraud: s.Fraud + o.Fraud, Caught: s.Caught + o.Caught, Honest: s.Honest + o.Honest, FalseBlocks: s.FalseBlocks + o.FalseBlocks,
	}
}

// countSubjects counts the honest subjects of the cell.
func (m *meter) countSubjects(cell int, c *Cell) {
	_, block, _ := m.limits(cell)
	blockedIn := func(n, part int) bool {
		if n < len(m.peaks[part]) && int(m.peaks[part][n]) > block {
			return true
		}
		held := m.heldOf[uint32(n)]
		return held != nil && held[cell]&(1<<part) != 0
	}
	for n, seen := range m.subjects.seen {
		if seen&hasFraud != 0 {
			continue
		}
		in := [parts]bool{seen&(1<<tuning) != 0, seen&(1<<reporting) != 0}
		blocked := [parts]bool{in[tuning] && blockedIn(n, tuning), in[reporting] && blockedIn(n, reporting)}
		for part, s := range []*Score{&c.Tuned, &c.Reported} {
			s.HonestSubjects += one(in[part])
			s.BlockedSubjects += one(blocked[part])
		}
		c.Whole.HonestSubjects += one(in[tuning] || in[reporting])
		c.Whole.BlockedSubjects += one(blocked[tuning] || blocked[reporting])
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
