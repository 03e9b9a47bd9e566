package velocity

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// An Entry of the network lists decides for a network, whatever the rules find.
// Attempts from it are recorded all the same.
type Entry struct {
	Net     netip.Prefix // with no bit set beyond its length; a single address has all its bits
	Outcome Outcome      // Allow or Block
	Until   time.Time    // when the entry ends; zero for never
	Note    string       // the reason, for people
	// Repeats: the entry may repeat another one with the same outcome. Those of a file do.
	Repeats bool
}

// Lists are the network lists of the configuration: what is always allowed and always
// blocked. They are immutable. A look-up asks once for each prefix length that
// occurs, however many entries there are.
type Lists struct {
	entries []Entry
	byNet   map[netKey]int32 // indexes of entries
	// lengths4 and lengths6 are the lengths of prefixes that occur, longest first.
	lengths4, lengths6 []int
}

// A netKey is a network: the first bits of the address, which for IPv4 is an IPv4-mapped
// one. It has no pointer, so that the garbage collector does not look at each.
type netKey struct{ high, low, bits uint64 }

// keyOfNet returns the network of that length, from 0 to 128, around the address.
func keyOfNet(high, low uint64, bits int) netKey {
	if bits < 64 {
		return netKey{high &^ (1<<(64-bits) - 1), 0, uint64(bits)} // a shift by 64 leaves 0
	}
	return netKey{high, low &^ (1<<(128-bits) - 1), uint64(bits)}
}

// halves returns the address, or the IPv4-mapped one of an IPv4 address, as two numbers.
func halves(addr netip.Addr) (high, low uint64) {
	bytes := addr.As16()
	return binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:])
}

const mappedBits = 96 // before the address in an IPv4-mapped one

// NewLists compiles the entries, which it keeps. Of two with one network and outcome, of
// which one may repeat the other, the one that ends later stays. The error is an
// *EntryError when two others have the same network.
func NewLists(entries []Entry) (*Lists, error) {
	l := &Lists{entries: entries, byNet: make(map[netKey]int32, len(entries))}
	var occurs4, occurs6 [129]bool // lengths of keys
	for i := range entries {
		e := &entries[i]
		bits, occurs := e.Net.Bits(), &occurs6
		if e.Net.Addr().Is4() {
			bits, occurs = bits+mappedBits, &occurs4
		}
		high, low := halves(e.Net.Addr())
		key := keyOfNet(high, low, bits)
		if first, twice := l.byNet[key]; twice {
			other := &entries[first]
			if e.Outcome != other.Outcome || !e.Repeats && !other.Repeats {
				return nil, &EntryError{Index: i, First: int(first)}
			}
			if !e.lastsLonger(other) {
				continue
			}
		}
		l.byNet[key] = int32(i)
		occurs[bits] = true
	}
	l.lengths4, l.lengths6 = descending(&occurs4), descending(&occurs6)
	return l, nil
}

func (e *Entry) lastsLonger(o *Entry) bool {
	return !o.Until.IsZero() && (e.Until.IsZero() || e.Until.After(o.Until))
}

// descending returns the lengths that occur, longest first.
func descending(occurs *[129]bool) (lengths []int) {
	for bits, occurs := range slices.Backward(occurs[:]) {
		if occurs {
			lengths = append(lengths, bits)
		}
	}
	return lengths
}

// An EntryError names an entry whose network an earlier entry has.
type EntryError struct {
	Index, First int // of the entry and the earlier one, from 0
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("entry %d: expected a network that entry %d does not have", e.Index, e.First)
}

// ParseNetwork reads an address as [ParseAddress] does, or a network in CIDR form (RFC
// 4632, RFC 4291). It reports false for anything else, a network with bits set beyond
// its length and one of addresses that count as IPv4 included.
func ParseNetwork(text string) (netip.Prefix, bool) {
	if addr, ok := parseIP(text); ok {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Masked() != p || p.Addr().Is4In6() || nat64.Contains(p.Addr()) {
		return netip.Prefix{}, false
	}
	return p, true
}

// find returns the entry with the longest prefix that contains the address and has not
// ended at now; nil where there is none.
func (l *Lists) find(addr netip.Addr, now Time) *Entry {
	if l == nil || !addr.IsValid() {
		return nil
	}
	lengths := l.lengths6
	if addr.Is4() {
		lengths = l.lengths4
	}
	high, low := halves(addr)
	for _, bits := range lengths {
		if i, listed := l.byNet[keyOfNet(high, low, bits)]; listed {
			if e := &l.entries[i]; e.Until.IsZero() || now < TimeOf(e.Until) {
				return e
			}
		}
	}
	return nil
}

// Allowed returns the networks of the plan's lists that are allowed at now.
func (p *Plan) Allowed(now Time) (networks []netip.Prefix) {
	if p.lists == nil {
		return nil
	}
	for i := range p.lists.entries {
		if e := &p.lists.entries[i]; e.Outcome == Allow && (e.Until.IsZero() || now < TimeOf(e.Until)) {
			networks = append(networks, e.Net)
		}
	}
	return networks
}
