//go:build verify

package verify

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// openNginx starts nginx with the configuration of examples/checkout before the shop, and
// returns its address.
func openNginx(t *testing.T, shop string) (addr string) {
	t.Helper()
	text, err := os.ReadFile("../examples/checkout/nginx.conf")
	require.NoError(t, err)
	addr, err = testbed.FreeAddr()
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "local"), 0o700))
	config := filepath.Join(folder, "nginx.conf")
	listen := strings.NewReplacer("127.0.0.1:8000", addr, "127.0.0.1:9000", shop)
	require.NoError(t, os.WriteFile(config, []byte(listen.Replace(string(text))), 0o600))
	awaitPort(t, testbed.StartProcess(t, exec.Command("/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", config)), addr)
	return addr
}

func TestCheckoutsBehindNginxAreGuarded(t *testing.T) {
	for language, command := range map[string][]string{
		"Go":     {"go", "run", "fraudcheck/examples/checkout"},
		"Node":   {"node", "../examples/checkout/shop.mjs"},
		"Python": {"python3", "../examples/checkout/shop.py"},
		"PHP":    {"php", "-S", "LISTEN", "../examples/checkout/shop.php"},
	} {
		t.Run(language, func(t *testing.T) {
			i := start(t)
			nginx := openNginx(t, openCheckout(t, i, command...))
			requireGuarded(t, i, nginx, func(shopper, header string) (from, forwarded string) { return shopper, header })
		})
	}
}

func TestCurlAsksAndReports(t *testing.T) {
	i := start(t)
	ask := func(last4 string) string {
		cmd := exec.CommandContext(t.Context(), "../examples/checkout/curl.sh", "203.0.113.7", last4, "12/30")
		cmd.Env = append(os.Environ(), "CHECK_URL=http://"+i.Addr, "CHECK_PASSWORD=correct-horse-battery")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	for n, decision := range []string{"allow", "allow", "allow", "review", "review", "block"} {
		assert.Equal(t, decision+"\n", ask(fmt.Sprint(1000+n)))
	}
	metrics, err := i.Metrics()
	require.NoError(t, err)
	assert.EqualValues(t, 5, metrics[`fraudcheck_outcomes_total{outcome="declined",reason="invalid_credentials"}`])
}
