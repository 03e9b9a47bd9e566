package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"fraudcheck/internal/velocity"
)

// Options say what to replay, and what is wanted of it.
type Options struct {
	Plan    *velocity.Plan // rules and lists
	Columns Columns
	Files   []string // in the order of time; "-" is standard input
	Stdin   io.Reader
	Sort    bool     // the rows are in no order, and memory holds them
	Sweeps  []string // as in "cards_per_ip block_over=1..10 window=10m,1h"
	Explain *Subject // whose attempts are marked; nil for none

	// Each, if set, is told every row that was judged, in order; what it is given is valid
	// until it returns.
	Each func(*Judged) error
	// Progress, if set, is told now and then how many rows were read, and the time of the
	// last.
	Progress func(rows int64, at velocity.Time)
}

// A Judged is a row that was judged.
type Judged struct {
	Row       int64 // its number, from 1
	At        velocity.Time
	Judgement *velocity.Judgement
	Subjects  []velocity.Key // by the rules of the configuration: hashes that stand for the subjects; zero for none
	Explained bool           // it is an attempt of Options.Explain
	Fraud     bool           // it is labelled
	Amount    int64          // in millionths
}

// keptFaults is how many malformed rows a Result names.
const keptFaults = 20

// A history is one run of a replay.
type history struct {
	Options
	layout
	lanes   []*lane
	explain *Subject
	stdin   *openFile // opened already; nil where it is not
	held    *held     // nil where rows are not held
	passes  int
	pending pending
	events  []event
	pans    []panCount // by field

	boundary velocity.Time // from here on rows are reported; 0 for none
	last     velocity.Time
	began    bool   // last is set
	seq      uint64 // of the last line of a decision log
	instance string // likewise
	rows     int64
	result   Result
	judged   Judged
}

// An event is a row, or an outcome that is heard.
type event struct {
	at    velocity.Time
	row   *row
	heard *heard
}

// Run replays the history. Every error is for people, and shows nothing that a row holds.
func Run(o Options) (*Result, error) {
	h := &history{Options: o, explain: o.Explain, pans: make([]panCount, velocity.FieldAt+1)}
	h.plan, h.rules = o.Plan, o.Plan.Rules()
	total := 0
	for _, text := range o.Sweeps {
		s, err := parseSweep(text, o.Plan)
		if err != nil {
			return nil, fmt.Errorf("--sweep: %w", err)
		}
		if total += len(s.cells); total > maxCells {
			return nil, fmt.Errorf("--sweep: expected at most %d combinations in all", maxCells)
		}
		h.sweeps = append(h.sweeps, s)
		h.result.InvalidCells += s.invalid
	}
	if err := h.prepare(); err != nil {
		return nil, err
	}
	var err error
	if h.lanes, err = h.layout.lanes(); err != nil {
		return nil, err
	}
	main := h.lanes[0]
	if err := h.pass(); err != nil {
		return nil, err
	}
	if err := h.countAgain(); err != nil {
		return nil, err
	}
	if h.result.Judged == 0 {
		return nil, h.nothingJudged()
	}
	for _, l := range append(h.lanes, main) {
		if l.engine.Lost() {
			return nil, errors.New("the system gave too little memory for all records: no result, as it would be another one")
		}
	}
	h.result.finish(h, main.meters[:len(h.rules)])
	return &h.result, nil
}

// countAgain counts the sweeps of which some cell might need records of its own: see lane.
func (h *history) countAgain() error {
	var again []*lane
	for _, l := range h.lanes {
		if l.sweep != nil && l.engine.Differs() {
			own, err := h.ownLanes(l.sweep, true)
			if err != nil {
				return err
			}
			again = append(again, own...)
		}
	}
	if again == nil {
		return nil
	}
	h.lanes = again
	return h.pass()
}

