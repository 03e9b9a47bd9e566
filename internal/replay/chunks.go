package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	chunkSize  = 64 << 10 // bytes of whole rows that are judged together
	longestRow = 4 << 20  // bytes
)

// A format says how the rows of a file are written.
type format struct {
	delimiter byte // of CSV; 0 for NDJSON
	header    []string
	logged    bool // a decision log
}

// A chunk is whole rows of one file.
type chunk struct {
	text    string
	file    *file
	starts  bool // it begins behind the header, or at the beginning
	quoted  bool // it has a double quote
	columns []int
}

// A file is a file of the history that is being read.
type file struct {
	name    string
	format  format
	mapping *mapping
	columns []int // of CSV: where each name of the mapping is in a record
}

// An openFile reads the chunks of one file.
type openFile struct {
	*file
	in     *bufio.Reader
	closes []io.Closer
	rest   []byte // read, behind the last whole row
	ended  bool
}

// openHistory opens the file with that name; "-" is standard input. What is compressed with
// gzip is decompressed.
func openHistory(name string, stdin io.Reader) (f *openFile, err error) {
	f = &openFile{file: &file{name: name}}
	var from io.Reader = stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		f.closes = append(f.closes, opened)
		from = opened
	}
	f.in = bufio.NewReaderSize(from, chunkSize)
	if magic, _ := f.in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(f.in)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.in = bufio.NewReaderSize(unzipped, chunkSize)
	}
	if mark, _ := f.in.Peek(3); string(mark) == "\ufeff" { // a byte order mark
		_, _ = f.in.Discard(3)
	}
	if err := f.readFormat(); err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (f *openFile) close() {
	for _, c := range f.closes {
		_ = c.Close()
	}
}

// readFormat tells CSV from NDJSON by the first byte, and reads the header of CSV.
func (f *openFile) readFormat() error {
	first, err := f.in.Peek(1)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("expected at least a header; it is empty")
		}
		return err
	}
	if first[0] == '{' {
		f.format.header = f.firstNames()
		f.format.logged = isLog(f.format.header)
		return nil
	}
	line, err := f.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.format.delimiter = ','
	for _, other := range []string{";", "\t"} {
		if !strings.Contains(line, ",") && strings.Contains(line, other) {
			f.format.delimiter = other[0]
		}
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = rune(f.format.delimiter)
	f.format.header, err = r.Read()
	if err != nil || !utf8.ValidString(line) {
		return errors.New("expected a header of column names in its first line")
	}
	for i, name := range f.format.header {
		f.format.header[i] = strings.Trim(name, " \t")
	}
	return nil
}

// firstNames returns the names of the first line of NDJSON, without reading it; none where
// it is long, or no object.
func (f *openFile) firstNames() []string {
	ahead, _ := f.in.Peek(chunkSize)
	line, _, _ := bytes.Cut(ahead, []byte("\n"))
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(members))
}

// find returns the mapping of the columns in this file.
func (f *file) find(c *Columns) (*mapping, error) {
	if f.format.logged {
		return c.logMapping()
	}
	return c.find(f.format.header, f.format.delimiter == 0)
}

// use sets the mapping, by which the values of the rows are picked.
func (f *file) use(m *mapping) {
	f.mapping = m
	for _, name := range m.names {
		f.columns = append(f.columns, lastIndex(f.format.header, name))
	}
}

// next returns the next chunk; io.EOF behind the last.
func (f *openFile) next() (*chunk, error) {
	for size := chunkSize; ; size += chunkSize {
		if size > longestRow+chunkSize {
			return nil, fmt.Errorf("%s: expected rows of at most %d bytes; a quote may be left open", f.name, longestRow)
		}
		if err := f.fill(size); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		end, quoted := f.wholeRows()
		if f.ended {
			end = len(f.rest)
		}
		if end > 0 {
			c := &chunk{text: string(f.rest[:end]), file: f.file, quoted: quoted}
			f.rest = append(f.rest[:0], f.rest[end:]...)
			return c, nil
		}
		if f.ended {
			return nil, io.EOF
		}
	}
}

// fill reads until rest has that many bytes, or the file ends.
func (f *openFile) fill(size int) error {
	for len(f.rest) < size && !f.ended {
		if cap(f.rest) < size {
			f.rest = append(make([]byte, 0, size), f.rest...)
		}
		n, err := f.in.Read(f.rest[len(f.rest):size])
		f.rest = f.rest[:len(f.rest)+n]
		switch {
		case errors.Is(err, io.EOF):
			f.ended = true
		case err != nil:
			return err
		}
	}
	return nil
}

// wholeRows returns the number of bytes of rest that are whole rows. A line end between
// quotes ends no row of CSV.
func (f *openFile) wholeRows() (end int, quoted bool) {
	if f.format.delimiter == 0 || bytes.IndexByte(f.rest, '"') < 0 {
		return bytes.LastIndexByte(f.rest, '\n') + 1, false
	}
	begins, inside := true, false // a field begins here; between quotes
	for i, b := range f.rest {
		switch {
		case inside:
			if b == '"' { // a doubled one closes and opens again
				inside, begins = false, true
				continue
			}
		case b == '"':
			inside = begins
		case b == '\n':
			end = i + 1
		}
		begins = b == '\n' || b == f.format.delimiter
	}
	return end, true
}

// A record is one row as it is split into the values of the columns in use.
type record struct {
	values []string
	fault  *Fault // of a row that cannot be split
}

// records calls visit with every row of the chunk. The record is valid until it returns.
func (c *chunk) records(visit func(*record)) {
	r := record{values: make([]string, len(c.file.columns))}
	switch {
	case c.file.format.logged:
		c.lines(&r, visit)
	case c.file.format.delimiter == 0:
		c.objects(&r, visit)
	case c.quoted:
		c.quotedLines(&r, visit)
	default:
		c.plainLines(&r, visit)
	}
}

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
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.fault = &Fault{Expected: "a row of CSV (RFC 4180): quotes around a field, and doubled in it"}
		} else {
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
