package auth_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
)

// hop is an address, none where the text is empty.
func hop(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

// within changes the networks of all callers and the trusted proxies.
func within(callers, proxies []string) func(*auth.Settings) {
	return func(s *auth.Settings) { s.Networks, s.TrustedProxies = callers, proxies }
}

// fromHere is a request of the checkout's over a connection from there.
func fromHere(peer string, forwarded ...string) *auth.Request {
	r := authorization(basic("checkout:open sesame"))
	for _, f := range forwarded {
		r.Header.(header)["X-Forwarded-For"] = append(r.Header.(header)["X-Forwarded-For"], []byte(f))
	}
	r.Peer = hop(peer)
	return r
}

func TestTheMostSpecificNetworkDecides(t *testing.T) {
	tests := []struct {
		name     string
		networks []string
		in, out  []string
	}{
		{"none", nil, []string{"198.51.100.7", "2001:db8::1", ""}, nil},
		{"an address", []string{"198.51.100.7"}, []string{"198.51.100.7", "::ffff:198.51.100.7"}, []string{"198.51.100.8", "::198.51.100.7", "2001:db8::1", ""}},
		{"an IPv4 address written as IPv6", []string{"::ffff:198.51.100.7"}, []string{"198.51.100.7"}, []string{"198.51.100.8"}},
		{"a network", []string{"10.0.0.0/8"}, []string{"10.0.0.0", "10.255.255.255"}, []string{"9.255.255.255", "11.0.0.0", "::1", ""}},
		{"an IPv6 network", []string{"2001:db8::/48"}, []string{"2001:db8:0:ffff::1"}, []string{"2001:db8:1::1", "10.0.0.1"}},
		{"a link's own, from whichever link", []string{"fe80::/10"}, []string{"fe80::1", "fe80::1%eth0"}, []string{"fd00::1"}},
		{"all of IPv4", []string{"0.0.0.0/0"}, []string{"8.8.8.8"}, []string{"2001:db8::1", ""}},
		{"one excluded", []string{"10.0.0.0/8", "!10.0.0.7"}, []string{"10.0.0.6", "10.0.0.8"}, []string{"10.0.0.7", "192.0.2.1"}},
		{"one excluded, in another order", []string{"!10.0.0.7", "10.0.0.0/8"}, []string{"10.0.0.6", "10.0.0.8"}, []string{"10.0.0.7", "192.0.2.1"}},
		{"an exception to the exception", []string{"!10.0.0.0/16", "10.0.0.0/8", "10.0.0.7"}, []string{"10.1.0.1", "10.0.0.7"}, []string{"10.0.0.6", "192.0.2.1"}},
		{"only exclusions", []string{"!192.0.2.0/24", "!2001:db8::/32"}, []string{"10.0.0.1", "2001:db9::1"}, []string{"192.0.2.99", "2001:db8:9::1", ""}},
		{"nothing but one, in an exclusion", []string{"!10.0.0.0/8", "10.0.0.7"}, []string{"10.0.0.7"}, []string{"10.0.0.8", "192.0.2.1", "2001:db8::1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user := auth.User{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker, Networks: tt.networks}
			ofOne := auth.NewGuard(ofUsers(t, user))
			ofAll := newGuard(t, within(tt.networks, nil))
			for _, guard := range []*auth.Guard{ofOne, ofAll} {
				for _, from := range tt.in {
					caller, err := guard.Authenticate(fromHere(from))
					require.NoError(t, err, from)
					assert.Equal(t, "checkout", caller.Name)
				}
				for _, from := range tt.out {
					caller, err := guard.Authenticate(fromHere(from))
					assert.Equal(t, auth.NetworkRefused, err, from)
					assert.Nil(t, caller)
				}
			}
		})
	}
}

func TestAUserMustCallFromBothListsOfNetworks(t *testing.T) {
	guard := auth.NewGuard(compile(t, auth.Settings{Networks: []string{"10.0.0.0/8"}, Users: []auth.User{
		{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Networks: []string{"10.1.0.0/16", "192.0.2.1"}},
		{Name: "roaming", Password: "open sesame", Encryption: password.Clear},
	}}))
	for from, want := range map[string][2]error{
		"10.1.0.1":  {nil, nil},
		"10.2.0.1":  {auth.NetworkRefused, nil},
		"192.0.2.1": {auth.NetworkRefused, auth.NetworkRefused},
	} {
		for i, user := range []string{"checkout", "roaming"} {
			r := authorization(basic(user + ":open sesame"))
			r.Peer = hop(from)
			_, err := guard.Authenticate(r)
			assert.Equal(t, want[i], err, "%s from %s", user, from)
		}
	}
}

func TestCredentialsComeBeforeTheNetworkAndTheNetworkBeforeTheRole(t *testing.T) {
	guard := newGuard(t, within([]string{"10.0.0.0/8"}, nil))
	type result struct{ scheme, result string }
	var told result
	guard.Observe = func(scheme, how string) { told = result{scheme, how} }
	for _, tt := range []struct {
		peer, userinfo string
		needs          auth.Roles
		want           error
		scheme, caller string
	}{
		{"10.0.0.1", "checkout:open sesame", auth.Checker, nil, "basic", "checkout"},
		{"10.0.0.1", "checkout:open sesame", 0, nil, "basic", "checkout"},
		{"10.0.0.1", "nobody special:x", 0, nil, "basic", "nobody special"},
		{"10.0.0.1", "checkout:open sesame", auth.Analyst, auth.RoleMissing, "basic", "checkout"},
		{"10.0.0.1", "nobody special:x", auth.Checker, auth.RoleMissing, "basic", "nobody special"},
		{"192.0.2.1", "checkout:open sesame", auth.Analyst, auth.NetworkRefused, "basic", "checkout"},
		{"192.0.2.1", "checkout:sesame", auth.Analyst, auth.Invalid, "basic", ""},
		{"192.0.2.1", "stranger:sesame", auth.Checker, auth.Invalid, "basic", ""},
		{"192.0.2.1", "no colon", auth.Checker, auth.Malformed, "basic", ""},
	} {
		r := authorization(basic(tt.userinfo))
		r.Peer, r.Needs = hop(tt.peer), tt.needs
		_, err := guard.Authenticate(r)
		assert.ErrorIs(t, err, tt.want)
		assert.Equal(t, tt.scheme, r.Scheme())
		assert.Equal(t, tt.caller, r.Caller(), "what a stranger sent is no name")
		want := result{tt.scheme, "ok"}
		if failure, failed := tt.want.(auth.Failure); failed {
			want.result = string(failure)
		}
		assert.Equal(t, want, told)
	}
	r := &auth.Request{Header: header{}}
	_, err := guard.Authenticate(r)
	assert.Equal(t, auth.Missing, err, "before where from")
	assert.Empty(t, r.Scheme())
}

func TestNetworksHoldForTokensToo(t *testing.T) {
	guard := auth.NewGuard(compile(t, auth.Settings{JWT: jwtSettings(), Networks: []string{"!192.0.2.0/24"}}))
	guard.Now = func() time.Time { return noon }
	for range 2 { // the second time it is known
		for from, want := range map[string]error{"10.0.0.1": nil, "192.0.2.1": auth.NetworkRefused} {
			r := authorization("Bearer " + token(t, noon.Add(time.Hour)))
			r.Peer = hop(from)
			_, err := guard.Authenticate(r)
			assert.Equal(t, want, err, from)
		}
	}
}

func TestAReloadReplacesTheNetworks(t *testing.T) {
	guard := newGuard(t, within([]string{"10.0.0.0/8"}, nil))
	guard.Replace(newPolicy(t, within([]string{"192.0.2.1"}, nil)))
	_, err := guard.Authenticate(fromHere("10.0.0.1"))
	assert.Equal(t, auth.NetworkRefused, err)
	guard.Replace(newPolicy(t))
	_, err = guard.Authenticate(fromHere("10.0.0.1"))
	assert.NoError(t, err)
}

func TestWrongNetworksAreRefusedByTheirIndex(t *testing.T) {
	wrong := []string{"", "!", "10.0.0.0/33", "10.0.0.1/24", "10.0.0", "10.0.0.01", "localhost", "fe80::1%eth0", "fe80::%eth0/64",
		"::ffff:10.0.0.0/104", "! 10.0.0.1", " 10.0.0.1", "!!10.0.0.1", "10.0.0.1-10.0.0.9", "10.0.0.1,10.0.0.2", "10.0.0.1:80", "[::1]", "*", "any"}
	for _, text := range wrong {
		at := wrongSetting(t, auth.Settings{Networks: []string{"192.0.2.1", text}})
		assert.Equal(t, "networks[1]: ", at.Error()[:13])
		if text != "" && text != "!" && text != "*" {
			assert.NotContains(t, at.Error(), text)
		}
		user := wrongSetting(t, auth.Settings{Users: []auth.User{{Name: "a", Password: "b", Encryption: password.Clear, Networks: []string{text}}}})
		assert.Equal(t, "users[0].networks[0]: ", user.Error()[:22])
	}
	for _, text := range append(wrong, "!10.0.0.1") {
		at := wrongSetting(t, auth.Settings{TrustedProxies: []string{text}})
		assert.Equal(t, "trusted_proxies", at.List)
		assert.Zero(t, at.Index)
	}
	for _, twice := range [][]string{{"10.0.0.1", "10.0.0.1/32"}, {"10.0.0.0/8", "!10.0.0.0/8"}, {"!::1", "!::1"}, {"10.0.0.1", "::ffff:10.0.0.1"}} {
		assert.Equal(t, 1, wrongSetting(t, auth.Settings{Networks: twice}).Index, "%q", twice)
	}
}

func TestTrustingEveryAddressIsWarnedOf(t *testing.T) {
	for proxies, want := range map[string]int{"": 0, "10.0.0.0/8": 0, "10.0.0.0/8 0.0.0.0/0": 1, "::/0": 1, "::1 128.0.0.0/1": 0} {
		assert.Len(t, newPolicy(t, within(nil, strings.Fields(proxies))).Warnings, want, proxies)
	}
}
