package velocity

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"

	"fraudcheck/internal/slab"
)

// An urgency orders what a server is told.
type urgency uint8

const (
	marked urgency = iota // by an analyst, for instance
	forgotten
	blocking
	ordinary // not told
)

// urgency of the record, to which u was applied.
func (u *Update) urgency(r *Record) urgency {
	switch {
	case slices.ContainsFunc(r.marks, func(m mark) bool { return m.key.lasting }):
		return marked
	case r.generation > 0 && u.now.age(Time(r.generation)) < u.subject.retain:
		return forgotten
	case u.blocks() || r.hasForeignMarks(u.subject):
		return blocking
	}
	return ordinary
}

// Bounds of what is kept in memory to tell a server in order.
const (
	urgentAtOnce = 1 << 16 // records: 3 MiB, up to five times that while they are looked for
	maxNetworks  = 1 << 16 // whose records are counted; those of others are told as if they had no network
	perNetwork   = 100     // records told before those of others
)

// An urgentRecord is one that a server is to be told of.
type urgentRecord struct {
	subject *subjectPlan
	key     Key
	changed Time
	urgency urgency
	network uint32 // see networkTag; 0 for none
}

// compare is negative where r is told before o.
func (r *urgentRecord) compare(o *urgentRecord) int {
	return cmp.Or(cmp.Compare(r.urgency, o.urgency), cmp.Compare(o.changed, r.changed), bytes.Compare(r.key[:], o.key[:]))
}

// urgent yields an update, which adds nothing, for every record that a server is to be
// told of: by urgency, the one that was changed last first. Of the blocked ones of one
// network perNetwork come in that order and the rest at the end, so that an attacker who
// has a whole network does not keep the server from hearing of others. wanted says of
// which keys; at most atOnce records are sorted at once.
func (m *Memory) urgent(plan *Plan, now Time, atOnce int, wanted func(Key) bool) iter.Seq[*Update] {
	return func(yield func(*Update) bool) {
		for _, rest := range []bool{false, true} {
			shares := &networkShares{rest: rest, seen: make(map[uint32]int)}
			for found := []urgentRecord(nil); ; {
				found = m.urgentAfter(found, plan, now, atOnce, func(r *urgentRecord) bool { return wanted(r.key) && shares.mayTell(r) })
				for i := range found {
					r := &found[i]
					if shares.tell(r) && !yield(tellOf(plan, r.subject, r.key, r.network, now)) {
						return
					}
				}
				if len(found) < atOnce {
					break
				}
			}
			if !shares.exceeded {
				return
			}
		}
	}
}

// urgentAfter returns the first of the wanted records, in order, at most that many: of
// those after the last of before, if there is one. It reuses the memory of before.
func (m *Memory) urgentAfter(before []urgentRecord, plan *Plan, now Time, most int, wanted func(*urgentRecord) bool) (found []urgentRecord) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	var last urgentRecord
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	found = before[:0]
	var u Update
	for i := range m.table.Shards() {
		m.table.Visit(i, func(key *slab.Key, l slab.Label, record []byte) {
			subject := plan.subjectOf(l.Group)
			if subject == nil {
				return
			}
			u.begin(plan, subject, Key(*key), now, read)
			s.decode(record)
			u.apply(&s.record)
			r := urgentRecord{subject: subject, key: u.key, urgency: u.urgency(&s.record), changed: s.record.changed(), network: l.Tag}
			if r.urgency < ordinary && (last.subject == nil || r.compare(&last) > 0) && wanted(&r) {
				found = append(found, r)
			}
		})
		if len(found) > 4*most {
			found = firstOf(found, most)
		}
	}
	return firstOf(found, most)
}

// firstOf orders the records and keeps the first of them.
func firstOf(records []urgentRecord, most int) []urgentRecord {
	slices.SortFunc(records, func(a, b urgentRecord) int { return a.compare(&b) })
	return records[:min(len(records), most)]
}

// networkShares counts the blocked records of each network, in the order of telling. It
// lets those within their network's share be told, or with rest all others.
type networkShares struct {
	rest     bool
	seen     map[uint32]int // by network
	exceeded bool           // a network has more than its share
}

// counted reports whether the record counts to its network's share.
func (n *networkShares) counted(r *urgentRecord) bool {
	if r.urgency != blocking || r.network == 0 {
		return false
	}
	_, known := n.seen[r.network]
	return known || len(n.seen) < maxNetworks
}

// mayTell reports false for a record that is not to be told now, whatever comes between.
func (n *networkShares) mayTell(r *urgentRecord) bool {
	if n.rest || !n.counted(r) || n.seen[r.network] < perNetwork {
		return true
	}
	n.exceeded = true
	return false
}

// tell counts the record, and reports whether it is to be told now.
func (n *networkShares) tell(r *urgentRecord) bool {
	if !n.counted(r) {
		return !n.rest
	}
	n.seen[r.network]++
	within := n.seen[r.network] <= perNetwork
	n.exceeded = n.exceeded || !within
	return within != n.rest
}

var networkSeed = maphash.MakeSeed()

// networkTag tells the network of an IP address, a /24 or /48, from others, in this
// process only. It is not 0.
func networkTag(a netip.Addr) uint32 {
	bytes := a.As16()
	network := binary.BigEndian.Uint64(bytes[:]) >> (64 - networkBits6)
	if a.Is4() {
		network = 1<<63 | uint64(binary.BigEndian.Uint32(bytes[12:])>>(32-networkBits4))
	}
	return uint32(maphash.Comparable(networkSeed, network)) | 1
}
