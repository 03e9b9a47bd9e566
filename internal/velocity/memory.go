package velocity

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
	"slices"
	"sync"
)

// MinMemoryBytes is the least memory a Memory can be given.
const MinMemoryBytes = 1 << 20

const maxShards = 256

// Memory is the embedded store: the records of this process, in memory it bounds
// itself. Many shards, each with its own lock, share nothing.
//
// A record is kept until its rules' longest window has passed since it was last
// written. Only when the bound is reached are records forgotten before, the one
// nearest to its end first, and counted.
type Memory struct {
	shards []shard
	mask   uint16
	desks  sync.Pool // *desk
}

// A desk has the record at hand, decoded and written. Shards have none of their
// own: each would keep the memory of its largest record, beyond the bound.
type desk struct {
	record  Record
	written []byte
}

// MemoryStats is what a Memory holds, and lost.
type MemoryStats struct {
	Records         int    // kept now
	Bytes           int    // taken from the system for them
	EvictedInWindow uint64 // forgotten because of the bound, since the start
}

// NewMemory makes an empty store that takes at most maxBytes for its records.
func NewMemory(maxBytes int64) (*Memory, error) {
	if maxBytes < MinMemoryBytes {
		return nil, errors.New("expected at least 1MiB")
	}
	// Each shard has room for several records of the greatest size.
	n := min(maxShards, 1<<(bits.Len64(uint64(maxBytes/MinMemoryBytes))-1))
	m := &Memory{shards: make([]shard, n), mask: uint16(n - 1)}
	m.desks.New = func() any { return new(desk) }
	pages := int(min(maxBytes/int64(n)/pageSize, maxPages-1))
	together := (maxPages - 1) / pages // so many shards have room in one arena
	var a *arena
	for i := range m.shards {
		if i%together == 0 {
			var err error
			if a, err = newArena(min(together, n-i) * pages); err != nil {
				return nil, err
			}
		}
		m.shards[i].init(a, pages)
	}
	return m, nil
}

// Update implements Store.
func (m *Memory) Update(u *Update) {
	d := m.desks.Get().(*desk)
	defer m.desks.Put(d)
	m.shard(u.key).update(u, d)
}

// shard: keys are keyed hashes, any of their bits spread evenly.
func (m *Memory) shard(key Key) *shard {
	return &m.shards[binary.LittleEndian.Uint16(key[:])&m.mask]
}

// recall copies the record of u's subject to r and reports whether there is one.
func (m *Memory) recall(u *Update, r *Record) bool {
	d := m.desks.Get().(*desk)
	defer m.desks.Put(d)
	s := m.shard(u.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(u.key)
	s.read(at, r, d)
	return at != 0
}

// absorb merges r into the record of u's subject.
func (m *Memory) absorb(u *Update, r *Record) {
	d := m.desks.Get().(*desk)
	defer m.desks.Put(d)
	s := m.shard(u.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(u.key)
	s.read(at, &d.record, d)
	d.record.prune(u.subject, u.now) // a time pulled back must not come again
	d.record.merge(r, u.subject)
	s.keep(at, u, d)
}

// Stats adds up all shards.
func (m *Memory) Stats() (total MemoryStats) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		total.Records += s.index.used
		total.Bytes += s.bytes()
		total.EvictedInWindow += s.evicted
		s.mu.Unlock()
	}
	return total
}

// A shard keeps written records in chains of cells, finds them through an index,
// and strings each kind of subject in the order of writing. One kind's records
// live equally long, so that order is also the order in which they end.
type shard struct {
	mu      sync.Mutex
	cells   cells
	index   index
	ages    [len(kinds) + 1]age // by kind id
	evicted uint64
}

// age is one kind's records in the order of writing.
type age struct{ newest, oldest ref }

// init lets the shard take so many pages. A quarter is the index's: as much as it
// needs when every record takes but one cell.
func (s *shard) init(a *arena, pages int) {
	s.cells.arena, s.cells.limit = a, pages-pages/4
	s.index.arena, s.index.limit = a, pages/4*pageSize/pageCost
}

func (s *shard) bytes() int { return s.cells.bytes() + s.index.bytes() }

func (s *shard) update(u *Update, d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(u.key)
	s.read(r, &d.record, d)
	u.apply(&d.record)
	if u.changes() {
		s.keep(r, u, d)
	}
}

// find returns where the record under key is kept; 0 when it is not.
func (s *shard) find(key Key) ref { return s.index.find(hashOf(key), key, &s.cells) }

// read decodes what is kept at r into record; of 0, nothing.
func (s *shard) read(r ref, record *Record, d *desk) {
	record.reset()
	if r != 0 && record.decode(s.cells.read(r, &d.written)) != nil {
		record.reset() // only a fault of this program leads here
	}
}

