package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// patience is for what a browser on a busy machine does.
const patience = time.Minute

var (
	program  string          // its path
	chromium context.Context // of the one browser; each tab has a profile of its own in it
)

func TestMain(m *testing.M) {
	for _, file := range []string{"axe-core/axe.min.js", "big-list-of-naughty-strings/blns.json"} {
		if _, err := os.Stat(filepath.Join("node_modules", file)); err != nil {
			fmt.Fprintln(os.Stderr, "run make console-test, which fetches what is missing:", err)
			os.Exit(1)
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	testbed.ClearEnvironment()
	folder, err := os.MkdirTemp("", "console")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "fraudcheck")
	if err := testbed.Build(context.Background(), "../../..", program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.DisableGPU, chromedp.Flag("lang", "en-GB"), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true))
	defer end()
	var quit context.CancelFunc
	chromium, quit = chromedp.NewContext(allocator)
	defer quit()
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "no browser:", err)
		return 1
	}
	return m.Run()
}

const password = "correct-horse-battery"

// settings are those of every instance; %s is a list of further users.
const settings = `
listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
rules:
  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}
  - {name: attempts_per_ip, per: ip, count: attempts, window: 10m, block_over: 4, mode: shadow}
  - {name: cards_per_email, per: email, count: cards, window: 24h, block_over: 4}
lists:
  allow: [{net: 198.51.100.0/28, note: our call centre}]
  block: [{net: 192.0.2.0/24, until: "2036-01-31T00:00:00Z", note: "<b>a hosting provider</b>"}]
auth:
  jwt: {client_id: fraudcheck, secret: ` + jwtSecret + `, encoding: clear}
  basic:
    users:
      - {username: till, password: ` + password + `}
      - {username: ana, password: ` + password + `, roles: [analyst]}
      - {username: olga, password: ` + password + `, roles: [operator]}
      - {username: "<img src=x onerror=ran(1)>", password: ` + password + `, roles: [analyst]}
`

// A shop is the instances that a test has.
type shop struct {
	t         *testing.T
	memcached *testbed.TestMemcached
	instances []*testbed.Instance
}

// open starts n instances that count as one; one has the embedded store.
func open(t *testing.T, n int) *shop {
	s := &shop{t: t}
	more := ""
	var ports []string
	for range n {
		port, err := testbed.FreeAddr()
		require.NoError(t, err)
		ports = append(ports, port)
	}
	if n > 1 {
		s.memcached = testbed.StartMemcached(t)
		more = fmt.Sprintf("store: {kind: memcached, memcached: {servers: [%q]}}\noperator_peers: [%s]\n", s.memcached.Addr, strings.Join(ports, ", "))
	}
	for i, port := range ports {
		config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "%s%soperator_listen: %s\ninstance: till-%d\n", settings, more, port, i+1), 0o600))
		instance, err := testbed.StartInstance(t.Context(), t.TempDir(), exec.Command(program, "--config", config))
		require.NoError(t, err)
		t.Cleanup(instance.Kill)
		s.instances = append(s.instances, instance)
	}
	return s
}

// ask asks an instance at the callers' or the operators' port and returns the answer.
func (s *shop) ask(address, authorization, method, path string, body any) (status int, answer map[string]any) {
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(s.t, err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+address+path, bytes.NewReader(text))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", authorization)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	require.NoError(s.t, err)
	_ = json.Unmarshal(text, &answer)
	return response.StatusCode, answer
}

// check checks a card at an instance and returns the decision.
func (s *shop) check(i int, ip, card string) string {
	status, answer := s.ask(s.instances[i].Addr, testbed.Basic("till", password), "POST", "/v1/check", map[string]string{"ip": ip, "card_id": "tok_" + card, "expiry": "12/30"})
	require.Equal(s.t, 200, status, "%v", answer)
	return answer["decision"].(string)
}

// attack shows n cards from one IP address.
func (s *shop) attack(ip string, n int) {
	for card := range n {
		s.check(0, ip, fmt.Sprint("attack-", card))
	}
}

