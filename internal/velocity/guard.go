package velocity

import "net/netip"

// A CollapseGuard keeps rules on addresses from blocking an address that is hardly a
// shopper's. The worst accident of such a rule is that all shoppers come with the address
// of one proxy: after a few cards the whole shop would be blocked.
//
// Counting goes on. What a rule on the address, or on a network around it, finds is lowered
// to what the guard says; rules on other subjects, lists and failures of the store decide
// as ever. Such an attempt begins no hold and no local answer: the rule is not enforced.
type CollapseGuard struct {
	// AtMost is the strictest outcome of such a rule: Review or Allow. With Block nobody is
	// suspect.
	AtMost Outcome
	// Networks are those of the shop's proxies, or of its CDN.
	Networks []netip.Prefix
}

// A Suspicion says why an address is hardly a shopper's.
type Suspicion uint8

// The suspicions. All but ByConnection follow from the address alone.
const (
	NotSuspect   Suspicion = iota
	Private                // RFC 1918
	Loopback               // 127.0.0.0/8, ::1
	LinkLocal              // 169.254.0.0/16, fe80::/10
	UniqueLocal            // fc00::/7 (RFC 4193)
	Unspecified            // 0.0.0.0, ::
	Multicast              // 224.0.0.0/4, ff00::/8
	CarrierNAT             // 100.64.0.0/10 (RFC 6598)
	ByNetwork              // in the guard's networks
	ByConnection           // the other end of the connection that the check came over
)

var suspicions = [...]string{"", "private", "loopback", "link_local", "unique_local", "unspecified", "multicast", "carrier_nat", "network", "connection"}

// Suspicions are the names of all suspicions.
func Suspicions() []string { return suspicions[1:] }

// String returns the name of the suspicion, empty for NotSuspect.
func (s Suspicion) String() string { return suspicions[s] }

// A guard is the compiled form of a CollapseGuard.
type guard struct {
	atMost   Outcome
	networks *Lists
}

// WithGuard returns the plan with that guard. A plan without one blocks any address.
func (p *Plan) WithGuard(g CollapseGuard) *Plan {
	entries := make([]Entry, len(g.Networks))
	for i, n := range g.Networks {
		entries[i] = Entry{Net: n, Repeats: true}
	}
	networks, _ := NewLists(entries) // none fails: entries that may repeat each other contradict none
	with := *p
	with.guard, with.proxies = &guard{g.AtMost, networks}, g.Networks
	if g.AtMost == Block {
		with.guard = nil
	}
	return &with
}

// Suspect returns why the plan's guard takes the address for no shopper's; NotSuspect for
// one that it does not, and always without a guard. peer is the other end of the connection
// that the check came over; not valid where that is not known.
func (p *Plan) Suspect(addr, peer netip.Addr) Suspicion {
	switch {
	case p.guard == nil || !addr.IsValid():
		return NotSuspect
	case addr.IsPrivate():
		if addr.Is4() {
			return Private
		}
		return UniqueLocal
	case addr.IsLoopback():
		return Loopback
	case addr.IsLinkLocalUnicast():
		return LinkLocal
	case addr.IsUnspecified():
		return Unspecified
	case addr.IsMulticast():
		return Multicast
	case carrierNAT.Contains(addr):
		return CarrierNAT
	case p.guard.networks.find(addr, 0) != nil:
		return ByNetwork
	case addr == peer:
		return ByConnection
	}
	return NotSuspect
}

// Proxies returns the networks of the shop's proxies and of its CDN, which the plan's guard was
// given. They are not to be changed.
func (p *Plan) Proxies() []netip.Prefix { return p.proxies }

var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// lower lowers what a rule on the update's subject found, where that subject is suspect.
func (u *Update) lower(o Outcome) Outcome {
	if u.suspect {
		return min(o, u.plan.guard.atMost)
	}
	return o
}
