//go:build verify

package deploy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const inNamespace = "IN_A_NETWORK_NAMESPACE"

// The real program, script and nft, in a network namespace of their own, where nothing
// that goes wrong closes the machine.
func TestNftablesDropsWhatIsBlocked(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		cmd := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && ip addr add 203.0.113.7/32 dev lo && ip addr add 203.0.113.8/32 dev lo && exec "$0" -test.run='^TestNftablesDropsWhatIsBlocked$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	nft(t, "-f", "firewall/fraudcheck.nft")
	nft(t, "add element inet fraudcheck blocked4 { 198.51.100.99 }")
	shop, err := net.Listen("tcp", "127.0.0.1:443")
	require.NoError(t, err)
	defer shop.Close()

	dir := t.TempDir()
	config := filepath.Join(dir, "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
rules: [{name: cards_per_ip, per: ip, count: cards, window: 1s, block_over: 1, hold: 1h}]
auth: {basic: {users: [{username: firewall, password: correct-horse-battery, roles: [operator]}]}}
`), 0o600))
	i, err := testbed.StartInstance(t.Context(), dir, exec.Command(testbed.Program(t), "--config", config))
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	netrc := filepath.Join(dir, "netrc")
	require.NoError(t, os.WriteFile(netrc, []byte("machine 127.0.0.1 login firewall password correct-horse-battery\n"), 0o600))
	run := func(url string) (string, error) {
		out, err := exec.Command("firewall/nftables.sh", url, netrc).CombinedOutput()
		return string(out), err
	}
	operators := "http://" + i.Operators
	call := func(method, url, body string) {
		q, err := http.NewRequest(method, url, strings.NewReader(body))
		require.NoError(t, err)
		q.SetBasicAuth("firewall", "correct-horse-battery")
		a, err := http.DefaultClient.Do(q)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
		require.Equal(t, 200, a.StatusCode, url)
	}

	out, err := run(operators)
	if err != nil { // the machine may have taken longer than the window to come here
		assert.Contains(t, out, "status 503")
		assert.True(t, has("blocked4", "198.51.100.99"), "it keeps what it has")
	}
	for _, address := range []string{"203.0.113.7", "2001:db8:0:1::7"} {
		for card := range 2 {
			call("POST", "http://"+i.Addr+"/v1/check", fmt.Sprintf(`{"ip":%q,"card_id":"tok_%d"}`, address, card))
		}
	}
	require.Eventually(t, func() bool { out, err = run(operators); return err == nil }, testbed.Prompt, 100*time.Millisecond, "%s", out)
	assert.True(t, has("blocked4", "203.0.113.7"))
	assert.True(t, has("blocked6", "2001:db8:0:1::/64"))
	assert.False(t, has("blocked4", "198.51.100.99"), "nobody blocks it")
	assert.False(t, reaches("203.0.113.7"))
	assert.True(t, reaches("203.0.113.8"))

	for name, answer := range map[string]string{
		"nothing": "", "cut": "198.51.100.1\n198.51.100.2\n", "cut in a line": "198.51.100.1\n# end", "one line lost": "198.51.100.1\n# end 2\n",
		"a page": "<html>\n# end 1\n", "a command": "198.51.100.1 }; flush ruleset\n# end 1\n", "a file": "include \"/etc/passwd\"\n# end 1\n",
		"everything": "0.0.0.0/0\n# end 1\n", "everything of IPv6": "::/0\n# end 1\n",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		out, err := run(s.URL)
		s.Close()
		assert.Error(t, err, name)
		assert.Contains(t, out, "the sets keep what they have", name)
		assert.True(t, has("blocked4", "203.0.113.7"), name)
		assert.False(t, has("blocked4", "198.51.100.1"), name)
	}

	nft(t, "add element inet fraudcheck allowed4 { 203.0.113.0/24 }")
	assert.True(t, reaches("203.0.113.7"), "it is in the set of the allowed")
	nft(t, "delete element inet fraudcheck allowed4 { 203.0.113.0/24 }")
	call("DELETE", operators+"/v1/addresses/203.0.113.7", "")
	out, err = run(operators)
	require.NoError(t, err, out)
	assert.False(t, has("blocked4", "203.0.113.7"), "it was let go")
	assert.True(t, reaches("203.0.113.7"))
}

// nft runs nft with the arguments.
func nft(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// has reports whether the set has the element.
func has(set, element string) bool {
	return exec.Command("nft", "get element inet fraudcheck "+set+" { "+element+" }").Run() == nil
}

// reaches reports whether a shopper with that address reaches the shop, at 127.0.0.1:443.
func reaches(address string) bool {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 500 * time.Millisecond}
	c, err := d.Dial("tcp", "127.0.0.1:443")
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}
