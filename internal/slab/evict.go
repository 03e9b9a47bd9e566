package slab

// Eviction. Every shard keeps its records in queues, one for each group and rank, in
// the order in which they were last kept. Those of one queue are kept about equally
// long, so that order is also the order in which they end.
//
// When a shard has no cell left, it evicts one record:
//
//  1. One that has ended, of whatever group, if a queue begins with one. It is not
//     counted.
//  2. Otherwise one of the group with the most cells. So no group can take from another
//     what that one needs, up to an equal share of the memory (max-min fairness), and
//     what one group does not need the others can use.
//  3. Within the group, one of the lowest rank that has more than a quarter of the
//     group's cells. So a low rank is evicted before a higher one; but records of high
//     rank, however many, leave room for new ones, whose rank may still rise.
//  4. Within the rank, the one that was kept longest ago.
//
// Only the heads of the queues are looked at, so the work of an eviction does not
// depend on how many records there are.

// A group is the records that share one part of the memory.
type group struct {
	queues  [Ranks]queue
	evicted uint64 // records, before their end
	id      byte
}

// A queue is the records of one group and rank, linked in the order in which they
// were last kept.
type queue struct {
	newest, oldest ref
	ends           uint32 // end of the oldest
	cells          uint32 // of all records
}

// group returns the group with that id, made at its first use; there are a handful. It
// is valid until another group is made.
func (s *shard) group(id byte) *group {
	for i := range s.groups {
		if s.groups[i].id == id {
			return &s.groups[i]
		}
	}
	s.groups = append(s.groups, group{id: id})
	return &s.groups[len(s.groups)-1]
}

// cells is the number of cells of all records of the group.
func (g *group) cells() (n uint32) {
	for i := range g.queues {
		n += g.queues[i].cells
	}
	return n
}

// evict removes one record. It reports false when the shard has none.
func (s *shard) evict(now uint32) bool {
	var largest *group
	var most uint32
	for i := range s.groups {
		g := &s.groups[i]
		if q := g.ended(now); q != nil {
			s.drop(q.oldest)
			return true
		}
		if n := g.cells(); n > most {
			largest, most = g, n
		}
	}
	if largest == nil {
		return false
	}
	largest.evicted++
	s.drop(largest.victim(most).oldest)
	return true
}

// ended is the queue whose oldest record has ended, or nil.
func (g *group) ended(now uint32) *queue {
	for i := range g.queues {
		if q := &g.queues[i]; q.oldest != 0 && q.ends <= now {
			return q
		}
	}
	return nil
}

// victim is the queue of the lowest rank with more than a quarter of the group's cells.
// When none has, each has a quarter, and it is the highest.
func (g *group) victim(cells uint32) *queue {
	rank := 0
	for rank < Ranks-1 && g.queues[rank].cells <= cells/4 {
		rank++
	}
	return &g.queues[rank]
}

// dropEnded removes at most two records of the group that have ended. One edit adds at
// most one record, so those that have ended do not pile up, and no edit pays for many.
func (s *shard) dropEnded(g *group, now uint32) {
	for range 2 {
		q := g.ended(now)
		if q == nil {
			return
		}
		s.drop(q.oldest)
	}
}

func (s *shard) drop(r ref) {
	s.unlink(r)
	s.remove(r)
}

// link makes r the newest of the queue.
func (s *shard) link(q *queue, r ref) {
	c := s.cells.at(r)
	c.setNewer(0)
	c.setOlder(q.newest)
	if q.newest != 0 {
		s.cells.at(q.newest).setNewer(r)
	} else {
		q.oldest, q.ends = r, c.ends()
	}
	q.newest = r
	q.cells += uint32(cellsFor(c.size()))
}

// unlink takes r out of the queue that its label names.
func (s *shard) unlink(r ref) {
	c := s.cells.at(r)
	l := c.label()
	q := &s.group(l.Group).queues[l.Rank]
	newer, older := c.newer(), c.older()
	if newer != 0 {
		s.cells.at(newer).setOlder(older)
	} else {
		q.newest = older
	}
	if older != 0 {
		s.cells.at(older).setNewer(newer)
	} else if q.oldest = newer; newer != 0 {
		q.ends = s.cells.at(newer).ends()
	}
	q.cells -= uint32(cellsFor(c.size()))
}
