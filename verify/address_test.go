//go:build verify

package verify

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestTheShoppersAddressIsFound(t *testing.T) {
	for language, command := range map[string][]string{
		"Node": {"node", "--input-type=module", "-e", `
import { readFileSync } from 'node:fs'
import { behind } from '../examples/address/address.mjs'
const way = JSON.parse(readFileSync(0))
process.stdout.write(behind(way.Proxies ?? [])(way.Remote, way.Forwarded || undefined))`},
		"Python": {"python3", "-c", `
import json, sys
sys.path.insert(0, '../examples/address')
from address import behind
way = json.load(sys.stdin)
sys.stdout.write(behind(way['Proxies'] or [])(way['Remote'], way['Forwarded'] or None))`},
		"PHP": {"php", "-d", "display_errors=stderr", "-r", `
require '../examples/address/address.php';
$way = json_decode(stream_get_contents(STDIN), true);
echo shopper_address($way['Remote'], $way['Forwarded'], $way['Proxies'] ?? []);`},
	} {
		for name, way := range ways {
			t.Run(language+" "+name, func(t *testing.T) {
				t.Parallel()
				_, err := exec.LookPath(command[0])
				require.NoError(t, err, "make verify needs it")
				text, err := json.Marshal(way)
				require.NoError(t, err)
				cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
				cmd.Stdin = bytes.NewReader(text)
				var complaints bytes.Buffer
				cmd.Stderr = &complaints
				found, err := cmd.Output()
				require.NoError(t, err, complaints.String())
				assert.Empty(t, complaints.String())
				assert.Equal(t, way.shopper, string(found))
			})
		}
	}
}
