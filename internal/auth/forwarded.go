package auth

import (
	"bytes"
	"net/netip"
)

// From returns the caller's address: the connection's other end, unless that is a trusted
// proxy. X-Forwarded-For is read from the right: what a trusted hop says of the hop
// before it is believed, for as long as that one is trusted too. A word that is no
// address ends the walk at the last hop that is known. The address is not valid where
// there is none, as on a unix socket.
func (g *Guard) From(r *Request) netip.Addr {
	if !r.located {
		r.locate(g.inForce.Load().Policy)
	}
	return r.from
}

// OverTLS reports whether callers whose requests come over a plain connection from that
// peer use TLS all the same: the peer is a trusted proxy, and the policy says that those
// end TLS.
func (g *Guard) OverTLS(peer netip.Addr) bool {
	p := g.inForce.Load().Policy
	return p.tlsInFront && p.trusts(peer.Unmap().WithZone(""))
}

// TrustedProxies returns the trusted proxies of the policy in force. The caller does not
// change them.
func (g *Guard) TrustedProxies() []netip.Prefix { return g.inForce.Load().proxies }

// locate sets r.from once: one request is judged under one policy.
func (r *Request) locate(p *Policy) {
	if !r.located {
		r.from, r.located = p.addressOf(r), true
	}
}

// addressOf walks the hops from the connection's end towards the caller, as far as they
// are trusted. It is IPv4 for an IPv4-mapped address, and without a zone.
func (p *Policy) addressOf(r *Request) netip.Addr {
	hop := r.Peer.Unmap().WithZone("")
	if !p.trusts(hop) {
		return hop
	}
	headers := r.Header.Values("X-Forwarded-For")
	for i := len(headers) - 1; i >= 0; i-- {
		for rest, more := headers[i], true; more; {
			var word []byte
			rest, word, more = cutLast(rest)
			before, ok := parseHop(word)
			if !ok {
				return hop
			}
			if hop = before; !p.trusts(hop) {
				return hop
			}
		}
	}
	return hop
}

// trusts reports whether the address is a trusted proxy.
func (p *Policy) trusts(hop netip.Addr) bool {
	for _, n := range p.proxies {
		if n.Contains(hop) {
			return true
		}
	}
	return false
}

// cutLast takes the last word off a list with commas; more is false when it was the only
// one.
func cutLast(list []byte) (rest, word []byte, more bool) {
	at := bytes.LastIndexByte(list, ',')
	return list[:max(at, 0)], bytes.Trim(list[at+1:], " \t"), at >= 0
}

// maxHop is the length of the longest address with its port, in bytes: an IPv4 address in
// an IPv6 one.
const maxHop = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

// parseHop reads an address as proxies write it: IPv6 with or without brackets,
// and a port or none. A zone means something to that proxy alone.
func parseHop(word []byte) (netip.Addr, bool) {
	if hop, ok := parseIPv4(word); ok {
		return hop, true
	}
	if len(word) == 0 || len(word) > maxHop || bytes.IndexByte(word, '%') >= 0 {
		return netip.Addr{}, false
	}
	text := string(word)
	if last := len(text) - 1; text[0] == '[' && text[last] == ']' {
		hop, err := netip.ParseAddr(text[1:last])
		return hop.Unmap(), err == nil && hop.Is6()
	}
	if hop, err := netip.ParseAddr(text); err == nil {
		return hop.Unmap(), true
	}
	hop, err := netip.ParseAddrPort(text)
	return hop.Addr().Unmap(), err == nil
}

// parseIPv4 is netip.ParseAddr for the form that is nearly always sent, without
// the string that asks for.
func parseIPv4(word []byte) (netip.Addr, bool) {
	var octets [4]byte
	for i := range octets {
		part := word
		if i < len(octets)-1 {
			var dot bool
			if part, word, dot = bytes.Cut(word, []byte(".")); !dot {
				return netip.Addr{}, false
			}
		}
		if len(part) == 0 || len(part) > 3 || part[0] == '0' && len(part) > 1 {
			return netip.Addr{}, false
		}
		value := 0
		for _, digit := range part {
			if digit < '0' || digit > '9' {
				return netip.Addr{}, false
			}
			value = 10*value + int(digit-'0')
		}
		if value > 255 {
			return netip.Addr{}, false
		}
		octets[i] = byte(value)
	}
	return netip.AddrFrom4(octets), true
}
