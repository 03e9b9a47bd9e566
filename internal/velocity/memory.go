package velocity

import (
	"bytes"
	"sync"

	"fraudcheck/internal/slab"
)

// MinMemoryBytes is the least memory that a Memory can be given.
const MinMemoryBytes = slab.MinBytes

// Memory is the embedded store: the records of this process, in memory that it bounds
// itself.
//
// A record is kept until its rules' longest window has passed since it was last
// written, and while a hold or an override may last. Only when the bound is reached are
// records evicted before, and counted: those of the kind of subject that takes most memory, and among these the ones that
// no rule blocks, or is about to block, before the others. See package slab.
type Memory struct {
	table   *slab.Table
	scratch sync.Pool // *scratch
}

// A scratch holds the buffers of one operation. They are pooled and not kept in the
// shards, where each would keep the memory of its largest record, beyond the bound.
type scratch struct {
	record  Record
	bytes   []byte
	tallies []tally
}

// MemoryStats is what a Memory holds, and what it evicted.
type MemoryStats struct {
	Records int // kept now
	Bytes   int // taken from the system for them
	// EvictedInWindow is how many records were evicted before their end since the
	// start; EvictedByKind tells them apart by kind of subject ("ip", "email", ...).
	EvictedInWindow uint64
	EvictedByKind   map[string]uint64
}

// Add adds what another store holds and evicted.
func (s *MemoryStats) Add(o MemoryStats) {
	s.Records += o.Records
	s.Bytes += o.Bytes
	s.EvictedInWindow += o.EvictedInWindow
	for kind, n := range o.EvictedByKind {
		s.EvictedByKind[kind] += n
	}
}

// NewMemory makes an empty store that takes at most maxBytes for its records. It takes
// memory as it needs it; the error says that maxBytes is less than MinMemoryBytes, or
// that the system gives none.
func NewMemory(maxBytes int64) (*Memory, error) {
	table, err := slab.New(maxBytes)
	if err != nil {
		return nil, err
	}
	m := &Memory{table: table}
	m.scratch.New = func() any { return new(scratch) }
	return m, nil
}

// Update implements Store.
func (m *Memory) Update(u *Update) {
	m.edit(u, func(s *scratch, kept []byte) ([]byte, slab.Label) {
		s.decode(kept)
		u.apply(&s.record)
		if !u.changes() {
			return nil, slab.Label{}
		}
		s.bytes = s.record.append(s.bytes[:0])
		return s.bytes, u.label(&s.record, u.result.tallies)
	})
}

// recall appends the encoding of the record of u's subject to dst; nothing where there is
// no record.
func (m *Memory) recall(u *Update, dst []byte) []byte {
	m.edit(u, func(_ *scratch, kept []byte) ([]byte, slab.Label) {
		dst = append(dst, kept...)
		return nil, slab.Label{}
	})
	return dst
}

// keep makes r, with its encoding, the record of u's subject. r holds what was recalled,
// and u was the last applied to it. What the record of the subject has learned since then
// is merged.
func (m *Memory) keep(u *Update, r *Record, encoding, recalled []byte) {
	m.edit(u, func(s *scratch, kept []byte) ([]byte, slab.Label) {
		if bytes.Equal(kept, recalled) {
			return encoding, u.label(r, u.result.tallies)
		}
		s.decode(kept)
		u.prune(&s.record) // a time pulled back must not come again
		s.record.merge(r, u.subject)
		s.bytes = s.record.append(s.bytes[:0])
		return s.bytes, u.label(&s.record, s.tally(u))
	})
}

// edit calls change with the encoding of the record of u's subject, nil where there is
// none, and keeps what it returns, unless that is nil. The record is locked meanwhile.
func (m *Memory) edit(u *Update, change func(s *scratch, kept []byte) ([]byte, slab.Label)) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	m.table.Edit((*slab.Key)(&u.key), seconds(u.now), &s.bytes, func(kept []byte) ([]byte, slab.Label) {
		return change(s, kept)
	})
}

// decode decodes what is kept into record; of nil, nothing.
func (s *scratch) decode(kept []byte) {
	s.record.reset()
	if kept != nil && s.record.decode(kept) != nil {
		s.record.reset() // only a fault of this program leads here
	}
}

// seconds is t in whole seconds since the epoch.
func seconds(t Time) uint32 { return uint32(t / 1000) }

// ends is when u's record stops to matter, in seconds since the epoch, rounded up: a
// window after the latest time that it may have, or when its last mark ends. What was
// forgotten matters as long as an older copy elsewhere, whose mark may begin a hold.
func (u *Update) ends(r *Record) uint32 {
	end := u.now + ahead + u.subject.window
	if r.generation > 0 {
		end = u.now + ahead + u.subject.retain
	}
	for i := range r.marks {
		m := &r.marks[i]
		end = max(end, m.at+u.subject.life(m.key))
	}
	return seconds(end) + 1
}

// The ranks of a record, by what evicting it would cost: the lowest goes first.
const (
	// No rule is near its limit.
	rankOrdinary slab.Rank = iota
	// A rule finds more than half of its block_over, or would have the subject reviewed.
	rankNear
	// An enforced rule blocks the subject, or an analyst had it forgotten within the
	// longest window or hold, which an older copy elsewhere must not undo.
	rankBlocked
	// A hold runs, or the record has an override or marks that only others read: it is kept
	// longer than those of other ranks, and the records of one rank end about in order.
	rankMarked
)

// rank is the rank of the record in which the rules find these tallies.
func (u *Update) rank(r *Record, tallies []tally) slab.Rank {
	switch {
	case r.hasForeignMarks(u.subject):
		return rankMarked
	case r.generation > 0 && u.now.age(Time(r.generation)) < u.subject.retain:
		return rankBlocked
	}
	rank := rankOrdinary
	for i, t := range tallies {
		rule, count := &u.plan.rules[u.subject.rules[i].index], t.count
		switch {
		case t.held && rule.Mode == Enforce:
			return rankMarked
		case count > rule.BlockOver && rule.Mode == Enforce:
			rank = rankBlocked
		case rank == rankBlocked:
		case count > rule.limit() || 2*count > rule.BlockOver:
			rank = rankNear
		}
	}
	return rank
}

// tally is what the rules find in the record at hand as one of u's subject.
func (s *scratch) tally(u *Update) []tally {
	s.tallies = s.tallies[:0]
	for i := range u.subject.rules {
		s.tallies = append(s.tallies, u.tally(&s.record, &u.subject.rules[i]))
	}
	return s.tallies
}

// label says how the record in which the rules find these tallies is kept.
func (u *Update) label(r *Record, tallies []tally) slab.Label {
	return slab.Label{Group: u.subject.kind.id, Rank: u.rank(r, tallies), Ends: u.ends(r), Tag: u.network}
}

// Stats says what the store holds and what it evicted.
func (m *Memory) Stats() MemoryStats {
	held := m.table.Stats()
	stats := MemoryStats{Records: held.Records, Bytes: held.Bytes, EvictedByKind: make(map[string]uint64)}
	for id, n := range held.EvictedInWindow {
		stats.EvictedInWindow += n
		if i := kindIndex(id); i >= 0 {
			stats.EvictedByKind[kinds[i].subject] = n
		}
	}
	return stats
}

// subjectOf is the plan of the subjects of that kind, nil when no rule watches it.
func (p *Plan) subjectOf(kind byte) *subjectPlan {
	for i := range p.subjects {
		if p.subjects[i].kind.id == kind {
			return &p.subjects[i]
		}
	}
	return nil
}
