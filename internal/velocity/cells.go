package velocity

import "encoding/binary"

// A cell is 64 bytes, one cache line. A chain of them holds one record; most
// records need one. There are no pointers in it: it lies where the garbage collector
// does not look.
//
//	first cell  0 key · 16 next · 20 newer · 24 older · 28 ends · 32 size · 35 kind · 36 record
//	the others  0 next · 4 record
type cell [cellSize]byte

const (
	cellSize = 64
	headData = 36
	tailData = 4
)

// A ref is a cell's number; 0 is none.
type ref uint32

func (c *cell) init(key Key, kind byte) {
	*c = cell{}
	copy(c[:16], key[:])
	c[35] = kind
}

func (c *cell) key() Key         { return Key(c[:16]) }
func (c *cell) kind() byte       { return c[35] }
func (c *cell) newer() ref       { return c.ref(20) }
func (c *cell) setNewer(r ref)   { c.setRef(20, r) }
func (c *cell) older() ref       { return c.ref(24) }
func (c *cell) setOlder(r ref)   { c.setRef(24, r) }
func (c *cell) ends() uint32     { return uint32(c.ref(28)) }
func (c *cell) setEnds(t uint32) { c.setRef(28, ref(t)) }
func (c *cell) size() int        { return int(c[32]) | int(c[33])<<8 | int(c[34])<<16 }
func (c *cell) setSize(n int)    { c[32], c[33], c[34] = byte(n), byte(n>>8), byte(n>>16) }

func (c *cell) ref(at int) ref       { return ref(binary.LittleEndian.Uint32(c[at:])) }
func (c *cell) setRef(at int, r ref) { binary.LittleEndian.PutUint32(c[at:], uint32(r)) }

// Where a cell says which one is next, in the first and in the others.
const (
	headNext = 16
	tailNext = 0
)

// cells are the cells of a shard, taken from the arena by the page.
type cells struct {
	arena     *arena
	limit     int // most pages
	pages     int // taken
	next, end ref // of the page taken last, the cells not handed out yet
	free      ref // first of the chain of cells given back
}

func (c *cells) at(r ref) *cell { return &c.arena.cells[r] }

func (c *cells) bytes() int { return c.pages * pageSize }

// take returns a cell that ends its chain, or 0 when there is none left.
func (c *cells) take() ref {
	if r := c.free; r != 0 {
		c.free = c.at(r).ref(tailNext)
		c.at(r).setRef(tailNext, 0)
		return r
	}
	if c.next == c.end {
		if c.pages == c.limit {
			return 0
		}
		c.pages++
		c.next = ref(c.arena.page() * pageCells)
		c.end = c.next + pageCells
	}
	c.next++
	return c.next - 1
}

// give takes back the record's whole chain.
func (c *cells) give(r ref) {
	head := c.at(r)
	next := head.ref(headNext)
	head.setRef(tailNext, next)
	c.giveTail(r)
}

// giveTail takes back a chain of cells that are linked like those after the first.
func (c *cells) giveTail(r ref) {
	last := r
	for next := r; next != 0; next = c.at(next).ref(tailNext) {
		last = next
	}
	c.at(last).setRef(tailNext, c.free)
	c.free = r
}

// read returns the record in r's chain: where it lies when that is one cell, else
// put together in buffer.
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

// write puts the record into r's chain, longer or shorter as it needs; room
// provides further cells.
func (c *cells) write(r ref, record []byte, room func() ref) {
	head := c.at(r)
	head.setSize(len(record))
	record = record[copy(head[headData:], record):]
	last, at := head, headNext
	for len(record) > 0 {
		next := last.ref(at)
		if next == 0 {
			next = room()
			last.setRef(at, next)
		}
		last, at = c.at(next), tailNext
		record = record[copy(last[tailData:], record):]
	}
	if rest := last.ref(at); rest != 0 {
		last.setRef(at, 0)
		c.giveTail(rest)
	}
}
