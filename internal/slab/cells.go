package slab

import "encoding/binary"

// A cell is 64 bytes, one cache line. A chain of cells holds one record; most records
// need one cell. Numbers are little-endian:
//
//	first cell   0 key · 16 next · 20 newer · 24 older · 28 ends · 32 size and rank · 35 group · 36 tag · 40 record
//	others       0 next · 4 record
//	free chains  0 next · 4 first cell of the next free chain
//
// Size and rank share three bytes: 22 bits of size, then 2 of rank.
type cell [cellSize]byte

const (
	cellSize = 64
	headData = 40
	tailData = 4

	// Where a cell says which cell is next: in the first cell, and in the others.
	headNext = 16
	tailNext = 0
	freeNext = 4

	sizeBits = 22
)

// A ref is a cell's number in the arena; 0 is none.
type ref uint32

func (c *cell) init(key *Key) {
	*c = cell{}
	copy(c[:16], key[:])
}

func (c *cell) key() *Key      { return (*Key)(c[:16]) }
func (c *cell) newer() ref     { return c.ref(20) }
func (c *cell) setNewer(r ref) { c.setRef(20, r) }
func (c *cell) older() ref     { return c.ref(24) }
func (c *cell) setOlder(r ref) { c.setRef(24, r) }
func (c *cell) ends() uint32   { return uint32(c.ref(28)) }

// packed is size, rank and group in one number.
func (c *cell) packed() uint32 { return uint32(c.ref(32)) }
func (c *cell) size() int      { return int(c.packed() & (1<<sizeBits - 1)) }
func (c *cell) label() Label {
	p := c.packed()
	return Label{Group: byte(p >> 24), Rank: Rank(p >> sizeBits & 3), Ends: c.ends(), Tag: uint32(c.ref(36))}
}

func (c *cell) setLabel(l Label, size int) {
	c.setRef(28, ref(l.Ends))
	c.setRef(32, ref(uint32(size)|uint32(l.Rank)<<sizeBits|uint32(l.Group)<<24))
	c.setRef(36, ref(l.Tag))
}

func (c *cell) ref(at int) ref       { return ref(binary.LittleEndian.Uint32(c[at:])) }
func (c *cell) setRef(at int, r ref) { binary.LittleEndian.PutUint32(c[at:], uint32(r)) }

// cellsFor is how many cells a record of that many bytes takes.
func cellsFor(size int) int {
	return 1 + (max(0, size-(cellSize-headData))+cellSize-tailData-1)/(cellSize-tailData)
}

// cells are the cells of a shard.
type cells struct {
	steps     steps // of the arena
	arena     *arena
	limit     int // most pages
	pages     int // taken from the arena
	next, end ref // cells of the last page that were not handed out yet
	free      ref // first of the free chains
}

func (c *cells) at(r ref) *cell { return c.steps.cell(r) }

func (c *cells) bytes() int { return c.pages * pageSize }

// take returns a cell that ends its chain, or 0 when there is none left.
func (c *cells) take() ref {
	if r := c.free; r != 0 {
		first := c.at(r)
		c.free = first.ref(freeNext)
		if rest := first.ref(tailNext); rest != 0 {
			c.freeChain(rest)
		}
		first.setRef(tailNext, 0)
		return r
	}
	if c.next == c.end {
		if c.pages == c.limit {
			return 0
		}
		page := c.arena.page()
		if page == 0 {
			return 0
		}
		c.pages++
		c.next = ref(page * pageCells)
		c.end = c.next + pageCells
	}
	c.next++
	return c.next - 1
}

// freeRecord frees the whole chain of the record, in constant time.
func (c *cells) freeRecord(r ref) {
	head := c.at(r)
	head.setRef(tailNext, head.ref(headNext))
	c.freeChain(r)
}

// freeChain frees a chain of cells that are linked like those after the first.
func (c *cells) freeChain(r ref) {
	c.at(r).setRef(freeNext, c.free)
	c.free = r
}

// read returns the bytes of r's record: in place when they fill one cell, otherwise
// copied to buffer.
func (c *cells) read(r ref, buffer *[]byte) []byte {
	head := c.at(r)
	left := head.size()
	n := min(left, cellSize-headData)
	if n == left {
		return head[headData : headData+n]
	}
	whole := append((*buffer)[:0], head[headData:]...)
	for next := head.ref(headNext); next != 0; {
		left -= n
		tail := c.at(next)
		n = min(left, cellSize-tailData)
		whole = append(whole, tail[tailData:tailData+n]...)
		next = tail.ref(tailNext)
	}
	*buffer = whole
	return whole
}

// write puts the bytes into r's chain, which becomes longer or shorter as they need.
// more provides further cells; write reports false when it has none, and what r holds
// is then no record.
func (c *cells) write(r ref, record []byte, more func() ref) bool {
	head := c.at(r)
	record = record[copy(head[headData:], record):]
	last, at := head, headNext
	for len(record) > 0 {
		next := last.ref(at)
		if next == 0 {
			if next = more(); next == 0 {
				return false
			}
			last.setRef(at, next)
		}
		last, at = c.at(next), tailNext
		record = record[copy(last[tailData:], record):]
	}
	if rest := last.ref(at); rest != 0 {
		last.setRef(at, 0)
		c.freeChain(rest)
	}
	return true
}
