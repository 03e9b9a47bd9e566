package replay

import (
	"slices"

	"fraudcheck/internal/velocity"
)

// The parts of the time of a history. Without labels all of it is the first.
const (
	tuning    = iota // the first two thirds, on which a cell is chosen
	reporting        // the last third, on which its score is told
	parts
)

// The classes of rows.
const (
	honest = iota
	fraud  // labelled as what should have been stopped
	classes
)

// A meter counts what cells that one count decides would have done: by how high the count
// was, so that a row costs the same for one cell and for a hundred.
type meter struct {
	rules []velocity.Rule // of the cells
	// byCount: what is counted is the number of elements, and each cell compares it with its
	// limits. Otherwise there is one cell, and what is counted is its outcome.
	byCount bool
	rows    [parts][classes][]int64 // by what is counted
	value   [parts][]int64          // of honest rows that the issuer approved, in millionths
	holds   *holds                  // of cells with a hold; nil where there is none
	held    [][parts]heldRows       // by cell: rows that only the hold blocks
	lowered [][parts]int64          // by cell: rows that the collapse guard has reviewed in place of blocked, or reviewed
	skipped int64                   // rows without the subject

	subjects *subjects // nil where the history has no labels
	peaks    [parts][]uint16
	heldOf   map[uint32][]uint8 // by subject and cell: a bit for each part in which only the hold blocks an honest row
}

// heldRows are rows that a hold blocks, though their count is not over block_over.
type heldRows struct {
	rows     [classes]int64
	reviewed [classes]int64 // of them, those that would have been reviewed without the hold
	value    int64
}

func newMeter(cells []velocity.Rule, byCount bool, subjects *subjects) *meter {
	m := &meter{rules: cells, byCount: byCount, subjects: subjects, held: make([][parts]heldRows, len(cells)), lowered: make([][parts]int64, len(cells)), heldOf: map[uint32][]uint8{}}
	most := int(velocity.Block)
	if byCount {
		for _, c := range cells {
			most = max(most, c.BlockOver+1)
		}
		m.holds = newHolds(cells)
	}
	for p := range parts {
		for c := range classes {
			m.rows[p][c] = make([]int64, most+1)
		}
		m.value[p] = make([]int64, most+1)
	}
	return m
}

// limits are what must be exceeded for the cell to review, and to block; reviews is false
// where it has no review stage.
func (m *meter) limits(cell int) (review, block int, reviews bool) {
	if !m.byCount {
		return int(velocity.Allow), int(velocity.Review), true
	}
	r := &m.rules[cell]
	return r.ReviewOver, r.BlockOver, r.ReviewOver > 0
}

// add counts a row for which the rule was found to be as in result.
func (m *meter) add(r *row, part int, j *velocity.Judgement, result *velocity.RuleResult, subject velocity.Key) {
	class := honest
	if r.fraud {
		class = fraud
	}
	if result.Rule == nil {
		m.skipped++
		m.rows[part][class][0]++
		return
	}
	reached := int(result.Outcome)
	if m.byCount {
		reached = result.Count
	}
	who := uint32(0)
	if m.subjects != nil {
		who = m.subjects.of(subject)
		m.subjects.saw(who, part, class)
	}
	var running []velocity.Time
	if m.holds != nil {
		running = m.holds.update(subject, r.at, reached, result.Suspect || j.Above && j.Outcome == velocity.Allow)
	}
	lowered := m.byCount && result.Suspect
	if lowered && !j.Above && j.AtMost == velocity.Review {
		m.addLowered(part, reached, running, r.at)
	}
	if j.Above || lowered { // the rule blocks nobody
		m.rows[part][class][0]++
		return
	}
	m.rows[part][class][reached]++
	if class == honest {
		if r.approved {
			m.value[part][reached] += r.amount
		}
		if m.subjects != nil {
			m.peaks[part] = atLeast(m.peaks[part], int(who)+1)
			m.peaks[part][who] = max(m.peaks[part][who], uint16(reached))
		}
	}
	if running != nil {
		m.addHeld(r, part, class, reached, running, who)
	}
}

// addLowered counts a row of a suspect subject, which a cell reviews where it would block.
func (m *meter) addLowered(part, reached int, running []velocity.Time, now velocity.Time) {
	for i := range m.rules {
		c := &m.rules[i]
		if reached > c.BlockOver || c.ReviewOver > 0 && reached > c.ReviewOver || running != nil && m.holds.runs(c, running, now) {
			m.lowered[i][part]++
		}
	}
}

