//go:build verify

package verify

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// calls is how many each client makes, at either port, over connections that it keeps.
const calls = 1000

const (
	body          = `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}`
	authorization = "Authorization: Basic Y2hlY2tvdXQ6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"
	credentials   = "checkout:correct-horse-battery"
)

// requireAll requires that the instance answered so many requests of the path, all with
// 200, and refused nothing.
func requireAll(t *testing.T, i *testbed.Instance, path string, least int) {
	t.Helper()
	metrics, err := i.Metrics()
	require.NoError(t, err)
	for series, n := range metrics {
		if code := regexp.MustCompile(`^fraudcheck_http_requests_total\{code="([45]..)"`).FindStringSubmatch(series); code != nil {
			assert.Zero(t, n, series)
		}
	}
	assert.GreaterOrEqual(t, metrics[fmt.Sprintf(`fraudcheck_http_requests_total{code="200",route=%q}`, path)], float64(least))
}

// run runs the command and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	_, err := exec.LookPath(name)
	require.NoError(t, err, "make verify needs it")
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// Programs that print how many answers had status 200. Their arguments are the URL of a
// check, the user, the password and how many calls to make.
var programs = map[string][]string{
	"Python http.client": {"python3", "clients/client.py", "http.client"},
	"Python urllib":      {"python3", "clients/client.py", "urllib"},
	"Python requests":    {"python3", "clients/client.py", "requests"},
	"Node http":          {"node", "clients/client.mjs", "http"},
	"Node fetch":         {"node", "clients/client.mjs", "fetch"},
	"PHP streams":        {"php", "clients/client.php", "streams"},
	"PHP curl":           {"php", "clients/client.php", "curl"},
	"Java HttpClient":    {"java", "clients/Client.java"},
}

func TestHonestProgramsAreAnsweredAtBothPorts(t *testing.T) {
	for name, command := range programs {
		t.Run(name, func(t *testing.T) {
			i := start(t)
			for path, addr := range map[string]string{"/v1/check": i.Addr, "/v1/subjects/read": i.Operators} {
				out := run(t, command[0], append(command[1:], "http://"+addr+path, "checkout", "correct-horse-battery", fmt.Sprint(calls))...)
				assert.Equal(t, fmt.Sprint(calls), strings.TrimSpace(out), path)
				requireAll(t, i, path, calls)
			}
		})
	}
}

func TestCurlIsAnsweredOnOneConnection(t *testing.T) {
	i := start(t)
	out := run(t, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", "-u", credentials,
		"-H", "Content-Type: application/json", "-d", body, fmt.Sprintf("http://%s/v1/check#[1-%d]", i.Addr, calls))
	assert.Equal(t, calls, strings.Count(out, "200 "))
	assert.Equal(t, calls-1, strings.Count(out, "200 0\n"), "the connection is kept")
	requireAll(t, i, "/v1/check", calls)
}

func TestLoadGeneratorsAreAnswered(t *testing.T) {
	posted := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(posted, []byte(body), 0o600))
	t.Run("ab", func(t *testing.T) { // HTTP/1.0, kept alive
		i := start(t)
		out := run(t, "ab", "-k", "-q", "-n", fmt.Sprint(calls), "-c", "4", "-p", posted, "-T", "application/json", "-A", credentials, "http://"+i.Addr+"/v1/check")
		assert.NotContains(t, out, "Non-2xx")
		requireAll(t, i, "/v1/check", calls)
	})
	t.Run("wrk", func(t *testing.T) {
		i := start(t)
		out := run(t, "wrk", "-t", "1", "-c", "4", "-d", "2s", "-s", "clients/wrk.lua", "-H", authorization, "http://"+i.Addr+"/v1/check")
		assert.NotContains(t, out, "Non-2xx")
		assert.NotContains(t, out, "Socket errors")
		requireAll(t, i, "/v1/check", calls)
	})
}

// ask posts the body over and over, with Go's own client, and returns how many were 200.
func ask(t *testing.T, url string) (good int) {
	t.Helper()
	client := http.Client{Timeout: testbed.Prompt}
	defer client.CloseIdleConnections()
	for range calls {
		r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
		require.NoError(t, err)
		r.SetBasicAuth("checkout", "correct-horse-battery")
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		require.NoError(t, answer.Body.Close())
		if answer.StatusCode == http.StatusOK {
			good++
		}
	}
	return good
}

func TestGoIsAnswered(t *testing.T) {
	i := start(t)
	assert.Equal(t, calls, ask(t, "http://"+i.Addr+"/v1/check"))
	requireAll(t, i, "/v1/check", calls)
}

// proxy starts a proxy in front of the instance with the configuration, in which LISTEN
// and TARGET stand for its address and the instance's, and returns its URL.
func proxy(t *testing.T, i *testbed.Instance, config string, command ...string) string {
	t.Helper()
	_, err := exec.LookPath(command[0])
	require.NoError(t, err, "make verify needs it")
	folder := t.TempDir()
	addr, err := testbed.FreeAddr()
	require.NoError(t, err)
	text := strings.NewReplacer("LISTEN", addr, "TARGET", i.Addr, "FOLDER", folder).Replace(config)
	path := filepath.Join(folder, "proxy.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	p := testbed.StartProcess(t, exec.Command(command[0], append(command[1:], path)...))
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, testbed.Prompt, 10*time.Millisecond, p.Stderr)
	return "http://" + addr + "/v1/check"
}

