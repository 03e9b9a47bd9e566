package server_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// The tests of this package speak HTTP over a real connection to a real checker.
// Only the time is theirs: it stands still until a test sets it.

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// morning is the instance's time when a door opens.
var morning = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

const (
	checkoutPassword = "open sesame"
	paymentsPassword = "swordfish"
)

var (
	asCheckout = basic("checkout", checkoutPassword) // a checker, as payments
	asPayments = basic("payments", paymentsPassword)
	asAnalyst  = basic("analyst", "magnifier") // may not check
	asOperator = basic("operator", "everything")
	asBranch   = basic("branch", "far away") // may not ask from here
)

// basic is a whole Authorization line.
func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// newPolicy lets in some users, from the networks of callers.
func newPolicy(t testing.TB, callers, proxies []string) *auth.Policy {
	t.Helper()
	policy, err := auth.NewPolicy(auth.Settings{Networks: callers, TrustedProxies: proxies, Users: []auth.User{
		{Name: "checkout", Password: checkoutPassword, Encryption: password.Clear, Roles: auth.Checker},
		{Name: "payments", Password: paymentsPassword, Encryption: password.Clear, Roles: auth.Checker},
		{Name: "analyst", Password: "magnifier", Encryption: password.Clear, Roles: auth.Analyst},
		{Name: "operator", Password: "everything", Encryption: password.Clear, Roles: auth.Operator},
		{Name: "branch", Password: "far away", Encryption: password.Clear, Roles: auth.Analyst, Networks: []string{"192.0.2.0/24"}},
	}})
	require.NoError(t, err)
	return policy
}

func newGuard(t testing.TB) *auth.Guard { return auth.NewGuard(newPolicy(t, nil, nil)) }

func newChecker(t testing.TB, rules ...velocity.Rule) *velocity.Checker {
	t.Helper()
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	keys, err := velocity.NewKeys([]byte(strings.Repeat("k", velocity.MinHashKey)))
	require.NoError(t, err)
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	return velocity.NewChecker(plan, keys, memory)
}

// A door is a server on a port of its own.
type door struct {
	server *server.Server
	log    logbook

	network, addr string        // where it listens
	clock         atomic.Int64  // the instance's time
	closed        chan struct{} // when Serve has returned
	err           error         // what it returned, then
}

// open starts a server with the default rule; change may set it up otherwise. It
// is drained when the test ends.
func open(t testing.TB, change ...func(*server.Settings)) *door {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return openOn(t, ln, change...)
}

func openOn(t testing.TB, ln net.Listener, change ...func(*server.Settings)) *door {
	t.Helper()
	d := &door{closed: make(chan struct{})}
	d.set(0)
	settings := server.Settings{
		Checker:  newChecker(t, velocity.DefaultRule),
		Guard:    newGuard(t),
		Now:      func(time.Time) velocity.Time { return velocity.Time(d.clock.Load()) },
		Log:      slog.New(&d.log),
		Address:  func(a netip.Addr) string { return velocity.Network(a).String() },
		TagKey:   []byte("a key for the tests"),
		InFlight: 64,
		Read:     patience, Write: patience, Idle: patience,
	}
	for _, c := range change {
		c(&settings)
	}
	d.network, d.addr, d.server = ln.Addr().Network(), ln.Addr().String(), server.New(settings)
	go func() {
		defer close(d.closed)
		d.err = d.server.Serve(ln)
	}()
	t.Cleanup(func() {
		assert.NoError(t, d.drain(patience), "Drain")
		d.requireClosed(t)
	})
	return d
}

// set moves the instance's time to so long after the morning.
func (d *door) set(after time.Duration) {
	d.clock.Store(int64(velocity.TimeOf(morning.Add(after))))
}

func (d *door) drain(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return d.server.Drain(ctx)
}

// requireClosed waits until Serve has returned, without an error.
func (d *door) requireClosed(t testing.TB) {
	t.Helper()
	select {
	case <-d.closed:
		require.NoError(t, d.err, "Serve")
	case <-time.After(patience):
		require.FailNow(t, "Serve has not returned")
	}
}

