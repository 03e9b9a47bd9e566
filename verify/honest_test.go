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

// An exchange is what an honest client asks of one of the ports.
type exchange struct {
	operators bool
	method    string
	path      string
	route     string // of the path, in the metrics
	body      string
}

var exchanges = []exchange{
	{false, "POST", "/v1/check", "/v1/check", `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}`},
	{true, "POST", "/v1/subjects/read", "/v1/subjects/read", `{"per":"card","last4":"4242","exp_month":12,"exp_year":2030}`},
	{true, "GET", "/v1/addresses/203.0.113.7", "/v1/addresses/{ip}", ""},
}

// addr returns the port of the instance that is asked.
func (e exchange) addr(i *testbed.Instance) string {
	if e.operators {
		return i.Operators
	}
	return i.Addr
}

// eachExchange runs the test for each exchange, with an instance of its own.
func eachExchange(t *testing.T, name string, test func(t *testing.T, i *testbed.Instance, e exchange)) {
	for _, e := range exchanges {
		t.Run(name+" "+e.method+" "+e.path, func(t *testing.T) {
			i := start(t)
			test(t, i, e)
			requireAll(t, i, e.route, calls)
		})
	}
}

const (
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
		eachExchange(t, name, func(t *testing.T, i *testbed.Instance, e exchange) {
			out := run(t, command[0], append(command[1:], "http://"+e.addr(i)+e.path, "checkout", "correct-horse-battery", fmt.Sprint(calls))...)
			assert.Equal(t, fmt.Sprint(calls), strings.TrimSpace(out))
		})
	}
}

func TestCurlIsAnsweredOnOneConnection(t *testing.T) {
	eachExchange(t, "curl", func(t *testing.T, i *testbed.Instance, e exchange) {
		args := []string{"-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", "-u", credentials}
		if e.body != "" {
			args = append(args, "-H", "Content-Type: application/json", "-d", e.body)
		}
		out := run(t, "curl", append(args, fmt.Sprintf("http://%s%s#[1-%d]", e.addr(i), e.path, calls))...)
		assert.Equal(t, calls, strings.Count(out, "200 "))
		assert.Equal(t, calls-1, strings.Count(out, "200 0\n"), "the connection is kept")
	})
}

func TestLoadGeneratorsAreAnswered(t *testing.T) {
	eachExchange(t, "ab", func(t *testing.T, i *testbed.Instance, e exchange) { // HTTP/1.0, kept alive
		args := []string{"-k", "-q", "-n", fmt.Sprint(calls), "-c", "4", "-A", credentials}
		if e.body != "" {
			posted := filepath.Join(t.TempDir(), "body")
			require.NoError(t, os.WriteFile(posted, []byte(e.body), 0o600))
			args = append(args, "-p", posted, "-T", "application/json")
		}
		out := run(t, "ab", append(args, "http://"+e.addr(i)+e.path)...)
		assert.NotContains(t, out, "Non-2xx")
	})
	eachExchange(t, "wrk", func(t *testing.T, i *testbed.Instance, e exchange) {
		out := run(t, "wrk", "-t", "1", "-c", "4", "-d", "2s", "-s", "clients/wrk.lua", "-H", authorization, "http://"+e.addr(i)+e.path, "--", e.method, e.body)
		assert.NotContains(t, out, "Non-2xx")
		assert.NotContains(t, out, "Socket errors")
	})
}

