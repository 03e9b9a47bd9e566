package velocity

import "net/netip"

// nat64 is the well-known prefix of RFC 6052: an IPv4 address in the last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// ParseAddress reads an IPv4 address in dotted form or an IPv6 address (RFC 4291).
// IPv4-mapped addresses (::ffff:0:0/96) and NAT64 addresses become the IPv4 address
// inside. It reports false for anything else, zones and octal or short forms of IPv4
// included.
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

// Network returns the /24 of an IPv4 address and the /48 of an IPv6 address: the
// "network" subject, and the form in which a log may show an address.
func Network(addr netip.Addr) netip.Prefix {
	bits := networkBits6
	if addr.Is4() {
		bits = networkBits4
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