// prepare finds out what the history has, and reads it once where it must be read twice.
func (h *history) prepare() error {
	f, err := openHistory(h.Files[0], h.Stdin)
	if err != nil {
		return err
	}
	m, err := f.find(&h.Columns)
	if err != nil {
		f.close()
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if h.Files[0] == "-" {
		h.stdin = f
	} else {
		f.close()
	}
	if h.logged = m.logged; h.logged {
		if err := h.checkLog(); err != nil {
			return err
		}
	}
	h.result.Amounts = m.Amount != "" && m.Fields[velocity.FieldOutcome] != ""
	h.result.Unused = m.unused(&h.Columns, f.format.header)
	h.scores, h.retries = m.Label != "", m.logged || m.Fields[velocity.FieldAttemptID] != ""
	twice := h.scores || h.retries && slices.ContainsFunc(h.sweeps, func(s sweep) bool { return h.rules[s.rule].Count == "attempts" })
	if h.Sort || twice && slices.Contains(h.Files, "-") {
		h.held = new(held)
	}
	if h.held == nil && !h.scores {
		return nil
	}
	return h.readTimes()
}

// nothingJudged returns the error of a history of which no row could be judged.
func (h *history) nothingJudged() error {
	if len(h.result.Faults) > 0 {
		return fmt.Errorf("no row could be judged: %w", &h.result.Faults[0])
	}
	return errors.New("expected at least one row")
}

// pass judges the whole history on the lanes.
func (h *history) pass() error {
	h.passes++
	h.rows, h.began, h.last, h.pending = 0, false, 0, pending{}
	clear(h.pans)
	if err := run(h.produce, workers(h.newParser), h.judge); err != nil {
		return err
	}
	return h.refusePANs(true)
}

// produce makes jobs of the history.
func (h *history) produce(emit func(job) bool) error {
	if h.held == nil {
		return h.readFiles(emit)
	}
	for rows := range slices.Chunk(h.held.rows, 1024) {
		if !emit(job{held: rows}) {
			break
		}
	}
	return nil
}

// readFiles makes jobs of the files.
func (h *history) readFiles(emit func(job) bool) error {
	for _, name := range h.Files {
		if more, err := h.readFile(name, emit); err != nil || !more {
			return err
		}
	}
	return nil
}

func (h *history) readFile(name string, emit func(job) bool) (more bool, err error) {
	f := h.stdin
	if h.stdin = nil; name != "-" || f == nil {
		if f, err = openHistory(name, h.Stdin); err != nil {
			return false, err
		}
	}
	defer f.close()
	m, err := f.find(&h.Columns)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	f.use(m)
	for {
		c, err := f.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil || !emit(job{chunk: c}) {
			return false, err
		}
	}
}

// newParser returns what parses the rows of jobs.
func (h *history) newParser() func(*job) {
	p := &parser{history: h}
	var values []string
	return func(j *job) {
		if cap(j.pans) == 0 {
			j.pans = make([]panCount, velocity.FieldAt+1)
		}
		clear(j.pans)
		p.pans = j.pans
		if j.chunk != nil {
			j.chunk.records(func(r *record) {
				p.parse(j.chunk.file.mapping, r, j.number<<32+int64(j.used), j.next())
			})
			return
		}
		for i := range j.held {
			var m *mapping
			m, values = h.held.values(&j.held[i], values)
			r := j.next()
			p.parse(m, &record{values: values}, j.held[i].number, r)
			r.number = j.held[i].number
		}
	}
}

// refusePANs returns the error of a column that holds whole card numbers.
func (h *history) refusePANs(ended bool) error {
	for f := range h.pans {
		if field := velocity.Field(f); h.pans[f].refuses(field, ended) {
			return fmt.Errorf("--%s: the column holds whole card numbers, or digits alone that look like them, and is refused: "+
				"give one that holds the card's last four digits or the payment provider's fingerprint, with a prefix such as tok_ where that is digits alone",
				flagOf(field))
		}
	}
	return nil
}
