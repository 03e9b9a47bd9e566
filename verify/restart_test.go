//go:build verify

package verify

import (
	"context"
	"encoding/json"
	"fmt"
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

// ofNginx is what surrounds a configuration of nginx in a file of its own.
const ofNginx = `
daemon off; worker_processes 1; pid FOLDER/pid; error_log stderr;
events { worker_connections 256; }
http {
	access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
	%s
}`

// A frontProxy is a proxy with a configuration for 10.0.0.10, in front of 10.0.0.11 and 10.0.0.12.
type frontProxy struct {
	config  string
	command []string
}

// ofDeploy returns the proxies of which deploy/ has the configurations.
func ofDeploy(t *testing.T) map[string]frontProxy {
	t.Helper()
	return map[string]frontProxy{
		"nginx":   {fmt.Sprintf(ofNginx, text(t, "../deploy/nginx/fraudcheck.conf")), []string{"/usr/sbin/nginx", "-e", "stderr", "-c"}},
		"HAProxy": {text(t, "../deploy/haproxy/fraudcheck.cfg"), []string{"/usr/sbin/haproxy", "-db", "-f"}},
	}
}

// before starts the proxy in front of the two and returns its URL.
func (f frontProxy) before(t *testing.T, one, two *restartable) string {
	t.Helper()
	config := strings.NewReplacer("10.0.0.10:8080", "LISTEN", "10.0.0.11:8080", one.addr, "10.0.0.12:8080", two.addr).Replace(f.config)
	return proxy(t, "", config, f.command...)
}

// Two instances behind a proxy are restarted one after the other, a second apart, while
// they are asked all the time. With the configurations of deploy/ no call is lost; with
// the defaults of nginx many are.
func TestARollingRestartBehindAProxyLosesNothing(t *testing.T) {
	const defaults = "nginx by defaults"
	proxies := ofDeploy(t)
	proxies[defaults] = frontProxy{fmt.Sprintf(ofNginx, "upstream fraudcheck { server 10.0.0.11:8080; server 10.0.0.12:8080; }\n server { listen 10.0.0.10:8080; location / { proxy_pass http://fraudcheck; } }"), proxies["nginx"].command}
	for name, front := range proxies {
		t.Run(name, func(t *testing.T) {
			program := testbed.Program(t)
			one, two := pair(t, program)
			c := askAllTheTime(t, front.before(t, one, two))
			replaceEach(t, program, one, two)
			c.end(t)
			if name == defaults {
				assert.Positive(t, c.lost.Load())
			} else {
				assert.Zero(t, c.lost.Load())
			}
		})
	}
}

// earlierCommit is from before releases had numbers, and before records could hold marks.
const earlierCommit = "fd44ffb"

// Two instances of an earlier program behind a proxy are upgraded one after the other, and
// taken back, while they are asked all the time: no call is lost, and of each address that
// shows card after card exactly block_over pass.
func TestAnUpgradeUnderLoadAndBackLosesNothing(t *testing.T) {
	earlier := filepath.Join(t.TempDir(), "earlier")
	require.NoError(t, testbed.BuildCommit(t.Context(), earlierCommit, earlier))
	for name, front := range ofDeploy(t) {
		t.Run(name, func(t *testing.T) {
			one, two := pair(t, earlier)
			c := askAllTheTime(t, front.before(t, one, two))
			replaceEach(t, testbed.Program(t), one, two)
			replaceEach(t, earlier, one, two)
			c.end(t)
			assert.Zero(t, c.lost.Load())
		})
	}
}

// replaceEach restarts one instance after the other as the program, a second apart.
func replaceEach(t *testing.T, program string, instances ...*restartable) {
	t.Helper()
	for _, i := range instances {
		require.NoError(t, testbed.Pause(t.Context(), time.Second))
		i.restart(program)
	}
	require.NoError(t, testbed.Pause(t.Context(), time.Second))
}

// A restartable is an instance that comes back at the same port.
type restartable struct {
	t      *testing.T
	config string
	addr   string
	*testbed.Instance
}

// pair starts two of the program that share a memcached.
func pair(t *testing.T, program string) (one, two *restartable) {
	t.Helper()
	memcached := testbed.StartMemcached(t)
	both := pairOn(t, program, func() string { return fmt.Sprintf("{kind: memcached, memcached: {servers: [%q]}}", memcached.Addr) })
	return both[0], both[1]
}

// pairOn starts two of the program; store returns the section of that name, for each.
func pairOn(t *testing.T, program string, store func() string) (both [2]*restartable) {
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
		both[n].start(program)
		t.Cleanup(func() { both[n].Kill() })
	}
	return both
}

