package recent

import (
	"cmp"
	"net/netip"
	"slices"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

const (
	// shareOf is the part of a ring that one address may have while others wait: one entry
	// in so many.
	shareOf = 20
	// waiting is how long ago the last decision of an address with less than its share may
	// lie, in ms, for others to wait for a place.
	waiting = 60_000
	// refreshed is how long, in ms, the newest entry of an address may stay its newest while
	// the address goes on trying.
	refreshed = 10_000
)

// A Ring keeps the last decisions in memory that is made once. It may be used from many
// goroutines at once.
//
// A full ring gives the place of the oldest entry to the next decision, as long as addresses
// take turns. One that floods has at most one entry in twenty while others wait for a place:
//
//   - An address with more than its share, a twentieth of the ring, gives up its own oldest
//     entry first. So honest decisions leave only for one another.
//   - Once it has its share, it gets an entry of its own when 19 others lie between, or once
//     in ten seconds. Until then what it does only raises More on its newest entry.
//   - Others wait while an address with less than its share was seen in the last minute. Where
//     none was, such as in a shop whose shoppers all come from one proxy, every decision has
//     an entry.
//
// An IPv6 address counts as its network, as the rules have it; attempts without an address
// count as one address.
type Ring struct {
	*Checks

	keep, share int
	instance    uint64

	slots  []slot // those of notes, and of entries, of which used were used so far
	used   int
	order  []int32 // the slot of each sequence number, found by its low bits; none: evicted
	oldest uint64  // sequence number of the oldest entry; next where there is none
	next   uint64  // of the next entry
	first  uint64  // of the first entry there was

	addresses addresses
	over      []int32 // the addresses that have more than their share, fewer than shareOf

	fetched int32 // see fetch

	latest velocity.Time // of the newest decision
	modest velocity.Time // of the newest of an address that had less than its share
	// The same, of the newest from another address than lastModest.
	modestBefore velocity.Time
	lastModest   addressKey
}

const none = -1

// A slot holds an entry.
type slot struct {
	seq       uint64
	time      velocity.Time
	address   netip.Addr
	card      velocity.ShortID
	attempt   velocity.ShortID
	caller    string
	reasons   []string
	rules     []ruleResult
	more      uint32
	of        int32 // its address, in addresses
	newer     int32 // the slot of the next entry of that address
	outcome   velocity.Outcome
	degraded  bool
	idLength  uint8
	requestID [64]byte
}

// A ruleResult is what one rule found. It holds no more of its plan than the rules.
type ruleResult struct {
	rule    *velocity.Rule
	count   int32
	outcome velocity.Outcome
}

// RingSettings say what a Ring is for.
type RingSettings struct {
	Keep     int    // decisions, at least 1
	Rules    int    // by which checks are decided; where there are more, it takes more memory once
	Instance string // which is told from others by it
	// Start is when the instance started. Its decisions are numbered from there on, so that
	// the numbers of an instance rise over its restarts.
	Start velocity.Time
}

// NewRing makes a ring: about 300 bytes for each decision.
func NewRing(set RingSettings) *Ring {
	keep, rules := set.Keep, set.Rules
	orders := 4
	for orders < 4*keep {
		orders *= 2
	}
	first, longAgo := uint64(set.Start)<<20, set.Start-waiting
	r := &Ring{
		keep: keep, share: max(1, keep/shareOf), instance: InstanceNumber(set.Instance),
		slots: make([]slot, mostNotes+keep), order: make([]int32, orders), oldest: first, next: first, first: first,
		addresses: newAddresses(keep), over: make([]int32, 0, shareOf), modest: longAgo, modestBefore: longAgo,
	}
	results, reasons := make([]ruleResult, len(r.slots)*rules), make([]string, len(r.slots))
	for i := range r.slots {
		s := &r.slots[i]
		s.rules = results[i*rules : i*rules : (i+1)*rules]
		s.reasons = reasons[i : i : i+1]
	}
	r.Checks = newChecks(r, nil)
	return r
}

// fetch reads what the notes will mostly need, so that the processor fetches it at the same
// time: one after the other, each waits for memory three times.
func (r *Ring) fetch(notes []note) {
	sum := int32(0)
	for i := range notes {
		sum += r.addresses.buckets[r.addresses.bucketOf(notes[i].hash)]
		if at := r.order[(r.oldest+uint64(i))&r.mask()]; at != none {
			sum += r.addresses.all[r.slots[at].of].count
		}
	}
	r.fetched = sum
}

// note takes what was noted of a check.
func (r *Ring) note(n *note) {
	bucket := r.addresses.bucketOf(n.hash)
	r.latest = max(r.latest, n.time)
	of := r.addresses.find(bucket, &n.key)
	if of != none && !r.admits(of, &n.key) {
		if newest := &r.slots[r.addresses.all[of].newest]; newest.more < 1<<32-1 {
			newest.more++
		}
		return
	}
	at := n.slot
	n.slot = r.place(of)                              // which the next check to be noted fills
	if of == none || r.addresses.all[of].count == 0 { // what left may have been its last
		of = r.addresses.add(bucket, &n.key)
	}
	r.append(at, of, &n.key)
}

// admits reports whether the address, which has entries, gets one more.
func (r *Ring) admits(of int32, key *addressKey) bool {
	a := &r.addresses.all[of]
	if r.used < r.keep || int(a.count) < r.share {
		return true
	}
	others := r.modest
	if r.lastModest == *key {
		others = r.modestBefore
	}
	newest := &r.slots[a.newest]
	return r.latest-others >= waiting || r.next-newest.seq >= shareOf || r.latest-newest.time >= refreshed
}

// place returns a slot for an entry of the address, none for one without entries: an unused
// one, or that of an entry that leaves.
func (r *Ring) place(of int32) int32 {
	if r.used < r.keep {
		r.used++
		return int32(mostNotes + r.used - 1)
	}
	return r.evictOldestOf(r.giver(of))
}

// giver returns the address that gives up its oldest entry, in a full ring, for one of the
// address of.
func (r *Ring) giver(of int32) int32 {
	all := r.addresses.all
	ofOldest := r.slots[r.order[r.oldest&r.mask()]].of
	if r.next-r.oldest == uint64(len(r.order)) {
		return ofOldest // there is no number left: one address floods, and nobody else comes
	}
	if len(r.over) > 0 {
		return slices.MaxFunc(r.over, func(a, b int32) int {
			x, y := &all[a], &all[b]
			return cmp.Or(cmp.Compare(x.count, y.count), cmp.Compare(r.slots[y.oldest].seq, r.slots[x.oldest].seq))
		})
	}
	if of != none && int(all[of].count) >= r.share {
		return of
	}
	return ofOldest
}

// mask finds the place of a sequence number in order.
func (r *Ring) mask() uint64 { return uint64(len(r.order) - 1) }

// evictOldestOf evicts the oldest entry of the address, and returns its slot.
func (r *Ring) evictOldestOf(of int32) int32 {
	a := &r.addresses.all[of]
	at := a.oldest
	s := &r.slots[at]
	r.order[s.seq&r.mask()] = none
	for r.oldest < r.next && r.order[r.oldest&r.mask()] == none {
		r.oldest++
	}
	a.oldest = s.newer
	a.count--
	switch int(a.count) {
	case 0:
		r.addresses.remove(of)
	case r.share:
		i := slices.Index(r.over, of)
		r.over = slices.Delete(r.over, i, i+1)
	}
	return at
}

// append makes the filled slot the newest entry, of that address.
func (r *Ring) append(at, of int32, key *addressKey) {
	s, a := &r.slots[at], &r.addresses.all[of]
	s.seq, s.time, s.of, s.newer, s.more = r.next, r.latest, of, none, 0
	r.order[r.next&r.mask()] = at
	r.next++
	if a.count == 0 {
		a.oldest = at
	} else {
		r.slots[a.newest].newer = at
	}
	a.newest = at
	a.count++
	if int(a.count) == r.share+1 {
		r.over = append(r.over, of)
	}
	if int(a.count) <= r.share {
		if r.lastModest != *key {
			r.lastModest, r.modestBefore = *key, r.modest
		}
		r.modest = r.latest
	}
}

// fill notes the decision in the slot. It allocates only where there are more rules, or
// reasons, than the slot ever held.
func (s *slot) fill(e *event.Event) {
	d := e.Decision
	s.address, s.card, s.attempt = e.Attempt.Address, e.ShortCard, e.ShortAttempt
	s.outcome, s.degraded = d.Outcome, d.Degraded
	s.caller = ""
	if e.Caller != nil {
		s.caller = e.Caller.Name
	}
	s.idLength = uint8(copy(s.requestID[:], e.RequestID))
	s.reasons = append(s.reasons[:0], d.Reasons...)
	s.rules = s.rules[:0]
	for i := range d.Rules {
		f := &d.Rules[i]
		s.rules = append(s.rules, ruleResult{f.Rule, int32(f.Count), f.Outcome})
	}
}
