package slab

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
)

const (
	// MinBytes is the least memory that a Table can be given.
	MinBytes = 1 << 20
	// MaxRecord is the most bytes of one record.
	MaxRecord = 128 << 10

	maxShards = 256
)

// A Key names a record: 128 bits of a keyed hash. The table takes the bits as they
// are, so keys that an outsider can choose could fill one shard.
type Key = [16]byte

// A Label is what the table knows of a record beside its bytes.
type Label struct {
	// Group is whose share of the memory the record takes.
	Group byte
	// Rank orders the records of a group for eviction: the lowest goes first. Records
	// of one group and rank are to be kept about equally long.
	Rank Rank
	// Ends is when the record does not matter any more, in seconds since the epoch.
	Ends uint32
	// Tag means nothing to the table.
	Tag uint32
}

// A Rank is how much a record matters to its group, from 0 to Ranks-1.
type Rank uint8

// Ranks is how many ranks there are.
const Ranks = 4

// A Table is the records. It may be used from many goroutines at once.
type Table struct {
	shards []shard
	mask   uint16
}

// New makes an empty table that takes at most maxBytes of memory. The error says that
// maxBytes is less than MinBytes, or that the system does not give the first 16 MiB.
func New(maxBytes int64) (*Table, error) {
	if maxBytes < MinBytes {
		return nil, fmt.Errorf("expected at least %dMiB", MinBytes>>20)
	}
	// Each shard has room for several records of the greatest size.
	n := min(maxShards, 1<<(bits.Len64(uint64(maxBytes/MinBytes))-1))
	t := &Table{shards: make([]shard, n), mask: uint16(n - 1)}
	pages := int(min(maxBytes/int64(n)/pageSize, maxPages-1))
	perArena := (maxPages - 1) / pages // shards
	var a *arena
	for i := range t.shards {
		if i%perArena == 0 {
			var err error
			if a, err = newArena(min(perArena, n-i) * pages); err != nil {
				return nil, err
			}
		}
		t.shards[i].init(a, pages)
	}
	return t, nil
}

// Edit calls edit with the record under key, nil when there is none, and keeps what it
// returns under that label; nil leaves everything as it is. now is in seconds since the
// epoch. No other edit of the record runs meanwhile.
//
// The bytes that edit gets are valid until it returns: they lie in the table, or in
// buffer, which grows as needed and can be reused. edit must not call the table.
//
// Keeping a record may evict others. A record of more than MaxRecord bytes, or one for
// which the system gives no memory, is not kept: nothing is left under its key, and it
// counts as evicted.
func (t *Table) Edit(key *Key, now uint32, buffer *[]byte, edit func(record []byte) ([]byte, Label)) {
	s := &t.shards[t.ShardOf(key)]
	s.mu.Lock()
	defer s.mu.Unlock()
	var record []byte
	r := s.find(key)
	if r != 0 {
		record = s.cells.read(r, buffer)
	}
	if record, label := edit(record); record != nil {
		s.keep(r, key, record, label, now)
	}
}

// ShardOf is the number of the shard of the record under key, 0 to Shards()-1. It takes the
// first bits of the key, hashOf others.
func (t *Table) ShardOf(key *Key) int { return int(binary.LittleEndian.Uint16(key[:]) & t.mask) }

// Shards is how many parts the table has.
func (t *Table) Shards() int { return len(t.shards) }

// Visit calls visit with every record of one shard, 0 to Shards()-1, while the shard is
// locked: group by group, the lowest rank first, within a rank those written longest ago
// first. The bytes are valid until visit returns; visit must not call the
// table.
func (t *Table) Visit(shard int, visit func(key *Key, label Label, record []byte)) {
	s := &t.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	var buffer []byte
	for i := range s.groups {
		for _, q := range s.groups[i].queues {
			for r := q.oldest; r != 0; r = s.cells.at(r).newer() {
				c := s.cells.at(r)
				visit(c.key(), c.label(), s.cells.read(r, &buffer))
			}
		}
	}
}

// Stats is what a Table holds, and what it evicted.
type Stats struct {
	Records int // kept now
	Bytes   int // taken from the system for them
	// EvictedInWindow is how many records were evicted before their end since the
	// start, by group.
	EvictedInWindow map[byte]uint64
}

// Stats adds up all shards.
func (t *Table) Stats() Stats {
	total := Stats{EvictedInWindow: make(map[byte]uint64)}
	for i := range t.shards {
		t.shards[i].addTo(&total)
	}
	return total
}

// A shard is a part of the table with a lock of its own.
type shard struct {
	mu     sync.Mutex
	cells  cells
	index  index
	groups []group
}

// init gives the shard its share of pages. A quarter is for the index: as much as it
// needs when every record takes one cell.
func (s *shard) init(a *arena, pages int) {
	s.cells = cells{steps: a.steps, arena: a, limit: pages - pages/4}
	s.index = index{steps: a.steps, arena: a, limit: pages / 4 * pageSize / pageCost}
}

func (s *shard) addTo(total *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total.Records += s.index.used
	total.Bytes += s.cells.bytes() + s.index.bytes()
	for i := range s.groups {
		if g := &s.groups[i]; g.evicted > 0 {
			total.EvictedInWindow[g.id] += g.evicted
		}
	}
}

// hashOf is where the index looks for the key. Keys are keyed hashes already; their
// first bits chose the shard.
func hashOf(key *Key) uint32 { return binary.LittleEndian.Uint32(key[2:]) }

func (s *shard) find(key *Key) ref { return s.index.find(hashOf(key), key, &s.cells) }

// keep writes the record over r, or for r 0 as a new one.
func (s *shard) keep(r ref, key *Key, record []byte, label Label, now uint32) {
	g := s.group(label.Group)
	if r != 0 {
		s.unlink(r) // so that making room does not evict this record
	} else if r = s.add(key, now); r == 0 {
		g.evicted++
		return
	}
	if len(record) > MaxRecord || !s.cells.write(r, record, func() ref { return s.take(now) }) {
		g.evicted++
		s.remove(r)
		return
	}
	s.cells.at(r).setLabel(label, len(record))
	s.link(&g.queues[label.Rank], r)
	s.dropEnded(g, now)
}

// add makes an empty record, in the index and not yet in a queue; 0 without memory.
func (s *shard) add(key *Key, now uint32) ref {
	hash := hashOf(key)
	for !s.index.fits(hash) {
		if !s.index.split(hash) && !s.evict(now) {
			return 0
		}
	}
	r := s.take(now)
	if r != 0 {
		s.cells.at(r).init(key)
		s.index.insert(hash, r)
	}
	return r
}

// take returns a cell, evicting others for it when it must; 0 without memory.
func (s *shard) take(now uint32) ref {
	for {
		if r := s.cells.take(); r != 0 || !s.evict(now) {
			return r
		}
	}
}

// remove takes r, which is in no queue, out of the shard.
func (s *shard) remove(r ref) {
	s.index.remove(hashOf(s.cells.at(r).key()), r)
	s.cells.freeRecord(r)
}
