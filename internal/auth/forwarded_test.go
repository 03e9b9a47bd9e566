package auth_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/turns"
)

func TestOnlyTrustedProxiesAreBelievedInXForwardedFor(t *testing.T) {
	proxies := []string{"10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1"}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "198.51.100.7", nil, "198.51.100.7"},
		{"a stranger's word", "198.51.100.7", []string{"203.0.113.9"}, "198.51.100.7"},
		{"a stranger's word for a proxy", "198.51.100.7", []string{"10.0.0.1"}, "198.51.100.7"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"a proxy", "10.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a proxy's IPv4 address written as IPv6", "::ffff:10.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"an IPv6 proxy", "2001:db8:ffff::1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"what the caller made up", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"the caller's own name for a proxy", "10.0.0.1", []string{"192.0.2.1, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1", []string{"198.51.100.7, 192.0.2.1"}, "198.51.100.7"},
		{"three, of which one is a stranger", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		{"nobody but proxies", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"two headers", "10.0.0.1", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		{"two headers, of two proxies", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"two headers, and the last is empty", "10.0.0.1", []string{"198.51.100.7", ""}, "10.0.0.1"},
		{"without blanks", "10.0.0.1", []string{"203.0.113.9,198.51.100.7,10.0.0.2"}, "198.51.100.7"},
		{"with more", "10.0.0.1", []string{"\t203.0.113.9 ,\t 198.51.100.7 \t"}, "198.51.100.7"},
		{"a port", "10.0.0.1", []string{"198.51.100.7:49152"}, "198.51.100.7"},
		{"brackets", "10.0.0.1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"brackets and a port", "10.0.0.1", []string{"[2001:db8::7]:49152"}, "2001:db8::7"},
		{"an IPv4 address written as IPv6", "10.0.0.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"the same in brackets", "10.0.0.1", []string{"[::ffff:198.51.100.7]:1"}, "198.51.100.7"},
		{"a proxy written so", "10.0.0.1", []string{"198.51.100.7, [::ffff:10.0.0.2]:443"}, "198.51.100.7"},
		{"the longest", "10.0.0.1", []string{"[2001:0db8:0000:0000:0000:ffff:255.255.255.255]:65535"}, "2001:db8::ffff:ffff:ffff"},
		{"on a unix socket", "", []string{"198.51.100.7"}, ""},
		{"the peer's zone is its own", "fe80::1%eth0", nil, "fe80::1"},

		// What is no address: the hop that said so is all that is known.
		{"nothing", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"unknown", "10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		{"unknown, behind two", "10.0.0.1", []string{"198.51.100.7, unknown, 192.0.2.1"}, "192.0.2.1"},
		{"nonsense that the caller made up", "10.0.0.1", []string{"unknown, 198.51.100.7"}, "198.51.100.7"},
		{"a comma too many", "10.0.0.1", []string{"198.51.100.7,"}, "10.0.0.1"},
		{"only commas", "10.0.0.1", []string{",,,"}, "10.0.0.1"},
		{"a zone", "10.0.0.1", []string{"fe80::1%eth0"}, "10.0.0.1"},
		{"a zone in brackets", "10.0.0.1", []string{"[fe80::1%25eth0]:80"}, "10.0.0.1"},
		{"octal", "10.0.0.1", []string{"0198.51.100.7"}, "10.0.0.1"},
		{"three numbers", "10.0.0.1", []string{"198.51.100"}, "10.0.0.1"},
		{"five numbers", "10.0.0.1", []string{"198.51.100.7.1"}, "10.0.0.1"},
		{"too large a number", "10.0.0.1", []string{"198.51.100.256"}, "10.0.0.1"},
		{"a network", "10.0.0.1", []string{"198.51.100.0/24"}, "10.0.0.1"},
		{"half a bracket", "10.0.0.1", []string{"[2001:db8::7"}, "10.0.0.1"},
		{"the other half", "10.0.0.1", []string{"2001:db8::7]"}, "10.0.0.1"},
		{"IPv4 in brackets", "10.0.0.1", []string{"[198.51.100.7]"}, "10.0.0.1"},
		{"no port", "10.0.0.1", []string{"198.51.100.7:"}, "10.0.0.1"},
		{"no port of this world", "10.0.0.1", []string{"198.51.100.7:65536"}, "10.0.0.1"},
		{"quotes", "10.0.0.1", []string{`"198.51.100.7"`}, "10.0.0.1"},
		{"another header's form", "10.0.0.1", []string{"for=198.51.100.7"}, "10.0.0.1"},
		{"a semicolon", "10.0.0.1", []string{"198.51.100.7; 10.0.0.2"}, "10.0.0.1"},
		{"very long", "10.0.0.1", []string{strings.Repeat("1", 8<<10)}, "10.0.0.1"},
	}
	guard := newGuard(t, within(nil, proxies))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := fromHere(tt.peer, tt.forwarded...)
			assert.Equal(t, hop(tt.want), guard.From(r))
			assert.Equal(t, hop(tt.want), guard.From(r), "asked again")
		})
	}
	for _, forwarded := range []string{"203.0.113.9", "unknown", ""} {
		r := fromHere("10.0.0.1", forwarded)
		assert.Equal(t, hop("10.0.0.1"), newGuard(t).From(r), "without proxies nobody is believed")
	}
}

func TestNetworksAreComparedWithTheAddressBehindTheProxy(t *testing.T) {
	guard := newGuard(t, within([]string{"198.51.100.0/24"}, []string{"10.0.0.1"}))
	for forwarded, want := range map[string]error{
		"198.51.100.7": nil, "203.0.113.9, 198.51.100.7": nil,
		"203.0.113.9": auth.NetworkRefused, "198.51.100.7, 203.0.113.9": auth.NetworkRefused,
		"unknown": auth.NetworkRefused, "198.51.100.7, unknown": auth.NetworkRefused,
	} {
		_, err := guard.Authenticate(fromHere("10.0.0.1", forwarded))
		assert.Equal(t, want, err, forwarded)
		_, err = guard.Authenticate(fromHere("10.0.0.2", forwarded))
		assert.Equal(t, auth.NetworkRefused, err, "a proxy nobody trusts")
	}
}

// A word is read as netip reads it, and nothing comes of another.
func TestHopsAreParsedAsNetipParsesThem(t *testing.T) {
	guard := newGuard(t, within(nil, []string{"10.0.0.1"}))
	word := rapid.StringMatching(`[0-9]{0,3}(\.[0-9]{0,3}){0,4}|[0-9a-f:.]{0,20}|[0-9.]{0,16}`)
	rapid.Check(t, func(t *rapid.T) {
		text := word.Draw(t, "word")
		want := hop("10.0.0.1")
		if addr, err := netip.ParseAddr(text); err == nil {
			want = addr.Unmap()
		} else if withPort, err := netip.ParseAddrPort(text); err == nil {
			want = withPort.Addr().Unmap()
		}
		assert.Equal(t, want, guard.From(fromHere("10.0.0.1", text)), text)
	})
}

func TestFindingTheAddressCostsNoAllocation(t *testing.T) {
	proxies := within([]string{"198.51.100.0/24", "!203.0.113.0/24"}, []string{"10.0.0.0/8"})
	guard := newGuard(t, proxies)
	for name, r := range map[string]*auth.Request{
		"a peer":                           fromHere("198.51.100.7"),
		"a proxy that gives an address":    fromHere("10.0.0.1", "198.51.100.7"),
		"a proxy that gives several":       fromHere("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"),
		"a stranger that gives an address": fromHere("198.51.100.7", "2001:db8::7"),
	} {
		again, turn := new(auth.Request), new(turns.Turn) // which the doors use again too
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			*again = auth.Request{Header: r.Header, Peer: r.Peer, Turn: turn}
			if _, err := guard.Authenticate(again); err != nil {
				t.Fatal(err)
			}
		}), name)
	}
}
