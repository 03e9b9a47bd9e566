package slab

import "math/bits"

// An index finds a record's first cell by its key: an extendible hash table. The
// directory leads, by the first bits of the key's hash, to a page of slots; the last
// bits say at which slot of the page to begin (linear probing). A slot carries the
// hash, so that splitting a page and most misses touch no cell.
//
// A page that fills up is split in two. So an edit never waits for more than the slots
// of one page to move, however many records there are.
type index struct {
	steps     steps // of the arena
	arena     *arena
	limit     int      // most pages
	pages     []page   // taken from the arena
	directory []uint32 // index in pages, by the first bits of a hash; its length is a power of two
	used      int      // slots
}

type page struct {
	number uint32 // in the arena
	used   uint16 // slots
	depth  uint8  // how many first bits all its hashes share
}

type slot struct {
	hash uint32
	ref  ref // 0: empty
}

const (
	slotSize = 8
	pageFull = pageSlots * 3 / 4 // a quarter stays empty, for short probes
	// Hashes are random and pages fill evenly: the directory never needs more than
	// this many entries for each page.
	pageEntries = 4
	// pageCost is the most bytes that a page takes, with its part of the directory.
	pageCost = pageSize + 8 + 4*pageEntries
)

func (x *index) bytes() int {
	return len(x.pages)*(pageSize+8) + len(x.directory)*4
}

// depth is how many first bits of a hash the directory looks at.
func (x *index) depth() int { return bits.Len(uint(len(x.directory))) - 1 }

// page is the page for that hash; there must be one.
func (x *index) page(hash uint32) *page { return &x.pages[x.directory[hash>>(32-x.depth())]] }

func (x *index) slots(p *page) *[pageSlots]slot { return x.steps.slots(p.number) }

// find returns the first cell of the record under key, or 0.
func (x *index) find(hash uint32, key *Key, cells *cells) ref {
	if x.used == 0 {
		return 0
	}
	slots := x.slots(x.page(hash))
	for i := hash % pageSlots; slots[i].ref != 0; i = (i + 1) % pageSlots {
		if s := slots[i]; s.hash == hash && *cells.at(s.ref).key() == *key {
			return s.ref
		}
	}
	return 0
}

// fits reports whether one more with that hash leaves its page a quarter empty.
func (x *index) fits(hash uint32) bool {
	return len(x.pages) > 0 && x.page(hash).used < pageFull
}

// split makes room for one more with that hash: it splits the page, or takes the first
// one. It reports false when there is no page left; it may have to be called again,
// because all slots may stay on one side.
func (x *index) split(hash uint32) bool {
	if len(x.pages) == x.limit {
		return false
	}
	if len(x.pages) == 0 {
		x.directory = []uint32{0}
		return x.add(0)
	}
	depth := x.page(hash).depth + 1
	if int(depth) > x.depth() && !x.double() || !x.add(depth) {
		return false
	}
	p := x.page(hash)
	x.used -= int(p.used)
	p.used, p.depth = 0, depth
	slots := x.slots(p)
	moving := *slots
	clear(slots[:])
	// The entries that lead to the page are neighbours; half of them get the new one.
	entries := 1 << (x.depth() - int(depth))
	first := int(hash>>(32-x.depth())) &^ (2*entries - 1)
	for i := range entries {
		x.directory[first+entries+i] = uint32(len(x.pages) - 1)
	}
	for _, s := range moving {
		if s.ref != 0 {
			x.insert(s.hash, s.ref)
		}
	}
	return true
}

// add takes an empty page; the directory does not lead to it yet.
func (x *index) add(depth uint8) bool {
	number := x.arena.page()
	if number != 0 {
		x.pages = append(x.pages, page{number: number, depth: depth})
	}
	return number != 0
}

// double makes the directory look at one more bit.
func (x *index) double() bool {
	if 2*len(x.directory) > pageEntries*x.limit {
		return false
	}
	wider := make([]uint32, 2*len(x.directory))
	for i := range wider {
		wider[i] = x.directory[i/2]
	}
	x.directory = wider
	return true
}

// insert adds a record whose key is not there; its page must have room.
func (x *index) insert(hash uint32, r ref) {
	p := x.page(hash)
	slots := x.slots(p)
	i := hash % pageSlots
	for slots[i].ref != 0 {
		i = (i + 1) % pageSlots
	}
	slots[i] = slot{hash: hash, ref: r}
	p.used++
	x.used++
}

// remove takes r out and closes the gap, so that no probe ends too early.
func (x *index) remove(hash uint32, r ref) {
	p := x.page(hash)
	slots := x.slots(p)
	i := hash % pageSlots
	for slots[i].ref != r {
		i = (i + 1) % pageSlots
	}
	p.used--
	x.used--
	for j := i; ; {
		j = (j + 1) % pageSlots
		s := slots[j]
		if s.ref == 0 {
			break
		}
		// s may fill the gap unless the slot where its probe begins lies behind the gap.
		if (j-s.hash)%pageSlots >= (j-i)%pageSlots {
			slots[i] = s
			i = j
		}
	}
	slots[i] = slot{}
}