// keep writes the record at hand as that of u's subject, over r when there is one.
func (s *shard) keep(r ref, u *Update, d *desk) {
	d.written = d.record.append(d.written[:0])
	if r != 0 {
		s.unlink(r) // so that making room does not take this very record
	} else {
		r = s.add(u.key, u.subject.kind.id, u.now)
	}
	s.cells.write(r, d.written, func() ref { return s.room(u.now) })
	s.cells.at(r).setEnds(endOf(u))
	s.link(r)
	s.dropEnded(u.subject.kind.id, u.now)
}

// hashOf is where a key stands in its shard's index. Keys are keyed hashes
// already; the first bytes chose the shard.
func hashOf(key Key) uint32 { return binary.LittleEndian.Uint32(key[2:]) }

// endOf is when u's record stops to matter, in seconds since the epoch, rounded
// up: a window after the latest time it may hold.
func endOf(u *Update) uint32 { return uint32((u.now+ahead+u.subject.retain)/1000) + 1 }

// add makes an empty record, in the index and not yet in any order.
func (s *shard) add(key Key, kind byte, now Time) ref {
	r := s.room(now)
	s.cells.at(r).init(key, kind)
	hash := hashOf(key)
	for !s.index.fits(hash) && !s.index.grow(hash) {
		s.evict(now)
	}
	s.index.insert(hash, r)
	return r
}

// room returns a free cell, at the cost of other records when it must.
func (s *shard) room(now Time) ref {
	for {
		if r := s.cells.take(); r != 0 {
			return r
		}
		s.evict(now)
	}
}

// dropEnded forgets what has ended, two at a time: more than one update can add,
// so the ended never pile up, and no update pays for many.
func (s *shard) dropEnded(kind byte, now Time) {
	for range 2 {
		if r := s.ages[kind].oldest; r != 0 && int64(s.cells.at(r).ends()) <= int64(now/1000) {
			s.drop(r)
		}
	}
}

// evict forgets the record nearest to its end, whatever its kind.
func (s *shard) evict(now Time) {
	var first ref
	for _, a := range s.ages {
		if a.oldest != 0 && (first == 0 || s.cells.at(a.oldest).ends() < s.cells.at(first).ends()) {
			first = a.oldest
		}
	}
	if int64(s.cells.at(first).ends()) > int64(now/1000) {
		s.evicted++
	}
	s.drop(first)
}

func (s *shard) drop(r ref) {
	s.unlink(r)
	s.index.remove(hashOf(s.cells.at(r).key()), r)
	s.cells.give(r)
}

// link makes r the newest of its kind.
func (s *shard) link(r ref) {
	c := s.cells.at(r)
	a := &s.ages[c.kind()]
	c.setNewer(0)
	c.setOlder(a.newest)
	if a.newest != 0 {
		s.cells.at(a.newest).setNewer(r)
	} else {
		a.oldest = r
	}
	a.newest = r
}

func (s *shard) unlink(r ref) {
	c := s.cells.at(r)
	a := &s.ages[c.kind()]
	if n := c.newer(); n != 0 {
		s.cells.at(n).setOlder(c.older())
	} else {
		a.newest = c.older()
	}
	if o := c.older(); o != 0 {
		s.cells.at(o).setNewer(c.newer())
	} else {
		a.oldest = c.newer()
	}
}

// urgent yields an update, which observes nothing, for every record that a server is
// to be told of (tell.go), in that order, and not many more than most. wanted says whose.
func (m *Memory) urgent(plan *Plan, now Time, most int, wanted func(Key) bool) iter.Seq[*Update] {
	d := m.desks.Get().(*desk)
	defer m.desks.Put(d)
	var found []urgentRecord
	perShard := max(64, 4*most/len(m.shards)) // keys are spread evenly
	for i := range m.shards {
		found = m.shards[i].urgent(plan, now, d, found, perShard, wanted)
	}
	slices.SortStableFunc(found, func(a, b urgentRecord) int {
		return cmp.Or(cmp.Compare(a.urgency, b.urgency), cmp.Compare(b.written, a.written))
	})
	return func(yield func(*Update) bool) {
		for _, r := range found[:min(len(found), most)] {
			if !yield(tellOf(plan, r.subject, r.key, now)) {
				return
			}
		}
	}
}

type urgentRecord struct {
	subject *subjectPlan
	key     Key
	urgency urgency
	written int64 // when, in seconds
}

func (s *shard) urgent(plan *Plan, now Time, d *desk, found []urgentRecord, most int, wanted func(Key) bool) []urgentRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	var u Update
	var n [ordinary]int // of each urgency
	for i := range plan.subjects {
		subject := &plan.subjects[i]
		for r := s.ages[subject.kind.id].newest; r != 0; r = s.cells.at(r).older() {
			key := s.cells.at(r).key()
			if !wanted(key) {
				continue
			}
			u.begin(plan, subject, key, now)
			s.read(r, &d.record, d)
			u.apply(&d.record)
			if of := u.urgency(&d.record); of < ordinary && n[of] < most {
				n[of]++
				written := int64(s.cells.at(r).ends()) - int64(subject.retain)/1000
				found = append(found, urgentRecord{subject: subject, key: key, urgency: of, written: written})
			}
		}
	}
	return found
}
