//go:build verify

package woocommerce

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWooCommerceDeclaresWhatItGoesWith(t *testing.T) {
	shop := openShop(t, misbehave(t, answer("200 OK", `{"decision":"allow"}`)), credentials, "[]")
	assert.Equal(t, map[string]string{"custom_order_tables": "fraudcheck.php", "cart_checkout_blocks": "fraudcheck.php"}, shop.press(press{}).Declared)
}

// A shopper may send X-Forwarded-For to a shop without proxies, and must not be able to
// switch the check off. Behind a proxy that is not named, the shop must not close silently.
func TestWooCommerceWarnsOfProxiesThatAreNotNamed(t *testing.T) {
	const warning = "critical X-Forwarded-For is not REMOTE_ADDR."
	for name, c := range map[string]struct {
		proxies string
		press   press
		warns   bool
	}{
		"behind a CDN":               {`[]`, press{"forwarded": "203.0.113.9"}, true},
		"a forged header":            {`[]`, press{"forwarded": "203.0.113.7, 198.51.100.1"}, true},
		"no header":                  {`[]`, press{}, false},
		"the web server mended it":   {`[]`, press{"forwarded": "198.51.100.1, 203.0.113.7"}, false},
		"none, and that is said":     {`[[]]`, press{"forwarded": "203.0.113.9"}, false},
		"the CDN is named":           {`[["203.0.113.0/29"]]`, press{"forwarded": "203.0.113.9"}, false},
		"the CDN was not on the way": {`[["192.0.2.0/24"]]`, press{"forwarded": "203.0.113.9"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			shop := openShop(t, misbehave(t, answer("200 OK", `{"decision":"block"}`)), credentials, c.proxies)
			first, second := shop.press(c.press), shop.press(c.press)
			assert.False(t, first.Sold, "it asks all the same")
			assert.Equal(t, c.warns, strings.Contains(strings.Join(first.Log, "\n"), warning), first.Log)
			assert.NotContains(t, strings.Join(second.Log, "\n"), warning, "once a day")
		})
	}
	t.Run("a flat list", func(t *testing.T) {
		shop := openShop(t, misbehave(t, answer("200 OK", `{"decision":"block"}`)), credentials, `["10.0.0.0/8"]`)
		assert.Equal(t, []string{"critical payments go on unchecked: FRAUDCHECK_PROXIES is a list of lists, such as [ [ '10.0.0.0/8' ] ]"}, shop.press(press{}).Log)
	})
}

func TestWooCommerceFindsTheShopper(t *testing.T) {
	for name, c := range map[string]struct {
		proxies string
		press   press
		asks    string // "" when it does not ask
	}{
		"no proxy":                     {`[]`, press{"ip": "203.0.113.7", "forwarded": "198.51.100.1"}, "203.0.113.7"},
		"one":                          {`[["10.0.0.0/8"]]`, press{"ip": "10.1.2.3", "forwarded": "198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"one, passed by":               {`[["10.0.0.0/8"]]`, press{"ip": "203.0.113.7", "forwarded": "198.51.100.1"}, "203.0.113.7"},
		"two":                          {`[["10.0.0.0/8"],["192.0.2.0/24","2001:db8:c::/48"]]`, press{"ip": "10.1.2.3", "forwarded": "198.51.100.1, 203.0.113.7, 2001:db8:c::5"}, "203.0.113.7"},
		"two, the outer one passed by": {`[["10.0.0.0/8"],["192.0.2.0/24"]]`, press{"ip": "10.1.2.3", "forwarded": "198.51.100.1,203.0.113.7"}, "203.0.113.7"},
		"IPv6":                         {`[["::1"]]`, press{"ip": "::1", "forwarded": "2001:db8:1:2::3"}, "2001:db8:1:2::3"},
		"a port":                       {`[["127.0.0.1"]]`, press{"ip": "127.0.0.1", "forwarded": "203.0.113.7:51234"}, "203.0.113.7"},
		"brackets":                     {`[["::ffff:0:0/96","127.0.0.0/8"]]`, press{"ip": "127.9.9.9", "forwarded": "[2001:db8:1:2::3]:443"}, "2001:db8:1:2::3"},
		"mapped":                       {`[["10.0.0.0/9"]]`, press{"ip": "::ffff:10.127.0.1", "forwarded": "::ffff:203.0.113.7"}, "203.0.113.7"},
		"beyond the prefix":            {`[["10.0.0.0/9"]]`, press{"ip": "10.128.0.1", "forwarded": "203.0.113.7"}, ""},
		"proxy not named":              {`[]`, press{"ip": "10.1.2.3", "forwarded": "203.0.113.7"}, ""},
		"nothing forwarded":            {`[["127.0.0.1"]]`, press{"ip": "127.0.0.1"}, ""},
		"no address forwarded":         {`[["127.0.0.1"]]`, press{"ip": "127.0.0.1", "forwarded": "unknown"}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked struct{ IP string }
			shop := openShop(t, misbehave(t, func(c net.Conn) {
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err == nil && r.URL.Path == "/v1/check" {
					_ = json.NewDecoder(r.Body).Decode(&asked)
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"decision\":\"block\"}")
			}), credentials, c.proxies)
			shop.press(c.press)
			assert.Equal(t, c.asks, asked.IP)
		})
	}
}