// ask asks the same over and over, with Go's own client, and returns how many answers
// were 200.
func ask(t *testing.T, url string, e exchange) (good int) {
	t.Helper()
	client := http.Client{Timeout: testbed.Prompt}
	defer client.CloseIdleConnections()
	for range calls {
		r, err := http.NewRequestWithContext(t.Context(), e.method, url+e.path, strings.NewReader(e.body))
		require.NoError(t, err)
		r.SetBasicAuth("checkout", "correct-horse-battery")
		if e.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
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
	eachExchange(t, "Go", func(t *testing.T, i *testbed.Instance, e exchange) {
		assert.Equal(t, calls, ask(t, "http://"+e.addr(i), e))
	})
}

// proxy starts a proxy in front of the port with the configuration, in which LISTEN and
// TARGET stand for its address and the port's, and returns its URL.
func proxy(t *testing.T, target, config string, command ...string) string {
	t.Helper()
	_, err := exec.LookPath(command[0])
	require.NoError(t, err, "make verify needs it")
	folder := t.TempDir()
	addr, err := testbed.FreeAddr()
	require.NoError(t, err)
	text := strings.NewReplacer("LISTEN", addr, "TARGET", target, "FOLDER", folder).Replace(config)
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
	return "http://" + addr
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
		eachExchange(t, "nginx "+version, func(t *testing.T, i *testbed.Instance, e exchange) {
			url := proxy(t, e.addr(i), strings.NewReplacer("VERSION", version, "CONNECTION", connection).Replace(nginx), "/usr/sbin/nginx", "-e", "stderr", "-c")
			assert.Equal(t, calls, ask(t, url, e))
		})
	}
	for name, check := range map[string]string{
		"httpchk":           "option httpchk GET /readyz",
		"httpchk with Host": "option httpchk\n\thttp-check send meth GET uri /readyz ver HTTP/1.1 hdr Host check",
	} {
		eachExchange(t, "HAProxy "+name, func(t *testing.T, i *testbed.Instance, e exchange) {
			url := proxy(t, e.addr(i), `
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
			assert.Equal(t, calls, ask(t, url, e))
			requireAll(t, i, "/readyz", 1)
		})
	}
}

// The heads of clients as they were seen on the wire, for those whose programs need not
// be on the machine.
var heads = map[string][]string{
	".NET HttpClient":          {"Accept: application/json", "User-Agent: shop/1.0", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate: shop=1"},
	".NET, PostAsJsonAsync":    {"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Transfer-Encoding: chunked"},
	".NET Framework":           {"Expect: 100-continue", "Connection: Keep-Alive"},
	".NET Core 2, correlated":  {"Request-Id: |4bf92f3577b34da6.1.2_", "Correlation-Context: shop=1, user=2", "Accept-Encoding: gzip, deflate, br"},
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

// A head with Transfer-Encoding is followed by its body in one chunk, and each call has a
// connection of its own: the service closes it.
func TestHeadsOfHonestClientsAreAnsweredAtBothPorts(t *testing.T) {
	for name, fields := range heads {
		eachExchange(t, name, func(t *testing.T, i *testbed.Instance, e exchange) {
			head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", e.method, e.path, e.addr(i), authorization)
			sent := e.body
			chunks, waits := false, false
			for _, field := range fields {
				framing := strings.HasPrefix(field, "Transfer-Encoding") || strings.HasPrefix(field, "Expect")
				if framing && e.body == "" {
					continue
				}
				chunks = chunks || field == "Transfer-Encoding: chunked"
				waits = waits || strings.HasPrefix(field, "Expect")
				head += field + "\r\n"
			}
			switch {
			case chunks:
				sent = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(e.body), e.body)
				head += "Content-Type: application/json; charset=utf-8\r\n"
			case e.body != "":
				head += fmt.Sprintf("Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n", len(e.body))
			}
			var c net.Conn
			var r *bufio.Reader
			for n := range calls {
				var err error
				if c == nil {
					c, err = net.Dial("tcp", e.addr(i))
					require.NoError(t, err)
					defer c.Close()
					require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
					r = bufio.NewReader(c)
				}
				_, err = io.WriteString(c, head+"\r\n")
				require.NoError(t, err)
				if waits {
					answer, err := http.ReadResponse(r, nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusContinue, answer.StatusCode)
				}
				_, err = io.WriteString(c, sent)
				require.NoError(t, err)
				answer, err := http.ReadResponse(r, nil)
				require.NoError(t, err, "call %d", n)
				text, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
				require.True(t, bytes.HasPrefix(text, []byte("{")))
				require.Equal(t, chunks, answer.Close, "the connection is kept unless the body came in chunks")
				if answer.Close {
					require.NoError(t, c.Close())
					c = nil
				}
			}
		})
	}
}