// addHeld counts the row for the cells of which only the hold blocks it.
func (m *meter) addHeld(r *row, part, class, reached int, running []velocity.Time, who uint32) {
	for i := range m.rules {
		c := &m.rules[i]
		if reached > c.BlockOver || !m.holds.runs(c, running, r.at) {
			continue
		}
		h := &m.held[i][part]
		h.rows[class]++
		if c.ReviewOver > 0 && reached > c.ReviewOver {
			h.reviewed[class]++
		}
		if class != honest {
			continue
		}
		if r.approved {
			h.value += r.amount
		}
		if m.subjects != nil {
			if m.heldOf[who] == nil {
				m.heldOf[who] = make([]uint8, len(m.rules))
			}
			m.heldOf[who][i] |= 1 << part
		}
	}
}

func atLeast(s []uint16, n int) []uint16 {
	if len(s) < n {
		s = append(s, make([]uint16, n-len(s))...)
	}
	return s
}

// holds are the times from which the cells of a meter hold their subjects. A record has
// room for the holds of 32 rules, and a sweep may have more.
type holds struct {
	overs   []int // the block_over of cells with a hold, ascending
	longest velocity.Time
	began   map[velocity.Key][]velocity.Time // by overs: the last attempt over it; never where there was none
	purgeAt int                              // subjects
}

const never = -1 << 62

// newHolds returns nil where no cell has a hold. A rule in shadow begins none.
func newHolds(cells []velocity.Rule) *holds {
	h := &holds{began: map[velocity.Key][]velocity.Time{}, purgeAt: 1 << 12}
	for _, c := range cells {
		if c.Hold > 0 && c.Mode == velocity.Enforce {
			h.overs = append(h.overs, c.BlockOver)
			h.longest = max(h.longest, velocity.Time(c.Hold.Milliseconds()))
		}
	}
	if h.overs == nil {
		return nil
	}
	slices.Sort(h.overs)
	h.overs = slices.Compact(h.overs)
	return h
}

// update notes an attempt of the subject with that count, and returns from when each limit
// holds it; nil for none.
func (h *holds) update(subject velocity.Key, now velocity.Time, count int, letThrough bool) []velocity.Time {
	began := h.began[subject]
	if count <= h.overs[0] || letThrough {
		return began
	}
	if began == nil {
		h.purge(now)
		began = make([]velocity.Time, len(h.overs))
		for i := range began {
			began[i] = never
		}
		h.began[subject] = began
	}
	for i, over := range h.overs {
		if count > over {
			began[i] = now
		}
	}
	return began
}

// purge drops the subjects that nothing holds any more, when there are twice as many as
// after the last time.
func (h *holds) purge(now velocity.Time) {
	if len(h.began) < h.purgeAt {
		return
	}
	for subject, began := range h.began {
		if now-slices.Max(began) >= h.longest {
			delete(h.began, subject)
		}
	}
	h.purgeAt = max(1<<12, 2*len(h.began))
}

// forget ends the holds of the subject.
func (h *holds) forget(subject velocity.Key) {
	if h != nil {
		delete(h.began, subject)
	}
}

// runs reports whether the cell holds the subject.
func (h *holds) runs(c *velocity.Rule, began []velocity.Time, now velocity.Time) bool {
	if c.Hold == 0 || c.Mode != velocity.Enforce {
		return false
	}
	i, _ := slices.BinarySearch(h.overs, c.BlockOver)
	return now-began[i] < velocity.Time(c.Hold.Milliseconds())
}

// subjects numbers the subjects of one kind, and knows which are honest.
type subjects struct {
	numbers map[velocity.Key]uint32
	seen    []uint8 // a bit for each part in which an honest attempt was made; hasFraud
	last    velocity.Key
	number  uint32 // of last
}

const hasFraud = 1 << parts

func newSubjects() *subjects { return &subjects{numbers: map[velocity.Key]uint32{}} }

// of returns the number of the subject.
func (s *subjects) of(subject velocity.Key) uint32 {
	if subject == s.last && len(s.seen) > 0 {
		return s.number
	}
	n, known := s.numbers[subject]
	if !known {
		n = uint32(len(s.seen))
		s.numbers[subject], s.seen = n, append(s.seen, 0)
	}
	s.last, s.number = subject, n
	return n
}

func (s *subjects) saw(n uint32, part, class int) {
	if class == fraud {
		s.seen[n] |= hasFraud
	} else {
		s.seen[n] |= 1 << part
	}
}
