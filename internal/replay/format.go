package replay

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A format says how the rows of a file are written.
type format struct {
	delimiter byte // of CSV; 0 for NDJSON
	header    []string
	logged    bool // a decision log
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
	line, err := f.headerLine()
	if err != nil {
		return err
	}
	f.format.delimiter = ','
	for _, other := range []string{";", "\t"} {
		if !strings.Contains(line, ",") && strings.Contains(line, other) {
			f.format.delimiter = other[0]
		}
	}
	if told := strings.TrimRight(line, "\r\n"); len(told) == 5 && strings.HasPrefix(told, "sep=") { // as spreadsheets write
		f.format.delimiter = told[4]
		if line, err = f.headerLine(); err != nil {
			return err
		}
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = rune(f.format.delimiter)
	f.format.header, err = r.Read()
	if err != nil || !utf8.ValidString(line) {
		return errNoHeader
	}
	for i, name := range f.format.header {
		f.format.header[i] = strings.Trim(name, " \t")
	}
	return nil
}

var errNoHeader = errors.New("expected a header of column names in its first line")

// headerLine reads the next line, of at most chunkSize bytes.
func (f *openFile) headerLine() (string, error) {
	ahead, err := f.in.Peek(chunkSize)
	if err == nil && bytes.IndexByte(ahead, '\n') < 0 {
		return "", errNoHeader
	}
	line, err := f.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return line, nil
}

// checkText returns the error of a file in an encoding, or with line ends, that no row could
// be told in.
func (f *openFile) checkText() error {
	ahead, _ := f.in.Peek(chunkSize)
	if len(ahead) >= 2 && (ahead[0] == 0xff && ahead[1] == 0xfe || ahead[0] == 0xfe && ahead[1] == 0xff || (ahead[0] == 0) != (ahead[1] == 0)) {
		return errors.New("expected UTF-8; this looks like UTF-16, which iconv -f UTF-16 -t UTF-8 converts")
	}
	if bytes.IndexByte(ahead, '\r') >= 0 && bytes.IndexByte(ahead, '\n') < 0 {
		return errors.New(`expected lines that end with a line feed; these end with a carriage return alone, which tr '\r' '\n' converts`)
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