func (r *restartable) start(program string) {
	var err error
	r.Instance, err = testbed.StartInstance(r.t.Context(), r.t.TempDir(), exec.Command(program, "--config", r.config))
	require.NoError(r.t, err)
}

// restart stops it as systemd does, and starts the program in its place.
func (r *restartable) restart(program string) {
	require.NoError(r.t, r.Signal(syscall.SIGTERM))
	select {
	case <-r.Exited():
	case <-time.After(testbed.Prompt):
		require.Fail(r.t, "it does not stop")
	}
	r.start(program)
}

const (
	attackers = 4 // callers that ask for one address, card after card
	blockOver = 5 // of the default rule
)

// traffic is what came of checks that are made all the time.
type traffic struct {
	stop              context.CancelFunc
	all               sync.WaitGroup
	client            *http.Client
	url               string
	good, lost        atomic.Int64            // answered 200, and not
	passed            [attackers]atomic.Int64 // of each address that shows card after card
	degraded, blocked atomic.Int64            // of their answers
}

// askAllTheTime makes about 400 checks a second over connections that are kept, until end.
func askAllTheTime(t *testing.T, url string) *traffic {
	ctx, stop := context.WithCancel(t.Context())
	c := &traffic{stop: stop, url: url, client: &http.Client{Timeout: testbed.Prompt, Transport: &http.Transport{MaxIdleConnsPerHost: 20}}}
	for caller := range 20 {
		c.all.Go(func() {
			for n := 0; testbed.Pause(ctx, 50*time.Millisecond) == nil; n++ {
				ip := fmt.Sprintf("198.18.%d.%d", caller, n%250)
				if caller < attackers {
					ip = fmt.Sprint("203.0.113.", caller)
				}
				c.ask(context.WithoutCancel(ctx), caller, n, ip)
			}
		})
	}
	return c
}

// ask makes one check and counts what comes of it.
func (c *traffic) ask(ctx context.Context, caller, n int, ip string) {
	body := fmt.Sprintf(`{"ip":%q,"card_id":"card-%d","attempt_id":"attempt-%d-%d"}`, ip, n, caller, n)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/check", strings.NewReader(body))
	if err != nil {
		c.lost.Add(1)
		return
	}
	r.SetBasicAuth("checkout", "correct-horse-battery")
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(r)
	if err != nil {
		c.lost.Add(1)
		return
	}
	var said struct {
		Decision string
		Degraded bool
	}
	err = json.NewDecoder(answer.Body).Decode(&said)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		c.lost.Add(1)
		return
	}
	c.good.Add(1)
	switch {
	case caller >= attackers:
	case said.Decision == "block":
		c.blocked.Add(1)
	case said.Degraded: // of what this instance alone knows
		c.degraded.Add(1)
	default:
		c.passed[caller].Add(1)
	}
}

// end waits for the last check and judges what was answered.
func (c *traffic) end(t *testing.T) {
	t.Helper()
	c.stop()
	c.all.Wait()
	c.client.CloseIdleConnections()
	t.Logf("%d calls answered 200, %d lost; of addresses that show card after card %d blocked, %d passed degraded",
		c.good.Load(), c.lost.Load(), c.blocked.Load(), c.degraded.Load())
	assert.Greater(t, c.good.Load(), int64(500))
	assert.Greater(t, c.blocked.Load(), int64(100))
	for i := range c.passed {
		assert.LessOrEqual(t, c.passed[i].Load(), int64(blockOver))
	}
}

// text returns what the file holds.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
