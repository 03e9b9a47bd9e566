package velocity

import "math/bits"

// index finds a record's first cell by its key. A directory leads, by the first
// bits of the key's hash, to a page of slots; the last bits say where in it to
// begin to look, onwards slot by slot. A slot carries the hash, so that growing
// and most misses touch no cell.
//
// A page that fills up is split in two. So an update never waits for more than
// the slots of one page to be moved, however many records there are.
type index struct {
	arena     *arena
	limit     int      // most pages
	pages     []page   // taken
	directory []uint32 // pages by the first bits of a hash; a power of two of them
	used      int      // slots
}

type page struct {
	place uint32 // in the arena
	used  uint16 // slots
	depth uint8  // how many first bits all its hashes share
}

type slot struct {
	hash uint32
	ref  ref // 0: empty
}

const (
	slotSize = 8
	pageFull = pageSlots * 3 / 4 // a quarter stays empty, for short ways
	// Hashes being random, pages fill alike: so many entries of the directory for
	// each page are plenty.
	pageEntries = 4
	// pageCost is what a page takes at most, in bytes.
	pageCost = pageSize + 8 + 4*pageEntries
)

func (x *index) bytes() int {
	return len(x.pages)*(pageSize+8) + len(x.directory)*4
}

// depth is by how many first bits of a hash the directory tells pages apart.
func (x *index) depth() int { return bits.Len(uint(len(x.directory))) - 1 }

// page is where slots with that hash are, once there is one.
func (x *index) page(hash uint32) *page { return &x.pages[x.directory[hash>>(32-x.depth())]] }

func (x *index) slots(p *page) []slot {
	return x.arena.slots[int(p.place)*pageSlots:][:pageSlots]
}

func (x *index) find(hash uint32, key Key, cells *cells) ref {
	if x.used == 0 {
		return 0
	}
	slots := x.slots(x.page(hash))
	for i := hash % pageSlots; slots[i].ref != 0; i = (i + 1) % pageSlots {
		if s := slots[i]; s.hash == hash && cells.at(s.ref).key() == key {
			return s.ref
		}
	}
	return 0
}

// fits reports whether one more with that hash leaves its page a quarter empty.
func (x *index) fits(hash uint32) bool {
	return len(x.pages) > 0 && x.page(hash).used < pageFull
}

// grow splits the page for that hash, unless there is no room for one more.
func (x *index) grow(hash uint32) bool {
	if len(x.pages) == x.limit {
		return false
	}
	if len(x.pages) == 0 {
		x.pages, x.directory = []page{{place: x.arena.page()}}, []uint32{0}
		return true
	}
	depth := int(x.page(hash).depth) + 1
	if depth > x.depth() && !x.double() {
		return false
	}
	p := x.page(hash)
	x.used -= int(p.used)
	p.used, p.depth = 0, uint8(depth)
	slots := x.slots(p)
	moving := [pageSlots]slot(slots)
	clear(slots)
	// The entries that lead to the page are neighbours; half of them get the new one.
	entries := 1 << (x.depth() - depth)
	first := int(hash>>(32-x.depth())) &^ (2*entries - 1)
	for i := range entries {
		x.directory[first+entries+i] = uint32(len(x.pages))
	}
	x.pages = append(x.pages, page{place: x.arena.page(), depth: uint8(depth)})
	for _, s := range moving {
		if s.ref != 0 {
			x.insert(s.hash, s.ref)
		}
	}
	return true
}

// double makes the directory tell pages apart by one more bit.
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

// insert adds a key that is not there.
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

// remove takes r out and closes the gap, so that no probe stops short.
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
		// s may fill the gap unless its home lies behind it.
		if (j-s.hash)%pageSlots >= (j-i)%pageSlots {
			slots[i] = s
			i = j
		}
	}
	slots[i] = slot{}
}
