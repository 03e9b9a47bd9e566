//go:build verify

package verify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// Two instances without memcached, each with a snapshot. A proxy that chooses by the
// shopper's IP address, which the checkout repeats in a header, keeps the count of each
// address at one of them, as docs/capacity.md says, and a restart of both forgets nobody.
// A proxy that takes turns lets each instance count by itself.
func TestRoutedByTheShoppersAddressInstancesCountWithoutMemcached(t *testing.T) {
	const backends = "server one BACKEND1\n server two BACKEND2\n"
	ofHAProxy := "defaults\n mode http\n timeout connect 1s\n timeout client 75s\n timeout server 1s\nlisten checks\n bind LISTEN\n %s\n " + backends
	ofNginx := `
daemon off; worker_processes 1; pid FOLDER/pid; error_log stderr;
events { worker_connections 256; }
http {
	access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
	upstream fraudcheck { %s server BACKEND1; server BACKEND2; }
	server { listen LISTEN; location / { proxy_pass http://fraudcheck; } }
}`
	nginx := []string{"/usr/sbin/nginx", "-e", "stderr", "-c"}
	haproxy := []string{"/usr/sbin/haproxy", "-db", "-f"}
	for name, tt := range map[string]struct {
		config  string
		command []string
		passes  int // cards of an address
	}{
		"HAProxy":            {fmt.Sprintf(ofHAProxy, "balance hdr(X-Shopper)\n hash-type consistent"), haproxy, 5},
		"nginx":              {fmt.Sprintf(ofNginx, "hash $http_x_shopper consistent;"), nginx, 5},
		"HAProxy, in turns":  {fmt.Sprintf(ofHAProxy, "balance roundrobin"), haproxy, 10},
		"nginx, by defaults": {fmt.Sprintf(ofNginx, ""), nginx, 10},
	} {
		t.Run(name, func(t *testing.T) {
			both := pairOn(t, testbed.Program(t), func() string {
				return "{memory: {snapshot_file: " + filepath.Join(t.TempDir(), "snapshot") + "}}"
			})
			config := strings.NewReplacer("BACKEND1", both[0].addr, "BACKEND2", both[1].addr).Replace(tt.config)
			url := proxy(t, "", config, tt.command...)
			passed := func() (counts []int) {
				for shopper := range 20 {
					n := 0
					for card := range 20 {
						if decided(t, url, fmt.Sprintf("198.51.100.%d", shopper), card) != "block" {
							n++
						}
					}
					counts = append(counts, n)
				}
				return counts
			}
			for shopper, n := range passed() {
				assert.Equal(t, tt.passes, n, "cards of shopper %d", shopper)
			}
			for _, i := range both {
				i.restart(testbed.Program(t))
			}
			for shopper, n := range passed() {
				assert.Zero(t, n, "cards of shopper %d after a restart", shopper)
			}
		})
	}
}

// decided asks about a card of a shopper, as a checkout that names the address in a header
// too, and returns the decision.
func decided(t *testing.T, url, shopper string, card int) string {
	t.Helper()
	body := fmt.Sprintf(`{"ip":%q,"card_id":"card-%d"}`, shopper, card)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/check", strings.NewReader(body))
	require.NoError(t, err)
	r.SetBasicAuth("checkout", "correct-horse-battery")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Shopper", shopper)
	client := http.Client{Timeout: testbed.Prompt}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var d struct {
		Decision string `json:"decision"`
	}
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&d))
	return d.Decision
}

// memcached and all instances restart together, as after a power cut that the machines
// were warned of: what the copies knew is in the snapshots.
func TestWithSnapshotsMemcachedAndItsInstancesMayRestartTogether(t *testing.T) {
	for name, kept := range map[string]bool{"snapshots": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			memcached := testbed.StartMemcached(t)
			both := pairOn(t, testbed.Program(t), func() string {
				memory := ""
				if kept {
					memory = ", memory: {snapshot_file: " + filepath.Join(t.TempDir(), "snapshot") + "}"
				}
				return fmt.Sprintf("{kind: memcached, memcached: {servers: [%q]}%s}", memcached.Addr, memory)
			})
			ask := func(i *restartable, card int) string { return decided(t, "http://"+i.addr, "198.51.100.7", card) }
			for card := range 6 {
				ask(both[card%2], card)
			}
			require.Equal(t, "block", ask(both[0], 6))
			memcached.Kill()
			for _, i := range both {
				i.restart(testbed.Program(t))
			}
			memcached.Start()
			require.Eventually(t, func() bool { return both[0].Ready() && both[1].Ready() }, testbed.Prompt, 10*time.Millisecond)
			for _, i := range both {
				assert.Equal(t, kept, ask(i, 7) == "block")
			}
		})
	}
}