func TestProxiesAreAnswered(t *testing.T) {
	const nginx = `
daemon off; worker_processes 1; pid FOLDER/pid; error_log stderr;
events { worker_connections 64; }
http {
	access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
	upstream check { server TARGET; keepalive 8; }
	server { listen LISTEN; location / { proxy_pass http://check; proxy_http_version VERSION; proxy_set_header Connection CONNECTION; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } }
}`
	for version, connection := range map[string]string{"1.0": "close", "1.1": `""`} {
		t.Run("nginx "+version, func(t *testing.T) {
			i := start(t)
			url := proxy(t, i, strings.NewReplacer("VERSION", version, "CONNECTION", connection).Replace(nginx), "/usr/sbin/nginx", "-e", "stderr", "-c")
			assert.Equal(t, calls, ask(t, url))
			requireAll(t, i, "/v1/check", calls)
		})
	}
	for name, check := range map[string]string{
		"httpchk":           "option httpchk GET /readyz",
		"httpchk with Host": "option httpchk\n\thttp-check send meth GET uri /readyz ver HTTP/1.1 hdr Host check",
	} {
		t.Run("HAProxy "+name, func(t *testing.T) {
			i := start(t)
			url := proxy(t, i, `
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend in
	bind LISTEN
	default_backend check
backend check
	`+check+`
	server one TARGET check inter 50ms
`, "/usr/sbin/haproxy", "-db", "-f")
			assert.Equal(t, calls, ask(t, url))
			requireAll(t, i, "/v1/check", calls)
			requireAll(t, i, "/readyz", 1)
		})
	}
}

// The heads of clients as they were seen on the wire, for those whose programs need not
// be on the machine.
var heads = map[string][]string{
	".NET HttpClient, Expect":  {"Accept: application/json", "User-Agent: shop/1.0", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Expect: 100-continue"},
	"Java HttpClient, h2c":     {"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA", "Upgrade: h2c", "User-Agent: Java-http-client/21.0.2"},
	"Java HttpURLConnection":   {"User-Agent: Java/17.0.9", "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "Connection: keep-alive"},
	"Apache HttpClient":        {"Accept-Encoding: gzip, x-gzip, deflate", "Connection: keep-alive", "User-Agent: Apache-HttpClient/5.2.1 (Java/17.0.9)"},
	"PHP Guzzle":               {"User-Agent: GuzzleHttp/7", "Expect: 100-Continue"},
	"Ruby Net::HTTP":           {"Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "Accept: */*", "User-Agent: Ruby", "Connection: keep-alive", "Keep-Alive: 30"},
	"WordPress":                {"User-Agent: WordPress/6.4; https://shop.example", "Accept: */*", "Accept-Encoding: deflate, gzip, br", "Referer: https://shop.example/"},
	"behind Envoy":             {"x-forwarded-proto: https", "x-request-id: 3fd2b9a0-6d4e-9b1c-a2f7-0c5e1a3c9d11", "x-envoy-expected-rq-timeout-ms: 15000", "x-forwarded-for: 203.0.113.7,10.0.0.1"},
	"behind a load balancer":   {"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678", "Via: 1.1 proxy"},
	"an empty value and blank": {"X-Empty:", "X-Blank: \t", "X-Latin: caf\xe9", "Cookie: a=b; c=\"d\""},
}

func TestHeadsOfHonestClientsAreAnsweredAtBothPorts(t *testing.T) {
	for name, fields := range heads {
		t.Run(name, func(t *testing.T) {
			i := start(t)
			for path, addr := range map[string]string{"/v1/check": i.Addr, "/v1/subjects/read": i.Operators} {
				c, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
				r := bufio.NewReader(c)
				content := body
				if path != "/v1/check" {
					content = `{"per":"card","last4":"4242","exp_month":12,"exp_year":2030}`
				}
				head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n\r\n",
					path, addr, authorization, len(content), strings.Join(fields, "\r\n"))
				for n := range calls {
					_, err := io.WriteString(c, head)
					require.NoError(t, err)
					if strings.Contains(strings.ToLower(head), "100-continue") {
						answer, err := http.ReadResponse(r, nil)
						require.NoError(t, err)
						require.Equal(t, http.StatusContinue, answer.StatusCode)
					}
					_, err = io.WriteString(c, content)
					require.NoError(t, err)
					answer, err := http.ReadResponse(r, nil)
					require.NoError(t, err, "call %d", n)
					text, err := io.ReadAll(answer.Body)
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
					require.False(t, answer.Close, "the connection is kept")
					require.True(t, bytes.HasPrefix(text, []byte("{")))
				}
				requireAll(t, i, path, calls)
			}
		})
	}
}
