package operator_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The tests of this package speak HTTP over a real connection to a door that has a
// real checker behind it. Only the time is theirs: it stands still until a test
// sets it.

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

const analystPassword = "magnifier"

var (
	asCheckout = basic("checkout", "open sesame") // a checker
	asAnalyst  = basic("analyst", analystPassword)
	asOperator = basic("operator", "everything")
	asNobody   = basic("guest", "welcome") // a caller without any role
)

const (
	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
	asText = "Content-Type: text/plain"
)

// basic is a whole Authorization line.
func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func newGuard(t testing.TB) *auth.Guard {
	t.Helper()
	users, err := auth.NewBasic([]auth.User{
		{Name: "checkout", Password: "open sesame", Encryption: password.Clear, Roles: auth.Checker},
		{Name: "analyst", Password: analystPassword, Encryption: password.Clear, Roles: auth.Analyst},
		{Name: "operator", Password: "everything", Encryption: password.Clear, Roles: auth.Operator},
		{Name: "guest", Password: "welcome", Encryption: password.Clear},
	})
	require.NoError(t, err)
	return auth.NewGuard(users, nil)
}

func newMemory(t testing.TB) *velocity.Memory {
	t.Helper()
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	return memory
}

// unreachable is a shared store that nobody answers for.
func unreachable(t testing.TB, local *velocity.Memory) *velocity.Memcached {
	t.Helper()
	return velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{"127.0.0.1:1"}, MaxConns: 4, Budget: 100 * time.Millisecond})
}

// allRoutes are the values of the label "route", as the program gives them.
func allRoutes() []string {
	routes := append([]string{"none"}, server.Routes()...)
	for _, r := range operator.Routes() {
		if !slices.Contains(routes, r) { // both doors have some
			routes = append(routes, r)
		}
	}
	return routes
}

// A door is the operators' door on a port of its own.
type door struct {
	*operator.Door
	addr    string
	client  *http.Client
	checker *velocity.Checker
	memory  *velocity.Memory
	metrics *operator.Metrics
	log     logbook

	clock    atomic.Int64 // the instance's time
	ready    atomic.Bool
	attempts atomic.Int64

	closed chan struct{} // when Serve has returned
	err    error         // what it returned, then
}

// open starts a door over the embedded store, with the default rule unless others
// are given; change may set it up otherwise. It is shut when the test ends.
func open(t testing.TB, rules []velocity.Rule, change ...func(*operator.Settings)) *door {
	t.Helper()
	return openOver(t, rules, nil, change...)
}

// openUnheard starts a door over a shared store that does not answer.
func openUnheard(t testing.TB, rules ...velocity.Rule) *door {
	t.Helper()
	return openOver(t, rules, func(local *velocity.Memory) velocity.Store { return unreachable(t, local) })
}

func openOver(t testing.TB, rules []velocity.Rule, store func(*velocity.Memory) velocity.Store, change ...func(*operator.Settings)) *door {
	t.Helper()
	if len(rules) == 0 {
		rules = []velocity.Rule{velocity.DefaultRule}
	}
	d := &door{closed: make(chan struct{}), memory: newMemory(t)}
	d.set(0)
	d.ready.Store(true)
	if store == nil {
		store = func(local *velocity.Memory) velocity.Store { return local }
	}
	d.checker = velocitytest.NewChecker(t, rules, store(d.memory))
	d.metrics = operator.NewMetrics(d.checker.Plan(), allRoutes(), nil, sources(d.memory))
	guard := newGuard(t)
	guard.Observe = d.metrics.Auth
	settings := operator.Settings{
		Checker: d.checker,
		Guard:   guard,
		Metrics: d.metrics,
		Now:     func(time.Time) velocity.Time { return d.now() },
		Ready:   d.ready.Load,
		Log:     slog.New(logHandler{book: &d.log}),
		TagKey:  []byte("a key for the tests"),
	}
	for _, c := range change {
		c(&settings)
	}
	d.Door = operator.New(settings)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.serve(t, ln)
	return d
}

func (d *door) serve(t testing.TB, ln net.Listener) {
	d.addr = ln.Addr().String()
	transport := &http.Transport{DisableCompression: true}
	d.client = &http.Client{Transport: transport, Timeout: patience}
	go func() {
		defer close(d.closed)
		d.err = d.Serve(ln)
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = d.shut(patience) // some tests have done so
		d.requireClosed(t)
	})
}

func sources(memory *velocity.Memory) operator.Sources {
	return operator.Sources{
		Memory:     memory.Stats,
		LogDropped: func() uint64 { return 0 },
		ClockAhead: func() time.Duration { return 0 },
	}
}