// raw writes a request as HTTP: its first line without the version, its headers,
// and its body, with the length unless the headers tell another.
func raw(line, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: fraudcheck.test\r\n", line)
	framed := body == ""
	for _, h := range headers {
		framed = framed || strings.HasPrefix(h, "Content-Length:") || strings.HasPrefix(h, "Transfer-Encoding:")
		b.WriteString(h + "\r\n")
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// cardBody is an attempt at that address with one of many cards.
func cardBody(address string, card int) string {
	return fmt.Sprintf(`{"ip":%q,"last4":"%04d","exp_month":12,"exp_year":2030}`, address, card)
}

// check is a valid request of the checkout.
func check(address string, card int) string {
	return raw("POST /v1/check", cardBody(address, card), asCheckout)
}

// A line is one connection to a door.
type line struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (d *door) dial(t testing.TB) *line {
	t.Helper()
	c, err := net.Dial(d.network, d.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(2*patience)))
	return &line{Conn: c, t: t, r: bufio.NewReader(c)}
}

func (l *line) send(text string) {
	l.t.Helper()
	_, err := io.WriteString(l, text)
	require.NoError(l.t, err)
}

func (l *line) ask(request string) answer {
	l.t.Helper()
	l.send(request)
	method, _, _ := strings.Cut(request, " ")
	return l.next(method)
}

// ask asks on a connection of its own.
func (d *door) ask(t testing.TB, request string) answer {
	t.Helper()
	return d.dial(t).ask(request)
}

// An answer is what came back, whole.
type answer struct {
	status int
	phrase string // of the status line
	header http.Header
	close  bool // the server closes the connection
	body   string
	json   map[string]any // nil when the body is no JSON object
}

// next reads the answer to a request of that method, and requires of it what
// every answer has.
func (l *line) next(method string) answer {
	l.t.Helper()
	response, err := http.ReadResponse(l.r, &http.Request{Method: method})
	require.NoError(l.t, err, "there is no answer")
	body, err := io.ReadAll(response.Body)
	require.NoError(l.t, err)
	_, phrase, _ := strings.Cut(response.Status, " ")
	a := answer{
		status: response.StatusCode, phrase: phrase,
		header: response.Header, close: response.Close, body: string(body),
	}
	require.NoError(l.t, response.Body.Close())
	assert.Regexp(l.t, `^[A-Za-z0-9._-]{1,64}$`, a.header.Get("X-Request-ID"))
	assert.Equal(l.t, "no-store", a.header.Get("Cache-Control"))
	assert.Empty(l.t, a.header.Get("Server"))
	if strings.Contains(a.header.Get("Content-Type"), "json") && method != http.MethodHead {
		require.NoError(l.t, json.Unmarshal(body, &a.json), a.body)
	}
	if a.json["code"] != nil {
		assert.Equal(l.t, a.header.Get("X-Request-ID"), a.json["request_id"])
	}
	return a
}

// requireEnd requires that the server closes the connection and says nothing more.
func (l *line) requireEnd() {
	l.t.Helper()
	rest, err := io.ReadAll(l.r)
	require.NoError(l.t, err)
	require.Empty(l.t, string(rest), "a stray answer")
}

// count is what the answer's only rule counted.
func (a answer) count(t testing.TB) int {
	t.Helper()
	rules, _ := a.json["rules"].([]any)
	require.Len(t, rules, 1, a.body)
	return int(rules[0].(map[string]any)["count"].(float64))
}

// requireProblem requires a problem with all its members and no others.
func requireProblem(t testing.TB, a answer, status int, code, field string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	assert.NotEmpty(t, a.json["detail"])
	want := map[string]any{
		"type": "about:blank", "title": a.phrase, "status": float64(status), "code": code,
		"detail": a.json["detail"], "request_id": a.header.Get("X-Request-ID"),
	}
	if field != "" {
		want["field"] = field
	}
	assert.Equal(t, want, a.json)
	assert.Equal(t, status == 401, a.header.Get("WWW-Authenticate") == `Basic realm="fraudcheck", charset="UTF-8"`)
	assert.Equal(t, status == 405, a.header.Get("Allow") != "")
	assert.Equal(t, status == 503 || status == 429, a.header.Get("Retry-After") != "")
}

// A logbook keeps what a server logs.
type logbook struct {
	mu    sync.Mutex
	lines []logLine
}

type logLine struct {
	level   slog.Level
	message string
	attrs   map[string]string
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler       { panic("not used") }
func (b *logbook) WithGroup(string) slog.Handler            { panic("not used") }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	l := logLine{level: r.Level, message: r.Message, attrs: map[string]string{}}
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindGroup { // without a name: its own stand here
			for _, a := range a.Value.Group() {
				l.attrs[a.Key] = a.Value.String()
			}
			return true
		}
		l.attrs[a.Key] = a.Value.String()
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, l)
	return nil
}

// all is every line so far. A request's lines are there before its answer is.
func (b *logbook) all() []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]logLine(nil), b.lines...)
}

// text is the whole log, to search.
func (b *logbook) text() string { return fmt.Sprint(b.all()) }
