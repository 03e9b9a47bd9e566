package recent

import (
	"hash/maphash"
	"net/netip"
)

// addresses are those that have entries in a Ring, in memory that is made once and holds no
// pointers. They are chained by a keyed hash, so that nobody can choose addresses that
// collide.
type addresses struct {
	seed    maphash.Seed
	buckets []int32 // the first address of each chain
	all     []address
	unused  int32 // the first of a chain of those without entries
}

// An addressKey is a network of one address or more, as IPv6.
type addressKey [16]byte

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
	t := addresses{seed: maphash.MakeSeed(), buckets: make([]int32, buckets), all: make([]address, most)}
	for i := range t.buckets {
		t.buckets[i] = none
	}
	for i := range t.all {
		t.all[i].next = int32(i) + 1
	}
	t.all[most-1].next = none
	return t
}

// keyOfAddress returns the network of an address: an IPv4 address itself, of an IPv6 one that
// many bits. No shopper has the address that stands for none, which is for multicast.
func keyOfAddress(addr netip.Addr, ipv6Prefix int) addressKey {
	switch {
	case !addr.IsValid():
		return addressKey{0xff}
	case addr.Is4():
		return addr.As16()
	}
	network, _ := addr.Prefix(ipv6Prefix) // the settings allow no length that is too great
	return network.Addr().As16()
}

func (t *addresses) bucketOf(key *addressKey) uint32 {
	return uint32(maphash.Bytes(t.seed, key[:])) & uint32(len(t.buckets)-1)
}

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
