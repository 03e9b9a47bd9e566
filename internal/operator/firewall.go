package operator

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A Firewall is what keeps an address out of the list for firewalls, beside rules and
// lists.
type Firewall struct {
	// Began is when this instance started: whom it blocked before it does not know.
	Began velocity.Time
	// Infrastructure returns the addresses and networks that the service itself needs:
	// trusted proxies, other instances, servers of memcached. It fails where a name does
	// not resolve.
	Infrastructure func() ([]netip.Prefix, error)
}

// firewallList returns the list for firewalls: a line for each address that an enforced
// rule on "ip" blocks, and last their number, by which whoever reads it knows that it is
// whole. What is left out is still blocked by the service; what a firewall drops wrongly
// nobody sees. So when in doubt an address is left out, and where the list would lack much
// there is none: the firewall keeps what it has.
func (a *API) firewallList(view *blockedView, networks bool, now velocity.Time) ([]byte, *wire.Problem) {
	plan := a.Checker.Plan()
	if p := a.noFirewallList(view, plan, now); p != nil {
		return nil, p
	}
	kept, err := a.Firewall.Infrastructure()
	if err != nil {
		return nil, notWhole("an address that must never be in the list is not known: " + err.Error())
	}
	never := newRanges(slices.Concat(kept, plan.Allowed(now), plan.Proxies(), nobodys))
	rules := enforcedOnAddress(plan)
	b, n := make([]byte, 0, 16*len(view.Blocked)+16), 0
	for i := range view.Blocked {
		e := &view.Blocked[i]
		subject := e.Subject
		switch {
		case !networks && !subject.IsSingleIP():
		// An override, or a list, decides in place of the rules: then there is no rule's name.
		case !slices.ContainsFunc(e.Reasons, func(name string) bool { return rules[name] }):
		case never.overlap(subject):
		default:
			b = append(appendSubject(b, subject), '\n')
			n++
		}
	}
	return fmt.Appendf(b, "# end %d\n", n), nil
}

// nobodys are the networks that no shopper comes from: private, shared, local to a machine
// or a link, multicast, reserved (RFC 6890). The collapse guard calls such addresses
// suspect; a firewall must not drop them where the guard is set to let rules block them
// either.
var nobodys = func() (networks []netip.Prefix) {
	for _, n := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/127", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		networks = append(networks, netip.MustParsePrefix(n))
	}
	return networks
}()

// noFirewallList returns why there is no list now; nil where there is one.
func (a *API) noFirewallList(view *blockedView, plan *velocity.Plan, now velocity.Time) *wire.Problem {
	var longest time.Duration
	for _, r := range plan.Rules() {
		if r.Mode == velocity.Enforce && r.Per == "ip" { // others put nobody in the list
			longest = max(longest, r.Window)
		}
	}
	running := time.Duration(now-a.Firewall.Began) * time.Millisecond
	switch {
	case len(view.Unreachable) > 0:
		return notWhole(fmt.Sprintf("%d of the other instances did not answer", len(view.Unreachable)))
	case running < longest:
		p := notWhole(fmt.Sprintf("this instance has run for less than the longest window of its enforced rules on ip, %s", longest))
		p.Code, p.After = "overloaded", longest-running
		return p
	case view.youngest.instance != "" && view.youngest.running < longest:
		p := notWhole(fmt.Sprintf("instance %s has run for less than the longest window of this one's enforced rules on ip, %s", view.youngest.instance, longest))
		p.Code, p.After = "overloaded", longest-view.youngest.running
		return p
	case view.Degraded:
		return notWhole("the store does not answer, or the clock is off: what other instances let go is not known")
	}
	return nil
}

// notWhole is the problem of a list that would lack too much, or hold too much.
func notWhole(why string) *wire.Problem {
	return &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "no list now, keep the one you have: " + why}
}

// enforcedOnAddress are the names of the enforced rules on "ip".
func enforcedOnAddress(plan *velocity.Plan) map[string]bool {
	names := map[string]bool{}
	for _, r := range plan.Rules() {
		if r.Mode == velocity.Enforce && r.Per == "ip" {
			names[r.Name] = true
		}
	}
	return names
}

// ranges are addresses, as ranges that do not meet, in order. IPv4 is as IPv4-mapped IPv6.
type ranges []addressRange

type addressRange struct{ first, last [16]byte }

// newRanges returns the addresses of the networks.
func newRanges(networks []netip.Prefix) (r ranges) {
	for _, n := range networks {
		r = append(r, rangeOf(n))
	}
	slices.SortFunc(r, func(x, y addressRange) int { return slices.Compare(x.first[:], y.first[:]) })
	merged := r[:0]
	for _, next := range r {
		if n := len(merged); n > 0 && slices.Compare(next.first[:], merged[n-1].last[:]) <= 0 {
			if slices.Compare(next.last[:], merged[n-1].last[:]) > 0 {
				merged[n-1].last = next.last
			}
		} else {
			merged = append(merged, next)
		}
	}
	return merged
}

// rangeOf is the addresses of a network.
func rangeOf(network netip.Prefix) addressRange {
	first, bits := network.Masked().Addr().As16(), network.Bits()
	if network.Addr().Is4() {
		bits += 96
	}
	r := addressRange{first, first}
	for i := bits; i < 128; i++ {
		r.last[i/8] |= 0x80 >> (i % 8)
	}
	return r
}

// overlap reports whether some address of the network is in r.
func (r ranges) overlap(network netip.Prefix) bool {
	of := rangeOf(network)
	i, _ := slices.BinarySearchFunc(r, of, func(x, of addressRange) int { return slices.Compare(x.last[:], of.first[:]) })
	return i < len(r) && slices.Compare(r[i].first[:], of.last[:]) <= 0
}
