package replay

import (
	"encoding/binary"
	"slices"

	"fraudcheck/internal/velocity"
)

// Rows that must be sorted, or read twice though they come from standard input, are held in
// memory: the values of the columns in use, and 32 bytes for each row.
type heldRow struct {
	at     velocity.Time
	number int64
	page   uint32
	offset uint32 // in the page
}

type held struct {
	rows  []heldRow
	pages []heldPage
}

// A heldPage is the values of the rows of one chunk, each after its length.
type heldPage struct {
	mapping *mapping
	bytes   []byte
}

// hold appends the values of a record to the page.
func (p *heldPage) hold(values []string) {
	for _, v := range values {
		p.bytes = binary.AppendUvarint(p.bytes, uint64(len(v)))
		p.bytes = append(p.bytes, v...)
	}
}

// values returns the values of a row, in the memory of those given.
func (h *held) values(r *heldRow, values []string) (*mapping, []string) {
	page := &h.pages[r.page]
	rest, values := page.bytes[r.offset:], values[:0]
	for range page.mapping.names {
		n, size := binary.Uvarint(rest)
		values = append(values, string(rest[size:][:n]))
		rest = rest[size:][n:]
	}
	return page.mapping, values
}

// sort orders the rows by time. Those of one time stay in the order of the files.
func (h *held) sort() {
	slices.SortStableFunc(h.rows, func(a, b heldRow) int { return int(a.at - b.at) })
}
