package velocity

import "net/netip"

// nat64 is the well-known prefix of RFC 6052: an IPv4 address in its last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// ParseAddress reads an IPv4 or IPv6 address in its plain form. IPv4-mapped and
// NAT64 addresses become the IPv4 address inside. Zones, octal and short forms
// are refused.
func ParseAddress(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr, true
}

// The lengths of the networks that are one "network" subject, in bits.
const (
	networkBits4 = 24
	networkBits6 = 48
)

// Network is the /24 of an IPv4 address and the /48 of an IPv6 one: the
// "network" subject, and the form in which logs may show an address.
func Network(addr netip.Addr) netip.Prefix {
	bits := networkBits6
	if addr.Is4() {
		bits = networkBits4
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
