package velocity

import (
	"cmp"
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
}

// Lists are the network lists of the configuration: what is always allowed and always
// blocked. They are immutable.
type Lists struct {
	byNet   map[netip.Prefix]*Entry
	lengths []int // prefix lengths that occur, longest first
}

// NewLists compiles the entries. The error is an *EntryError when two have the same
// network.
func NewLists(entries []Entry) (*Lists, error) {
	l := &Lists{byNet: make(map[netip.Prefix]*Entry)}
	for i := range entries {
		e := entries[i]
		if l.byNet[e.Net] != nil {
			return nil, &EntryError{Index: i}
		}
		l.byNet[e.Net] = &e
		l.lengths = append(l.lengths, e.Net.Bits())
	}
	slices.SortFunc(l.lengths, func(a, b int) int { return cmp.Compare(b, a) })
	l.lengths = slices.Compact(l.lengths)
	return l, nil
}

// An EntryError names an entry whose network an earlier entry has.
type EntryError struct {
	Index int // of the entry, from 0
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("entry %d: expected a network that is not listed yet", e.Index)
}

// ParseNetwork reads an address as [ParseAddress] does, or a network in CIDR form (RFC
// 4632, RFC 4291). It reports false for anything else, a network with bits set beyond
// its length included.
func ParseNetwork(text string) (netip.Prefix, bool) {
	if addr, ok := parseIP(text); ok {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Masked() != p || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p, true
}

// find returns the entry with the longest prefix that contains the address and has not
// ended at now; nil where there is none.
func (l *Lists) find(addr netip.Addr, now Time) *Entry {
	if l == nil {
		return nil
	}
	for _, bits := range l.lengths {
		network, err := addr.Prefix(bits)
		if err != nil {
			continue // longer than an IPv4 address
		}
		if e := l.byNet[network]; e != nil && (e.Until.IsZero() || now < TimeOf(e.Until)) {
			return e
		}
	}
	return nil
}
