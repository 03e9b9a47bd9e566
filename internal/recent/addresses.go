package recent

// addresses are those that have entries in a Ring, in memory that is made once and holds no
// pointers. They are chained by a keyed hash, so that nobody can choose addresses that
// collide.
type addresses struct {
	buckets []int32 // the first address of each chain
	all     []address
	unused  int32 // the first of a chain of those without entries
}

// An addressKey is an address as it counts: see [event.Event.Subject].
type addressKey = [16]byte

// An address of a Ring.
type address struct {
	key            addressKey
	bucket         uint32
	next           int32 // in the chain
	count          int32 // of its entries
	oldest, newest int32 // slots of its entries, if it has any
}

// newAddresses has room for that many.
func newAddresses(most int) addresses {
	buckets := 2
	for buckets < 2*most {
		buckets *= 2
	}
	t := addresses{buckets: make([]int32, buckets), all: make([]address, most)}
	for i := range t.buckets {
		t.buckets[i] = none
	}
	for i := range t.all {
		t.all[i].next = int32(i) + 1
	}
	t.all[most-1].next = none
	return t
}

// bucketOf returns the chain of the addresses with that hash.
func (t *addresses) bucketOf(hash uint64) uint32 { return uint32(hash) & uint32(len(t.buckets)-1) }

// find returns the address with that key; none where it has no entry.
func (t *addresses) find(bucket uint32, key *addressKey) int32 {
	at := t.buckets[bucket]
	for at != none && t.all[at].key != *key {
		at = t.all[at].next
	}
	return at
}

// add adds an address without entries. There is room for it.
func (t *addresses) add(bucket uint32, key *addressKey) int32 {
	at := t.unused
	t.unused = t.all[at].next
	t.all[at] = address{key: *key, bucket: bucket, next: t.buckets[bucket]}
	t.buckets[bucket] = at
	return at
}

// remove takes out an address.
func (t *addresses) remove(at int32) {
	link := &t.buckets[t.all[at].bucket]
	for *link != at {
		link = &t.all[*link].next
	}
	*link = t.all[at].next
	t.all[at].next = t.unused
	t.unused = at
}
