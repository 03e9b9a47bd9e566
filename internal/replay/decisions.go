package replay

import (
	"bufio"
	"io"
	"strconv"

	"fraudcheck/internal/velocity"
)

// A DecisionWriter writes a line of CSV for each row that was judged: its number, the
// decision, the reasons, and what each rule counted, as in
//
//	row,decision,reasons,counts
//	6,block,cards_per_ip,cards_per_ip=6 attempts_per_card=1
//
// Rules are those for which the row has the subject, in the order of the configuration.
type DecisionWriter struct {
	out  *bufio.Writer
	line []byte
}

// NewDecisionWriter writes the header.
func NewDecisionWriter(w io.Writer) *DecisionWriter {
	d := &DecisionWriter{out: bufio.NewWriterSize(w, 1<<16)}
	_, _ = d.out.WriteString("row,decision,reasons,counts\n")
	return d
}

// Write writes the line of a row. rules is how many the configuration has.
func (d *DecisionWriter) Write(j *Judged, rules int) error {
	b := strconv.AppendInt(d.line[:0], j.Row, 10)
	b = append(append(append(b, ','), j.Judgement.Outcome.String()...), ',')
	for i, reason := range j.Judgement.Reasons {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, reason...)
	}
	b = append(appendCounts(append(b, ','), j.Judgement.Results[:rules]), '\n')
	d.line = b
	_, err := d.out.Write(b)
	return err
}

// Flush writes what is buffered.
func (d *DecisionWriter) Flush() error { return d.out.Flush() }

// appendCounts appends what each rule counted, as in cards_per_ip=6, separated by blanks.
func appendCounts(b []byte, results []velocity.RuleResult) []byte {
	first := true
	for i := range results {
		r := &results[i]
		if r.Rule == nil {
			continue
		}
		if !first {
			b = append(b, ' ')
		}
		first = false
		b = append(append(b, r.Rule.Name...), '=')
		b = strconv.AppendInt(b, int64(r.Count), 10)
	}
	return b
}
