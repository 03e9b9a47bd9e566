package contract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

var program string // its path

func TestMain(m *testing.M) {
	testbed.ClearEnvironment()
	dir, err := os.MkdirTemp("", "contract")
	if err == nil {
		program = filepath.Join(dir, "fraudcheck")
		err = testbed.Build(context.Background(), "../..", program)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	password  = "correct-horse-battery"
	jwtSecret = "7b1e0c5d9f3a48e2b6c4d8a1f0e97352"
)

// settings are those of every instance; each adds its own.
const settings = `
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
debug: {pprof: true}
accept_no_ip: true
trusted_proxies: [127.0.0.1]
rules:
  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}
  - {name: cards_per_email, per: email, count: cards, window: 24h, block_over: 4, mode: shadow}
lists: {block: [{net: 198.51.100.0/24, until: 2036-01-31T00:00:00Z, note: a botnet}]}
auth:
  jwt: {client_id: fraudcheck, secret: ` + jwtSecret + `, encoding: clear, profile_claims: [shop]}
  basic:
    users:
      - {username: checkout, password: ` + password + `}
      - {username: desk, password: ` + password + `, roles: [analyst]}
      - {username: chief, password: ` + password + `, roles: [operator]}
      - {username: branch, password: ` + password + `, roles: [operator], networks: [192.0.2.0/24]}
`

// start starts the program with the settings above and more.
func start(t *testing.T, more string) *testbed.Instance {
	t.Helper()
	config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(config, []byte(settings+more), 0o600))
	i, err := testbed.StartInstance(t.Context(), t.TempDir(), exec.Command(program, "--config", config))
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	return i
}

func basic(user, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

var (
	asCheckout = basic("checkout", password)
	asDesk     = basic("desk", password) // an analyst
	asChief    = basic("chief", password)
)

// A call is one request, written byte by byte.
type call struct {
	port    string // callers or operators
	method  string
	target  string // path and query
	version string // HTTP/1.1 where it is empty
	headers []string
	media   string // the Content-Type; that of JSON where it is empty and there is a body
	body    string
	cut     bool // the request never ends
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// head is the request without its body, and how it frames it.
func (c *call) head() string {
	version := c.version
	if version == "" {
		version = "HTTP/1.1"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: fraudcheck.test\r\n", c.method, c.target, version)
	for _, h := range c.headers {
		b.WriteString(h + "\r\n")
	}
	if c.body != "" {
		media := c.media
		if media == "" {
			media = "application/json"
		}
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", media, len(c.body))
	}
	if c.cut {
		return b.String() + "X-Cut: "
	}
	return b.String() + "\r\n"
}

// ask makes the call on a connection of its own.
func (c *call) ask(t *testing.T, i *testbed.Instance) answer {
	t.Helper()
	addr := i.Addr
	if c.port == "operators" {
		addr = i.Operators
	}
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*testbed.Prompt)))
	_, err = io.WriteString(conn, c.head()+c.body)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.method})
	require.NoError(t, err, "%s %s", c.method, c.target)
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if c.method != http.MethodHead && response.Header.Get("Content-Type") == "text/event-stream" {
		a.body, err = bufio.NewReader(response.Body).ReadBytes('\n') // it has no end
	} else {
		a.body, err = io.ReadAll(response.Body)
	}
	require.NoError(t, err)
	if c.method != http.MethodHead {
		require.NoError(t, a.read(), string(a.body))
	}
	return a
}

// read reads the body, where it is JSON.
func (a *answer) read() error {
	if !strings.Contains(a.header.Get("Content-Type"), "json") {
		return nil
	}
	return json.Unmarshal(a.body, &a.json)
}

// request is the call as net/http would have it, at the server that the document names.
func (c *call) request(t *testing.T) *http.Request {
	t.Helper()
	server := map[string]string{"callers": "http://127.0.0.1:8080", "operators": "http://127.0.0.1:8081"}[c.port]
	r, err := http.NewRequest(c.method, server+c.target, bytes.NewReader([]byte(c.body)))
	require.NoError(t, err)
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
		if c.media != "" {
			r.Header.Set("Content-Type", c.media)
		}
	}
	return r
}
