package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	chunkSize  = 64 << 10 // bytes of whole rows that are judged together
	longestRow = 4 << 20  // bytes
)

// A chunk is whole rows of one file.
type chunk struct {
	text   string
	file   *file
	quoted bool   // it has a double quote
	ends   string // it is a row that ends the run, with this error of its number; empty for none
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
	if err := f.checkText(); err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", name, err)
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
			return f.last(tooLong), nil
		}
		if err := f.fill(size); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		end, quoted, open := f.wholeRows()
		if f.ended && !open {
			end = len(f.rest)
		}
		if end > 0 {
			c := &chunk{text: string(f.rest[:end]), file: f.file, quoted: quoted}
			f.rest = append(f.rest[:0], f.rest[end:]...)
			return c, nil
		}
		if f.ended && open {
			return f.last(neverClosed), nil
		}
		if f.ended {
			return nil, io.EOF
		}
	}
}

// What ends the run, with the number of the row.
const (
	tooLong     = "row %d is longer than 4194304 bytes: a quote opened in it is not closed?"
	neverClosed = "a quote opened in row %d is never closed"
)

// last returns the chunk of a row that ends the run.
func (f *openFile) last(ends string) *chunk {
	f.rest, f.ended = nil, true
	return &chunk{file: f.file, ends: ends}
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

// A record is one row as it is split into the values of the columns in use.
type record struct {
	values []string
	fault  *Fault // of a row that cannot be split
	lines  int    // that it goes over, where a quote makes several possible
	ends   string // see chunk
}

// told returns the fault of the row for people: that of a row of several lines says how many
// they are, as a stray quote makes one row of many.
func (r *record) told(f *Fault) *Fault {
	if f == nil {
		return nil
	}
	told := *f // it gets the number of its row
	if r.lines > 1 {
		told.Expected += fmt.Sprintf("; it spans %d lines: a quote is not closed?", r.lines)
	}
	return &told
}

// records calls visit with every row of the chunk. The record is valid until it returns.
func (c *chunk) records(visit func(*record)) {
	r := record{values: make([]string, len(c.file.columns))}
	switch {
	case c.ends != "":
		r.ends = c.ends
		visit(&r)
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
