package verify

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"fraudcheck/examples/address"
)

// The ways by which a request reaches a shop, and where the shopper then is.
var ways = map[string]struct {
	Remote, Forwarded string
	Proxies           [][]string
	shopper           string
}{
	"no proxy":                     {"203.0.113.7", "", nil, "203.0.113.7"},
	"no proxy, a forged header":    {"203.0.113.7", "198.51.100.1", nil, "203.0.113.7"},
	"one":                          {"10.1.2.3", "203.0.113.7", hops("10.0.0.0/8"), "203.0.113.7"},
	"one, a forged header":         {"10.1.2.3", "198.51.100.1,127.0.0.1, 203.0.113.7", hops("10.0.0.0/8"), "203.0.113.7"},
	"one, its own word forged":     {"10.1.2.3", "198.51.100.1, 10.1.2.3", hops("10.0.0.0/8"), "10.1.2.3"},
	"one, passed by":               {"203.0.113.7", "198.51.100.1", hops("10.0.0.0/8"), "203.0.113.7"},
	"one, which says nothing":      {"10.1.2.3", "", hops("10.0.0.0/8"), "10.1.2.3"},
	"two":                          {"10.1.2.3", "198.51.100.1, 203.0.113.7, 2001:db8:c::5", hops("10.0.0.0/8", "2001:db8:c::/48"), "203.0.113.7"},
	"two, the outer one passed by": {"10.1.2.3", "198.51.100.1, 203.0.113.7", hops("10.0.0.0/8", "192.0.2.0/24"), "203.0.113.7"},
	"two, both passed by":          {"192.0.2.9", "198.51.100.1", hops("10.0.0.0/8", "192.0.2.0/24"), "192.0.2.9"},
	"two of one network":           {"10.1.2.3", "203.0.113.7, 10.9.9.9", hops("10.0.0.0/8", "10.0.0.0/8"), "203.0.113.7"},
	"a unix socket":                {"", "203.0.113.7", hops("unix:"), "203.0.113.7"},
	"IPv6":                         {"::1", "2001:db8:1:2::3", hops("::1"), "2001:db8:1:2::3"},
	"a port":                       {"127.0.0.1", "203.0.113.7:51234", hops("127.0.0.1"), "203.0.113.7"},
	"a port of IPv6":               {"127.0.0.1", "[2001:db8:1:2::3]:443", hops("127.0.0.1"), "2001:db8:1:2::3"},
	"mapped":                       {"::ffff:10.127.0.1", "::ffff:203.0.113.7", hops("10.0.0.0/9"), "203.0.113.7"},
	"the edge of a prefix":         {"10.127.255.255", "203.0.113.7", hops("10.0.0.0/9"), "203.0.113.7"},
	"beyond a prefix":              {"10.128.0.0", "203.0.113.7", hops("10.0.0.0/9"), "10.128.0.0"},
	"IPv4 is not within IPv6":      {"0.0.0.1", "203.0.113.7", hops("::/96"), "0.0.0.1"},
	"a word":                       {"127.0.0.1", "198.51.100.1, unknown", hops("127.0.0.1", "127.0.0.1"), "unknown"},
	"nothing at the right end":     {"127.0.0.1", "198.51.100.1, ", hops("127.0.0.1", "127.0.0.1"), ""},
}

// hops are proxies that each have one network.
func hops(networks ...string) (proxies [][]string) {
	for _, network := range networks {
		proxies = append(proxies, []string{network})
	}
	return proxies
}

func TestGoFindsTheShoppersAddress(t *testing.T) {
	for name, way := range ways {
		if way.Remote == "" {
			continue // Go's server shows a unix socket as "@"
		}
		t.Run(name, func(t *testing.T) {
			var proxies [][]netip.Prefix
			for _, hop := range way.Proxies {
				network, err := netip.ParsePrefix(hop[0])
				if err != nil {
					ip := netip.MustParseAddr(hop[0])
					network = netip.PrefixFrom(ip, ip.BitLen())
				}
				proxies = append(proxies, []netip.Prefix{network})
			}
			shopper := address.Behind(proxies...)
			assert.Equal(t, way.shopper, shopper(way.Remote, way.Forwarded))
			if way.shopper == way.Remote {
				assert.Equal(t, way.shopper, shopper(netip.AddrPortFrom(netip.MustParseAddr(way.Remote), 51234).String(), way.Forwarded))
			}
		})
	}
}
