package auth

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Where says from where callers may come, and whose word is taken for where that
// is. It never changes.
type Where struct {
	networks *networks
	proxies  []netip.Prefix
}

// NewWhere reads both lists. The networks are for all callers, as [User.Networks]
// are for one; the proxies are addresses and networks whose X-Forwarded-For is
// believed, see [Guard.From]. The error is a *WhereError.
func NewWhere(callers, proxies []string) (*Where, error) {
	w := new(Where)
	var err error
	if w.networks, err = newNetworks(callers); err != nil {
		return nil, err
	}
	for i, text := range proxies {
		net, ok := parseNetwork(text)
		if !ok {
			return nil, &WhereError{List: "trusted_proxies", Index: i, Expected: aNetwork}
		}
		w.proxies = append(w.proxies, net)
	}
	return w, nil
}

// TrustsAnybody reports whether a network of proxies is everybody's: then a caller
// comes from wherever it likes to say.
func (w *Where) TrustsAnybody() bool {
	return slices.ContainsFunc(w.proxies, func(n netip.Prefix) bool { return n.Bits() == 0 })
}

// A WhereError names the entry that cannot be.
type WhereError struct {
	List     string // networks or trusted_proxies
	Index    int    // of the entry, from 0
	Expected string
}

func (e *WhereError) Error() string {
	return fmt.Sprintf("%s[%d]: expected %s", e.List, e.Index, e.Expected)
}

// networks are where a caller may come from; nil is anywhere.
type networks struct {
	entries   []network // the most specific first
	elsewhere bool      // whether a caller may come from where no entry is
}

type network struct {
	netip.Prefix
	out bool // excluded
}

const aNetwork = "an address, or a network without host bits such as 198.51.100.0/24"

// newNetworks reads addresses and networks; "!" before one excludes it. Where only
// exclusions stand, everything else is inside.
func newNetworks(entries []string) (*networks, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	n := &networks{elsewhere: true}
	for i, text := range entries {
		text, out := strings.CutPrefix(text, "!")
		net, ok := parseNetwork(text)
		if !ok {
			return nil, &WhereError{List: "networks", Index: i, Expected: aNetwork + `, with "!" before it to exclude it`}
		}
		if slices.ContainsFunc(n.entries, func(e network) bool { return e.Prefix == net }) {
			return nil, &WhereError{List: "networks", Index: i, Expected: "a network that is not listed yet, excluded or not"}
		}
		n.entries = append(n.entries, network{net, out})
		n.elsewhere = n.elsewhere && out
	}
	slices.SortStableFunc(n.entries, func(a, b network) int { return cmp.Compare(b.Bits(), a.Bits()) })
	return n, nil
}

// hold reports whether somebody may come from there: the most specific entry
// decides. An address nobody knows is in no list.
func (n *networks) hold(from netip.Addr) bool {
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

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	net, err := netip.ParsePrefix(text)
	return net, err == nil && net.Masked() == net && !net.Addr().Is4In6()
}
