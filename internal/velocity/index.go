package velocity

// index finds a record's first cell by its key: open addressing with linear
// probing. A slot carries the key's hash, so that growing and most misses touch
// no cell.
type index struct {
	slots []slot // a power of two of them
	used  int
}

type slot struct {
	hash uint32
	ref  ref // 0: empty
}

func (x *index) bytes() int { return len(x.slots) * 8 }

func (x *index) mask() uint32 { return uint32(len(x.slots) - 1) }

func (x *index) find(hash uint32, key Key, cells *cells) ref {
	for i := hash & x.mask(); x.slots[i].ref != 0; i = (i + 1) & x.mask() {
		if s := x.slots[i]; s.hash == hash && cells.at(s.ref).key() == key {
			return s.ref
		}
	}
	return 0
}

// fits reports whether one more would leave a quarter of the slots empty.
func (x *index) fits() bool { return (x.used+1)*4 <= len(x.slots)*3 }

// grow doubles the slots unless that takes more than limit bytes.
func (x *index) grow(limit int) bool {
	if 2*x.bytes() > limit {
		return false
	}
	old := x.slots
	*x = index{slots: make([]slot, 2*len(old))}
	for _, s := range old {
		if s.ref != 0 {
			x.insert(s.hash, s.ref)
		}
	}
	return true
}

// insert adds a key that is not there.
func (x *index) insert(hash uint32, r ref) {
	i := hash & x.mask()
	for x.slots[i].ref != 0 {
		i = (i + 1) & x.mask()
	}
	x.slots[i] = slot{hash: hash, ref: r}
	x.used++
}

// remove takes r out and closes the gap, so that no probe stops short.
func (x *index) remove(hash uint32, r ref) {
	i := hash & x.mask()
	for x.slots[i].ref != r {
		i = (i + 1) & x.mask()
	}
	x.used--
	for j := i; ; {
		j = (j + 1) & x.mask()
		s := x.slots[j]
		if s.ref == 0 {
			break
		}
		// s may fill the gap unless its home lies behind it.
		if home := s.hash & x.mask(); (j-home)&x.mask() >= (j-i)&x.mask() {
			x.slots[i] = s
			i = j
		}
	}
	x.slots[i] = slot{}
}
