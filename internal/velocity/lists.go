package velocity

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// An Entry of a list decides for a network, whatever the rules say; attempts from
// it are recorded all the same.
type Entry struct {
	Net     netip.Prefix // a whole network, or one address; the most specific decides
	Outcome Outcome      // Allow or Block
	Until   time.Time    // zero: for good
	Note    string       // why, for whoever reads it
}

// Lists are the entries of the configuration, ready to be asked. They never change.
type Lists struct {
	byNet map[netip.Prefix]*Entry
	sizes []int // prefix lengths that occur, longest first
}

// NewLists puts the entries in order. The error says which entry cannot be.
func NewLists(entries []Entry) (*Lists, error) {
	l := &Lists{byNet: make(map[netip.Prefix]*Entry)}
	for i := range entries {
		e := entries[i]
		if l.byNet[e.Net] != nil {
			return nil, &EntryError{Index: i}
		}
		l.byNet[e.Net] = &e
		l.sizes = append(l.sizes, e.Net.Bits())
	}
	slices.SortFunc(l.sizes, func(a, b int) int { return cmp.Compare(b, a) })
	l.sizes = slices.Compact(l.sizes)
	return l, nil
}

// An EntryError is an entry whose network another one has already.
type EntryError struct{ Index int }

func (e *EntryError) Error() string {
	return fmt.Sprintf("entry %d: expected a network that is not listed yet", e.Index)
}

// ParseNetwork reads a network or an address, with the addresses of ParseAddress.
func ParseNetwork(text string) (netip.Prefix, bool) {
	if addr, ok := ParseAddress(text); ok {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Masked() != p || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p, true
}

// find returns the most specific entry for the address in force at now, or nil.
func (l *Lists) find(addr netip.Addr, now Time) *Entry {
	if l == nil {
		return nil
	}
	for _, bits := range l.sizes {
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
