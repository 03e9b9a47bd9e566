//go:build verify

package verify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// Two instances behind a proxy are restarted one after the other, a second apart, while
// they are asked all the time. With the configurations of deploy/ no call is lost; with
// the defaults of nginx many are.
func TestARollingRestartBehindAProxyLosesNothing(t *testing.T) {
	nginx := []string{"/usr/sbin/nginx", "-e", "stderr", "-c"}
	haproxy := []string{"/usr/sbin/haproxy", "-db", "-f"}
	const ofNginx = `
daemon off; worker_processes 1; pid FOLDER/pid; error_log stderr;
events { worker_connections 256; }
http {
	access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
	%s
}`
	for name, tt := range map[string]struct {
		config  string
		command []string
		lose    bool
	}{
		"nginx":             {fmt.Sprintf(ofNginx, text(t, "../deploy/nginx/fraudcheck.conf")), nginx, false},
		"HAProxy":           {text(t, "../deploy/haproxy/fraudcheck.cfg"), haproxy, false},
		"nginx by defaults": {fmt.Sprintf(ofNginx, "upstream fraudcheck { server 10.0.0.11:8080; server 10.0.0.12:8080; }\n server { listen 10.0.0.10:8080; location / { proxy_pass http://fraudcheck; } }"), nginx, true},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := pair(t)
			config := strings.NewReplacer("10.0.0.10:8080", "LISTEN", "10.0.0.11:8080", one.addr, "10.0.0.12:8080", two.addr).Replace(tt.config)
			url := proxy(t, "", config, tt.command...)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			asked := askAllTheTime(ctx, url)
			for _, i := range []*restartable{one, two} {
				require.NoError(t, testbed.Pause(ctx, time.Second))
				i.restart()
			}
			require.NoError(t, testbed.Pause(ctx, time.Second))
			stop()
			good, bad := asked()
			t.Logf("%d calls answered 200, %d others", good, bad)
			assert.Greater(t, good, int64(500))
			assert.Equal(t, tt.lose, bad > 0, "%d calls were lost", bad)
		})
	}
}

// A restartable is an instance that comes back at the same port.
type restartable struct {
	t      *testing.T
	config string
	addr   string
	*testbed.Instance
}

// pair starts two that share a memcached.
func pair(t *testing.T) (one, two *restartable) {
	t.Helper()
	memcached := testbed.StartMemcached(t)
	both := pairOn(t, func() string { return fmt.Sprintf("{kind: memcached, memcached: {servers: [%q]}}", memcached.Addr) })
	return both[0], both[1]
}

// pairOn starts two; store returns the section of that name, for each.
func pairOn(t *testing.T, store func() string) (both [2]*restartable) {
	t.Helper()
	for n := range both {
		addr, err := testbed.FreeAddr()
		require.NoError(t, err)
		config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
listen: %s
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
store: %s
auth: {basic: {users: [{username: checkout, password: correct-horse-battery}]}}
`, addr, store()), 0o600))
		both[n] = &restartable{t: t, config: config, addr: addr}
		both[n].start()
		t.Cleanup(func() { both[n].Kill() })
	}
	return both
}

func (r *restartable) start() {
	var err error
	r.Instance, err = testbed.StartInstance(r.t.Context(), r.t.TempDir(), exec.Command(testbed.Program(r.t), "--config", r.config))
	require.NoError(r.t, err)
}

// restart stops it as systemd does, and starts it again.
func (r *restartable) restart() {
	require.NoError(r.t, r.Signal(syscall.SIGTERM))
	select {
	case <-r.Exited():
	case <-time.After(testbed.Prompt):
		require.Fail(r.t, "it does not stop")
	}
	r.start()
}

// askAllTheTime makes about 400 checks a second over connections that are kept, until ctx
// ends. The function that it returns waits for the last one, and says how many were
// answered 200 and how many were not.
func askAllTheTime(ctx context.Context, url string) func() (good, bad int64) {
	var good, bad atomic.Int64
	var all sync.WaitGroup
	client := &http.Client{Timeout: testbed.Prompt, Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
	for caller := range 20 {
		all.Go(func() {
			for n := 0; testbed.Pause(ctx, 50*time.Millisecond) == nil; n++ {
				body := fmt.Sprintf(`{"ip":"198.18.%d.%d","card_id":"card-%d","attempt_id":"attempt-%d-%d"}`, caller, n%250, n, caller, n)
				r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, url+"/v1/check", strings.NewReader(body))
				if err != nil {
					bad.Add(1)
					continue
				}
				r.SetBasicAuth("checkout", "correct-horse-battery")
				r.Header.Set("Content-Type", "application/json")
				answer, err := client.Do(r)
				if err != nil {
					bad.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			}
		})
	}
	return func() (int64, int64) {
		all.Wait()
		client.CloseIdleConnections()
		return good.Load(), bad.Load()
	}
}

// text returns what the file holds.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
