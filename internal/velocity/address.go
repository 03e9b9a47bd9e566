package velocity

import (
	"net/netip"
	"strconv"
	"strings"
)

// nat64 is the well-known prefix of RFC 6052: an IPv4 address in the last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// ParseAddress reads the address of a shopper as shops hold it: what parseIP reads, with
// blanks around it, in brackets or not, with a port or without. It reports false for
// anything else, a list of addresses included.
func ParseAddress(text string) (netip.Addr, bool) {
	text = trimBlanks(text)
	host, port, hasPort := text, "", false
	if inside, ok := strings.CutPrefix(text, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(inside, "]"); !closed {
			return netip.Addr{}, false
		}
		if port, hasPort = strings.CutPrefix(port, ":"); !hasPort && port != "" {
			return netip.Addr{}, false
		}
	} else if before, after, found := strings.Cut(text, ":"); found && !strings.Contains(after, ":") {
		host, port, hasPort = before, after, true // of two colons or more, all are an IPv6 address's
	}
	if hasPort && !isPort(port) {
		return netip.Addr{}, false
	}
	return parseIP(host)
}

// isPort reports whether text is a number from 0 to 65535.
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil && countDigits(text) == len(text)
}

// parseIP reads an IPv4 address in dotted form or an IPv6 address (RFC 4291). IPv4-mapped
// addresses (::ffff:0:0/96) and NAT64 addresses become the IPv4 address inside. It reports
// false for anything else, zones and octal or short forms of IPv4 included.
func parseIP(text string) (netip.Addr, bool) {
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