func (d *door) shut(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return d.Shutdown(ctx)
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

// set moves the instance's time to so long after the start.
func (d *door) set(after time.Duration) {
	d.clock.Store(int64(velocitytest.Start) + after.Milliseconds())
}

func (d *door) now() velocity.Time { return velocity.Time(d.clock.Load()) }

// attempt makes one of fields written name=value, with an attempt_id of its own.
func (d *door) attempt(t testing.TB, fields ...string) velocity.Attempt {
	t.Helper()
	var f velocity.Fields
	f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %d", d.attempts.Add(1)))
	for _, pair := range fields {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := velocity.FieldByName(name)
		require.True(t, ok && f.Set(field, value), pair)
	}
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return a
}

// check is a check at the callers' door.
func (d *door) check(t testing.TB, fields ...string) *velocity.Decision {
	t.Helper()
	a, decision := d.attempt(t, fields...), new(velocity.Decision)
	d.checker.Check(&a, d.now(), 0, decision)
	return decision
}

// show has the address show that many different cards.
func (d *door) show(t testing.TB, address string, cards int, more ...string) {
	t.Helper()
	for n := range cards {
		d.check(t, append([]string{"ip=" + address, fmt.Sprintf("card_id=card %d", n)}, more...)...)
	}
}

// decline reports that the issuer declined a card that the address showed.
func (d *door) decline(t testing.TB, address string, card int) {
	t.Helper()
	a := d.attempt(t, "ip="+address, fmt.Sprintf("card_id=card %d", card))
	d.checker.Declined(&a, d.now())
}

// ask sends a request with headers written as lines, an Authorization of the
// analyst's unless one is given or told not to: see anonymous.
func (d *door) ask(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	return d.anonymous(t, method, path, body, append(headers, asAnalyst)...)
}

// anonymous sends the request with these headers and no others.
func (d *door) anonymous(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.addr+path, strings.NewReader(body))
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	response, err := d.client.Do(request)
	require.NoError(t, err, "there is no answer")
	return read(t, response, method)
}

// An answer is what came back, whole.
type answer struct {
	status int
	phrase string // of the status line
	header http.Header
	body   string
	json   map[string]any // nil when the body is no JSON object
}

// read reads the answer to a request of that method, and requires of it what every
// answer has.
func read(t testing.TB, response *http.Response, method string) answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	_, phrase, _ := strings.Cut(response.Status, " ")
	a := answer{status: response.StatusCode, phrase: phrase, header: response.Header, body: string(body)}
	assert.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, a.header.Get("X-Request-ID"))
	assert.Equal(t, "no-store", a.header.Get("Cache-Control"))
	if strings.Contains(a.header.Get("Content-Type"), "json") && method != http.MethodHead {
		require.NoError(t, json.Unmarshal(body, &a.json), a.body)
	}
	return a
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

// requireJSON requires a 200 with this object.
func requireJSON(t testing.TB, want string, a answer) {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	assert.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.JSONEq(t, want, a.body)
}

// next is what the answer says of a known and of a new card.
func (a answer) next(t testing.TB) [2]string {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	next, ok := a.json["next"].(map[string]any)
	require.True(t, ok, a.body)
	require.Len(t, next, 2)
	return [2]string{next["known_card"].(string), next["new_card"].(string)}
}

// counts are the rules' names and counts, in order, as name=count.
func (a answer) counts(t testing.TB) (counts []string) {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	rules, ok := a.json["rules"].([]any)
	require.True(t, ok, a.body)
	for _, r := range rules {
		rule := r.(map[string]any)
		counts = append(counts, fmt.Sprintf("%s=%v", rule["name"], rule["count"]))
	}
	return counts
}

// rule is one that counts cards, without a review stage.
func rule(name, per string, blockOver int) velocity.Rule {
	return velocity.Rule{Name: name, Per: per, Count: "cards", Window: time.Hour, BlockOver: blockOver,
		Retention: velocity.Sliding, Mode: velocity.Enforce}
}

func counting(r velocity.Rule, element string) velocity.Rule {
	r.Count = element
	return r
}

func shadow(r velocity.Rule) velocity.Rule {
	r.Mode = velocity.Shadow
	return r
}

// A logbook keeps what a door logs.
type logbook struct {
	mu    sync.Mutex
	lines []logLine
}

type logLine struct {
	level   slog.Level
	message string
	attrs   map[string]string
}

type logHandler struct {
	book  *logbook
	attrs []slog.Attr
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithGroup(string) slog.Handler            { panic("not used") }

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{book: h.book, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	l := logLine{level: r.Level, message: r.Message, attrs: map[string]string{}}
	keep := func(a slog.Attr) bool {
		l.attrs[a.Key] = a.Value.String()
		return true
	}
	for _, a := range h.attrs {
		keep(a)
	}
	r.Attrs(keep)
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.book.lines = append(h.book.lines, l)
	return nil
}

// all is every line so far. A request's lines are there before its answer is,
// unless that is a long one.
func (b *logbook) all() []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]logLine(nil), b.lines...)
}

// text is the whole log, to search.
func (b *logbook) text() string { return fmt.Sprint(b.all()) }
