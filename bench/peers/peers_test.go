// Package peers_test makes sure that what fraudcheck is compared with does the same
// work: it starts each peer and asks it what a checkout would ask.
package peers_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prompt is the most a test waits for what should come at once.
const prompt = 30 * time.Second

var peers = []struct {
	name      string
	processes []string // that belong to it, as the system names them
	overshoot bool     // attempts at the same time may pass unseen
}{
	{name: "bottle-memcached", processes: []string{"memcached", "python3"}, overshoot: true},
	{name: "go-redis", processes: []string{"redis-server", "go-redis"}},
	{name: "haproxy", processes: []string{"haproxy"}},
}

// A peer is one that runs; its processes are a group of their own.
type peer struct {
	url, password string
	process       *os.Process
	exited        <-chan error
	client        http.Client
}

func start(t *testing.T, name string) *peer {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)

	var stderr bytes.Buffer
	p := &peer{url: "http://" + address + "/v1/check", password: rand.Text()}
	p.client = http.Client{Timeout: prompt, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	script := exec.Command(filepath.Join(name, "start"), port, t.TempDir())
	script.Env = append(os.Environ(), "PEER_PASSWORD="+p.password)
	script.Stderr = &stderr
	script.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, script.Start())
	exited := make(chan error, 1)
	go func() { exited <- script.Wait() }()
	p.process, p.exited = script.Process, exited
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		_ = syscall.Kill(-p.process.Pid, syscall.SIGKILL)
	})

	const listens, ended = "listens", "ended"
	var state string
	require.Eventually(t, func() bool {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			state = listens
			return true
		}
		if len(exited) > 0 {
			state = ended
			return true
		}
		return false
	}, prompt, 20*time.Millisecond, "it does not listen")
	if state == ended {
		var exit *exec.ExitError
		err := <-exited
		if errors.As(err, &exit) && exit.ExitCode() == 77 && os.Getenv("CI") == "" {
			t.Skip(stderr.String())
		}
		require.NoError(t, err, stderr.String())
	}
	return p
}

// A card is told from others by its number.
func body(ip string, card int) string {
	return fmt.Sprintf(`{"ip":%q,"last4":"%04d","exp_month":12,"exp_year":2030}`, ip, card)
}

func (p *peer) post(t *testing.T, password, body string) (status int, decision string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url, strings.NewReader(body))
	if !assert.NoError(t, err) {
		return 0, ""
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("bench", password)
	answer, err := p.client.Do(request)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	defer answer.Body.Close()
	var said struct{ Decision string }
	if answer.StatusCode == http.StatusOK {
		assert.NoError(t, json.NewDecoder(answer.Body).Decode(&said))
	}
	return answer.StatusCode, said.Decision
}

func (p *peer) decide(t *testing.T, body string) string {
	status, decision := p.post(t, p.password, body)
	require.Equal(t, http.StatusOK, status)
	return decision
}

// members are the names of the processes in the group that live.
func (p *peer) members(t *testing.T) (names []string) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	require.NotEmpty(t, stats)
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state parent group ...
		name, rest, _ := strings.Cut(string(stat), ") ")
		_, name, _ = strings.Cut(name, "(")
		if f := strings.Fields(rest); f[0] != "Z" && f[2] == strconv.Itoa(p.process.Pid) {
			names = append(names, name)
		}
	}
	return names
}

func TestPeers(t *testing.T) {
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			p := start(t, peer.name)

			t.Run("a wrong password is refused", func(t *testing.T) {
				status, _ := p.post(t, p.password+"x", body("192.0.2.1", 1))
				assert.Equal(t, http.StatusUnauthorized, status)
			})
			t.Run("what is no attempt is refused", func(t *testing.T) {
				for _, wrong := range []string{
					`{`, `{}`,
					`{"last4":"4242","exp_month":12,"exp_year":2030}`,
					`{"ip":"somewhere","last4":"4242","exp_month":12,"exp_year":2030}`,
					`{"ip":"192.0.2.1","last4":"42424","exp_month":12,"exp_year":2030}`,
					`{"ip":"192.0.2.1","last4":"4242","exp_month":13,"exp_year":2030}`,
					`{"ip":"192.0.2.1","last4":"4242","exp_month":12}`,
				} {
					status, _ := p.post(t, p.password, wrong)
					assert.Equal(t, http.StatusBadRequest, status, wrong)
				}
			})
			t.Run("one card a hundred times stays one card", func(t *testing.T) {
				for range 100 {
					assert.Equal(t, "allow", p.decide(t, body("192.0.2.2", 1)))
				}
			})
			t.Run("the sixth card is blocked, at its own address only", func(t *testing.T) {
				for card := range 5 {
					assert.Equal(t, "allow", p.decide(t, body("192.0.2.3", card)))
				}
				assert.Equal(t, "block", p.decide(t, body("192.0.2.3", 5)))
				assert.Equal(t, "block", p.decide(t, body("192.0.2.3", 0)))
				assert.Equal(t, "allow", p.decide(t, body("192.0.2.4", 5)))
				assert.Equal(t, "allow", p.decide(t, body("2001:db8::1", 5)))
			})
			t.Run("the expiry tells cards apart, however it is written", func(t *testing.T) {
				for month := 1; month <= 6; month++ {
					for _, written := range []string{`%d,"exp_year":2031`, `"%02d","exp_year":"31"`} {
						want := "allow"
						if month > 5 {
							want = "block"
						}
						assert.Equal(t, want, p.decide(t, `{"ip":"192.0.2.5","last4":"4242","exp_month":`+fmt.Sprintf(written, month)+`}`))
					}
				}
			})
			t.Run("of cards at the same time no more pass", func(t *testing.T) {
				var passed atomic.Int32
				var attempts sync.WaitGroup
				for card := range 64 {
					attempts.Go(func() {
						if _, decision := p.post(t, p.password, body("192.0.2.6", card)); decision == "allow" {
							passed.Add(1)
						}
					})
				}
				attempts.Wait()
				t.Logf("%d of 64 different cards passed", passed.Load())
				if !peer.overshoot {
					assert.LessOrEqual(t, passed.Load(), int32(5))
				}
			})
			t.Run("SIGTERM leaves nothing behind", func(t *testing.T) {
				assert.Subset(t, p.members(t), peer.processes)
				require.NoError(t, p.process.Signal(syscall.SIGTERM))
				select {
				case err := <-p.exited:
					assert.NoError(t, err)
				case <-time.After(prompt):
					assert.Fail(t, "it does not end")
				}
				// A worker that gunicorn killed may take a moment.
				assert.Eventually(t, func() bool { return len(p.members(t)) == 0 }, prompt, 10*time.Millisecond)
			})
		})
	}
}

// A machine without the peers' programs has bash all the same.
func TestWhatIsMissingIsNamed(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	path := t.TempDir()
	require.NoError(t, os.Symlink(bash, filepath.Join(path, "bash")))
	for name, want := range map[string]string{
		"bottle-memcached": "memcached cannot be found",
		"go-redis":         "redis-server cannot be found",
	} {
		var stderr bytes.Buffer
		script := exec.CommandContext(t.Context(), filepath.Join(name, "start"), "1", t.TempDir())
		script.Env, script.Stderr = []string{"PATH=" + path}, &stderr
		var exit *exec.ExitError
		require.ErrorAs(t, script.Run(), &exit, name)
		assert.Equal(t, 77, exit.ExitCode(), name)
		assert.Equal(t, want+"\n", stderr.String(), name)
	}
}
