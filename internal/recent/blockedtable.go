package recent

import (
	"net/netip"
	"sync/atomic"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

// A blockedTable is the entries of [Blocked], in memory that is taken as it is needed, and
// holds no pointers: the garbage collector does not look at 100,000 entries. Its entries are in a list from the one tried
// last to the one untried longest. All but mayHave need its owner's lock.
type blockedTable struct {
	limit  int
	chunks []*blockedChunk // of entries; entry 0 is both ends of the list
	// index finds entries by their hash. It is as large as it must be: with few entries it
	// stays in the processor's cache.
	index atomic.Pointer[blockedIndex]
	used  int
	free  int32 // the first of a list linked by older; 0: none
	fresh int32 // the entries from here on were never used
}

// A blockedIndex has linear probing: in each place the lower bits of a hash, above the
// number of the entry; 0 in an empty place. At least half of the places are empty.
type blockedIndex []atomic.Uint32

// numberBits is how many bits of a place are the entry's number.
const numberBits = 17

// A blockedKey is an address that counts by itself, or a network: its first address, as
// IPv6, and its length of that.
type blockedKey struct {
	addr [16]byte
	bits uint8
}

type blockedEntry struct {
	key  blockedKey
	addr [16]byte // the address that tried last
	hash uint32

	first, last velocity.Time // blocked attempts, since it is blocked
	until       velocity.Time // when it clears if nothing more is shown; 0: not by itself
	attempts    uint64        // blocked; 0: the entry is free

	newer, older int32
}

const chunkSize = 1024

type blockedChunk [chunkSize]blockedEntry

// newBlockedTable makes a table for that many entries.
func newBlockedTable(limit int) *blockedTable {
	t := &blockedTable{limit: limit, chunks: []*blockedChunk{new(blockedChunk)}, fresh: 1}
	index := make(blockedIndex, 64)
	t.index.Store(&index)
	return t
}

// at is the entry with that number.
func (t *blockedTable) at(n int32) *blockedEntry { return &t.chunks[n/chunkSize][n%chunkSize] }

// keyOf is the key of a check's subject, and its hash.
func keyOf(e *event.Event) (k blockedKey, hash uint32) {
	subject, whole := e.Subject()
	k = blockedKey{subject, 128}
	if !e.Attempt.Address.Is4() {
		k.bits = uint8(e.Decision.Plan.IPv6Prefix())
	}
	return k, uint32(whole)
}

// subject is the subject of the key.
func (k *blockedKey) subject() netip.Prefix {
	addr, bits := netip.AddrFrom16(k.addr), int(k.bits)
	if addr.Is4In6() {
		addr, bits = addr.Unmap(), bits-96
	}
	return netip.PrefixFrom(addr, bits)
}

// home is where the search for the hash begins. It is of the upper bits, the tag of the
// lower ones.
func (x blockedIndex) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(x)) >> 32)
}

func (x blockedIndex) after(place int) int { return (place + 1) & (len(x) - 1) }

// tagOf is what a place of the entry has above its number.
func tagOf(hash uint32) uint32 { return hash << numberBits }

// mayHave reports whether there is an entry with that hash. It needs no lock: while the
// table changes it may miss one.
func (t *blockedTable) mayHave(hash uint32) bool {
	x, tag := *t.index.Load(), tagOf(hash)
	for at := x.home(hash); ; at = x.after(at) {
		switch v := x[at].Load(); {
		case v == 0:
			return false
		case v>>numberBits == tag>>numberBits:
			return true
		}
	}
}

// find returns the number of the entry; 0 for none.
func (t *blockedTable) find(k *blockedKey, hash uint32) int32 {
	x, tag := *t.index.Load(), tagOf(hash)
	for at := x.home(hash); ; at = x.after(at) {
		v := x[at].Load()
		if v == 0 {
			return 0
		}
		if n := v & (1<<numberBits - 1); v>>numberBits == tag>>numberBits && t.at(int32(n)).key == *k {
			return int32(n)
		}
	}
}

// add makes an entry with that key, which has none, the newest. There is room for it.
func (t *blockedTable) add(k *blockedKey, hash uint32) int32 {
	n := t.free
	if n != 0 {
		t.free = t.at(n).older
	} else {
		n = t.fresh
		if t.fresh++; n%chunkSize == 0 {
			t.chunks = append(t.chunks, new(blockedChunk))
		}
	}
	*t.at(n) = blockedEntry{key: *k, hash: hash}
	t.used++
	x := *t.index.Load()
	if 2*t.used > len(x) {
		x = t.growIndex()
	}
	x.insert(n, hash)
	t.link(n)
	return n
}

// growIndex doubles the index.
func (t *blockedTable) growIndex() blockedIndex {
	larger := make(blockedIndex, 2*len(*t.index.Load()))
	for n := t.at(0).older; n != 0; n = t.at(n).older {
		larger.insert(n, t.at(n).hash)
	}
	t.index.Store(&larger)
	return larger
}

func (x blockedIndex) insert(n int32, hash uint32) {
	at := x.home(hash)
	for x[at].Load() != 0 {
		at = x.after(at)
	}
	x[at].Store(tagOf(hash) | uint32(n))
}

// remove frees the entry.
func (t *blockedTable) remove(n int32) {
	x, mask := *t.index.Load(), len(*t.index.Load())-1
	hole := x.home(t.at(n).hash)
	for x[hole].Load()&(1<<numberBits-1) != uint32(n) {
		hole = x.after(hole)
	}
	// Those behind the hole that a search would not find any more move into it.
	for at := x.after(hole); x[at].Load() != 0; at = x.after(at) {
		v := x[at].Load()
		home := x.home(t.at(int32(v & (1<<numberBits - 1))).hash)
		if (at-home)&mask >= (at-hole)&mask {
			x[hole].Store(v)
			hole = at
		}
	}
	x[hole].Store(0)
	t.unlink(n)
	*t.at(n) = blockedEntry{older: t.free}
	t.free = n
	t.used--
}

// touch makes the entry the newest.
func (t *blockedTable) touch(n int32) {
	if t.at(0).older != n {
		t.unlink(n)
		t.link(n)
	}
}

// oldest is the number of the entry untried longest.
func (t *blockedTable) oldest() int32 { return t.at(0).newer }

// link puts the entry before all others. Entry 0 closes the ring.
func (t *blockedTable) link(n int32) {
	first := t.at(0).older
	t.at(n).newer, t.at(n).older = 0, first
	t.at(first).newer, t.at(0).older = n, n
}

func (t *blockedTable) unlink(n int32) {
	e := t.at(n)
	t.at(e.newer).older, t.at(e.older).newer = e.older, e.newer
}