// A tab is a page of a browser with a profile of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu   sync.Mutex
	said []string // errors that the browser told of
}

// watch has each page keep what its policy refused, and what a payload ran.
const watch = `
window.refused = []; window.ranBy = [];
window.ran = (by) => { window.ranBy.push(String(by)); };
window.alert = window.confirm = window.prompt = (by) => { window.ranBy.push(String(by)); };
document.addEventListener('securitypolicyviolation', (e) => window.refused.push(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample));`

// tab opens a tab at the console of an instance.
func (s *shop) tab(i int) *tab {
	ctx, end := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	b := &tab{t: s.t, ctx: ctx, base: "http://" + s.instances[i].Operators}
	messages := chromedp.Console(ctx)
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
	require.NoError(s.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			if m.IsException() || m.Source == "security" || m.Type == chromedp.ConsoleError && m.Source != "network" {
				b.said = append(b.said, m.String())
			}
			b.mu.Unlock()
		}
	}()
	s.t.Cleanup(func() {
		end()
		<-done
	})
	b.size(1280, 900)
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// eval returns the value of an expression of the page's script.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	return value
}

// until waits until the expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	b.untilIn(patience, expression)
}

func (b *tab) untilIn(longest time.Duration, expression string) {
	b.t.Helper()
	for end := time.Now().Add(longest); !eval[bool](b, "!!("+expression+")"); {
		if time.Now().After(end) {
			require.Fail(b.t, "not in time: "+expression, "%s\n%s", eval[string](b, "location.href"), eval[string](b, "document.body.innerText"))
		}
		require.NoError(b.t, testbed.Pause(b.t.Context(), 20*time.Millisecond))
	}
}

// quote is a text as an expression.
func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// see waits until the page shows the text.
func (b *tab) see(text string) {
	b.t.Helper()
	b.until("document.body.innerText.includes(" + quote(text) + ")")
}

// there waits for an element.
func (b *tab) there(css string) { b.t.Helper(); b.until("document.querySelector(" + quote(css) + ")") }

func (b *tab) shows(text string) bool {
	return eval[bool](b, "document.body.innerText.includes("+quote(text)+")")
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.base + path)) }

func (b *tab) size(width, height int64) { b.t.Helper(); b.do(chromedp.EmulateViewport(width, height)) }

// button presses the button that has this text.
func (b *tab) button(text string) {
	b.t.Helper()
	find := "[...document.querySelectorAll('button, summary, nav a')].find((e) => e.innerText.trim() === " + quote(text) + " && e.checkVisibility())"
	b.until(find)
	eval[any](b, find+".click(), null")
}

// fill puts a text in a field, as typing it would.
func (b *tab) fill(css, text string) {
	b.t.Helper()
	b.there(css)
	eval[any](b, fmt.Sprintf("(() => { const e = document.querySelector(%s); e.focus(); e.value = %s; e.dispatchEvent(new Event('input', { bubbles: true })); })(), null", quote(css), quote(text)))
}

// keys presses keys: what has the focus hears them.
func (b *tab) keys(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do(chromedp.KeyEvent(k))
	}
}

// signIn signs in at the form, from the keyboard.
func (b *tab) signIn(user string) {
	b.t.Helper()
	b.until("document.activeElement.id === 'user'")
	b.keys(user, kb.Tab, password, kb.Enter)
	b.there("header")
}

// console opens a page of the console as a user.
func (s *shop) console(i int, user, path string) *tab {
	b := s.tab(i)
	b.open(path)
	b.signIn(user)
	return b
}

// quiet demands that no script of a stranger ran, that the policy refused nothing, and that
// nothing went wrong.
func (b *tab) quiet() {
	b.t.Helper()
	require.Empty(b.t, eval[[]string](b, "window.ranBy"))
	require.Empty(b.t, eval[[]string](b, "window.refused"))
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.said)
}
