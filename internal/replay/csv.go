package replay

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// wholeRows returns the number of bytes of rest that are whole rows, whether one of them has
// a quote, and whether the one behind them has one that is not closed yet. A line end between
// quotes ends no row of CSV. Behind a quote that is out of place, the rest of its line is
// passed over, as encoding/csv does.
func (f *openFile) wholeRows() (end int, quoted, open bool) {
	if f.format.delimiter == 0 || bytes.IndexByte(f.rest, '"') < 0 {
		return bytes.LastIndexByte(f.rest, '\n') + 1, false, false
	}
	state := begins
	for i, b := range f.rest {
		switch {
		case state == inside:
			if b == '"' {
				state = closed
			}
		case b == '\n':
			end, state = i+1, begins
		case state == broken:
		case b == f.format.delimiter:
			state = begins
		case b == '"' && (state == begins || state == closed): // behind a closed one it is doubled
			state = inside
		case b == '"', state == closed && b != '\r':
			state = broken
		case state != closed:
			state = bare
		}
	}
	return end, true, state == inside
}

// Where a byte of CSV is.
const (
	begins = iota // at the beginning of a field
	bare          // in a field without quotes
	inside        // between quotes
	closed        // behind the second of them
	broken        // behind a quote that is out of place
)

// plainLines splits lines without quotes.
func (c *chunk) plainLines(r *record, visit func(*record)) {
	header := len(c.file.format.header)
	fields := make([]string, header)
	for line := range strings.Lines(c.text) {
		if line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"); line == "" {
			continue
		}
		n := 0
		for more := true; more; n++ {
			var field string
			if i := strings.IndexByte(line, c.file.format.delimiter); i >= 0 {
				field, line = line[:i], line[i+1:]
			} else {
				field, more = line, false
			}
			if n < header {
				fields[n] = field
			}
		}
		c.pick(r, fields, n)
		visit(r)
	}
}

// quotedLines splits lines that have quotes (RFC 4180).
func (c *chunk) quotedLines(r *record, visit func(*record)) {
	in := csv.NewReader(strings.NewReader(c.text))
	in.Comma = rune(c.file.format.delimiter)
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	ends, counted := 0, 0 // line ends in the first bytes, and how many bytes those are
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if wrong := (*csv.ParseError)(nil); errors.As(err, &wrong) {
			r.lines = wrong.Line - wrong.StartLine + 1
			r.fault = &Fault{Expected: "a row of CSV (RFC 4180): quotes around a field, and doubled in it"}
		} else {
			offset := int(in.InputOffset())
			ends, counted = ends+strings.Count(c.text[counted:offset], "\n"), offset
			first, _ := in.FieldPos(0)
			if r.lines = ends - first + 1; c.text[offset-1] != '\n' {
				r.lines++
			}
			c.pick(r, fields, len(fields))
		}
		visit(r)
	}
}

// pick takes the columns in use out of the n fields of a row.
func (c *chunk) pick(r *record, fields []string, n int) {
	r.fault = nil
	if want := len(c.file.format.header); n != want {
		r.fault = &Fault{Expected: fmt.Sprintf("%d fields, as many as the header has", want)}
		return
	}
	for i, column := range c.file.columns {
		r.values[i] = fields[column]
	}
}
