package auth

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// networks are those that a caller may call from; nil is anywhere. They are immutable.
type networks struct {
	entries   []network // the most specific first
	elsewhere bool      // whether a caller may call from where no entry is
}

// A network is one entry of the configuration.
type network struct {
	netip.Prefix
	out bool // excluded
}

// aNetwork is what is expected of an entry, for errors.
const aNetwork = "an address, or a network without host bits such as 198.51.100.0/24"

// newNetworks reads addresses and networks; "!" before one excludes it. Where only
// exclusions stand, everything else is inside. None at all are nil. The error is a
// *SettingError with the list "networks".
func newNetworks(entries []string) (*networks, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	n := &networks{elsewhere: true}
	for i, text := range entries {
		text, out := strings.CutPrefix(text, "!")
		net, ok := parseNetwork(text)
		if !ok {
			return nil, &SettingError{List: "networks", Index: i, Expected: aNetwork + `, with "!" before it to exclude it`}
		}
		if slices.ContainsFunc(n.entries, func(e network) bool { return e.Prefix == net }) {
			return nil, &SettingError{List: "networks", Index: i, Expected: "a network that is not listed yet, excluded or not"}
		}
		n.entries = append(n.entries, network{net, out})
		n.elsewhere = n.elsewhere && out
	}
	slices.SortStableFunc(n.entries, func(a, b network) int { return cmp.Compare(b.Bits(), a.Bits()) })
	return n, nil
}

// contains reports whether a caller may call from the address: the most specific entry
// decides. An address that is not valid, as on a unix socket, is in no list.
func (n *networks) contains(from netip.Addr) bool {
	if n == nil {
		return true
	}
	for _, e := range n.entries {
		if e.Contains(from) {
			return !e.out
		}
	}
	return n.elsewhere && from.IsValid()
}

// parseNetwork reads a network without host bits, or an address as the network of it
// alone. Zones and IPv4-mapped networks are refused: no request would match them.
func parseNetwork(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	net, err := netip.ParsePrefix(text)
	return net, err == nil && net.Masked() == net && !net.Addr().Is4In6()
}
