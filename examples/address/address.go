// Package address finds the shopper's IP address in a request that came through proxies.
package address

import (
	"net/netip"
	"strings"
)

// Behind returns a function that finds the shopper's IP address. proxies are the proxies
// between the shopper and this process, nearest first: for each the networks that its
// requests come from.
//
// The function takes the other end of the connection, such as [net/http.Request]'s
// RemoteAddr, and the header X-Forwarded-For. Each proxy puts the address that it saw at
// the right end; what is left of that, anybody may have sent.
func Behind(proxies ...[]netip.Prefix) func(remote, forwarded string) string {
	return func(remote, forwarded string) string {
		for _, networks := range proxies {
			if forwarded == "" || !within(plain(remote), networks) {
				break
			}
			comma := strings.LastIndexByte(forwarded, ',')
			remote, forwarded = forwarded[comma+1:], forwarded[:max(0, comma)]
		}
		return plain(remote)
	}
}

func within(hop string, networks []netip.Prefix) bool {
	ip, err := netip.ParseAddr(hop)
	for _, network := range networks {
		if err == nil && network.Contains(ip) {
			return true
		}
	}
	return false
}

// plain is the address without blanks, port, brackets, and ::ffff: before IPv4.
func plain(hop string) string {
	hop = strings.TrimSpace(hop)
	if both, err := netip.ParseAddrPort(hop); err == nil {
		return both.Addr().Unmap().String()
	}
	if ip, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return ip.Unmap().String()
	}
	return hop
}
