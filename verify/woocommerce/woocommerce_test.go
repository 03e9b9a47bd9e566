//go:build verify

// Package woocommerce has tests of examples/woocommerce/fraudcheck.php in a shop of a few
// lines, against the real program and against services that misbehave. make verify runs them.
package woocommerce

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const credentials = "checkout:correct-horse-battery"

// A press is one press of Pay in the shop of shop.php, which knows the other fields.
type press map[string]any

// A sale is what became of it.
type sale struct {
	Sold    bool
	MS      float64 // that the plugin took before the charge
	Notices []string
	Log     []string
	Notes   []string
	Kept    int // attempts kept with the order, for outcomes to come
	Queue   int

	Declared map[string]string // features of WooCommerce that it goes with, and its file
}

type shop struct {
	t   *testing.T
	in  io.Writer
	out *json.Decoder
}

// openShop starts the shop with the plugin, which asks the service at the address.
func openShop(t *testing.T, addr, user string, proxies string) *shop {
	t.Helper()
	_, err := exec.LookPath("php")
	require.NoError(t, err, "make verify needs it")
	cmd := exec.Command("php", "-d", "display_errors=stderr", "-d", "error_reporting=-1", "shop.php",
		"../../examples/woocommerce/fraudcheck.php", "http://"+addr, user, proxies)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		assert.NoError(t, cmd.Wait())
		assert.Empty(t, complaints.String(), "PHP has nothing to complain of")
	})
	return &shop{t: t, in: in, out: json.NewDecoder(bufio.NewReader(out))}
}

func (s *shop) press(p press) (result sale) {
	s.t.Helper()
	if p["ip"] == nil {
		p["ip"] = "203.0.113.7"
	}
	line, err := json.Marshal(p)
	require.NoError(s.t, err)
	_, err = s.in.Write(append(line, '\n'))
	require.NoError(s.t, err)
	require.NoError(s.t, s.out.Decode(&result))
	return result
}

// card returns the nth card; all differ.
func card(n int) map[string]any {
	return map[string]any{"last4": fmt.Sprintf("%04d", 1000+n), "exp_month": "05", "exp_year": "2031"}
}

// serveWith starts the real program with the rules.
func serveWith(t *testing.T, rules string) *testbed.Instance {
	t.Helper()
	config := filepath.Join(t.TempDir(), "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
hash_key: staple-0123456789-0123456789-0123456789
auth: {basic: {users: [{username: checkout, password: correct-horse-battery}]}}
rules: [`+rules+`]
`), 0o600))
	i, err := testbed.StartInstance(t.Context(), t.TempDir(), exec.Command(testbed.Program(t), "--config", config))
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	return i
}

const (
	attemptsRule = `{name: attempts_per_ip, per: ip, count: attempts, window: 1h, block_over: 5}`
	defaultRule  = `{name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}`
)

func TestWooCommerceStopsCardTesting(t *testing.T) {
	const orders = 500
	for name, c := range map[string]struct {
		rules  string
		press  press
		passes int
	}{
		"attempts, no card ever known":        {attemptsRule, press{"status": "failed"}, 5},
		"attempts, block checkout":            {attemptsRule, press{"status": "failed", "checkout": "blocks"}, 5},
		"attempts, one order paid anew":       {attemptsRule, press{"status": "failed", "checkout": "pay page", "order": 7}, 5},
		"cards, from a token":                 {defaultRule, press{"status": "failed", "leaves": "token"}, 6},
		"cards, from Braintree's meta":        {defaultRule, press{"leaves": "braintree"}, 6},
		"cards, from WooPayments' meta":       {defaultRule, press{"status": "on-hold", "leaves": "woopayments"}, 6},
		"cards, from the shop's own filter":   {defaultRule, press{"status": "failed", "leaves": "elsewhere"}, 6},
		"cards, stored after the status":      {defaultRule, press{"status": "failed", "leaves": "token", "late": true}, 6},
		"cards, one order paid anew":          {defaultRule, press{"status": "failed", "leaves": "token", "order": 7}, 7},
		"attempts, cards that are saved":      {attemptsRule, press{"checkout": "save card"}, 5},
		"attempts, a plugin asks for payment": {attemptsRule, press{"status": "completed", "order": 7, "needs": true}, 5},
		"attempts, a plugin needs no payment": {attemptsRule, press{"needs": false}, orders},
		"attempts, transfers are not charged": {attemptsRule, press{"method": "bacs", "status": "on-hold"}, orders},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := openShop(t, serveWith(t, c.rules).Addr, credentials, "[]")
			passed, unanswered := 0, 0 // by a busy machine, in time
			for n := range orders {
				if c.press["leaves"] != nil {
					c.press["card"] = card(n)
				}
				switch result := shop.press(c.press); {
				case len(result.Log) > 0:
					unanswered++
					require.True(t, result.Sold, result)
					require.Contains(t, result.Log[0], "status 0 ")
				case result.Sold:
					passed++
					require.LessOrEqual(t, passed, c.passes, "order %d: %+v", n+1, result)
					require.Empty(t, result.Notices)
					require.True(t, c.press["order"] != nil || result.Kept == 0, "what was reported is not kept")
				case c.press["checkout"] == "save card":
					require.Equal(t, []string{"Unable to add payment method to your account."}, result.Notices)
				default:
					require.Equal(t, []string{"We were unable to process your order, please try again."}, result.Notices)
					require.Contains(t, strings.Join(result.Notes, "\n"), "fraudcheck: block ")
				}
			}
			assert.GreaterOrEqual(t, passed+unanswered, c.passes)
			assert.Less(t, unanswered, orders/10)
		})
	}
}

func TestWooCommerceReviewsPassWithANote(t *testing.T) {
	shop := openShop(t, serveWith(t, `{name: attempts_per_ip, per: ip, count: attempts, window: 1h, review_over: 1, block_over: 5}`).Addr, credentials, "[]")
	assert.Empty(t, shop.press(press{}).Notes)
	second := shop.press(press{})
	assert.True(t, second.Sold)
	assert.Equal(t, []string{"fraudcheck: review attempts_per_ip"}, second.Notes)
}

// A shopper must not be able to prevent the check with an e-mail address. Each is one, also
// when it is sent again.
func TestWooCommerceAsksWhateverTheShopperTypes(t *testing.T) {
	shop := openShop(t, serveWith(t, `{name: emails_per_ip, per: ip, count: emails, window: 1h, block_over: 1}`).Addr, credentials, "[]")
	for n, c := range []struct{ one, same, other string }{
		{strings.Repeat("é", 300), strings.Repeat("é", 256), strings.Repeat("é", 255)},
		{strings.Repeat("😀", 300), strings.Repeat("😀", 256), strings.Repeat("😀", 255)},
		{strings.Repeat("\u0085\u3000", 200) + "eva@example.com", "eva@example.com\u00a0", "eve@example.com"},
		{strings.Repeat("\xff", 300), strings.Repeat("\xff", 256), strings.Repeat("\xff", 255)},
		{"0", " 0", "1"},
		{"\x00", "\x00", "\x01"},
		{"a" + strings.Repeat(" ", 300), "a", "b"},
		{strings.Repeat("\xc2\xa0", 200), "", "x@example.com"},
	} {
		sold := func(email string) bool {
			p := press{"ip": fmt.Sprint("203.0.113.", n), "email": hex.EncodeToString([]byte(email)), "status": "failed"}
			result := shop.press(p)
			for try := 1; try < 10 && strings.Contains(fmt.Sprint(result.Log), "status 0"); try++ { // a busy machine
				result = shop.press(p)
			}
			assert.Empty(t, result.Log, "%.20q", email)
			return result.Sold
		}
		assert.True(t, sold(c.one), "%.20q", c.one)
		assert.True(t, sold(c.same), "%.20q", c.same)
		assert.Equal(t, c.same == "", sold(c.other), "%.20q", c.other)
	}
}

// What a service may do with a connection. A fault of the shop's settings is critical in
// its log, and outcomes that meet it are not tried again; anything else may pass.
var lies = map[string]struct {
	serve func(c net.Conn)
	fault bool
}{
	"closes":            {func(c net.Conn) {}, false},
	"resets":            {func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, false},
	"stalls":            {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false},
	"drips":             {func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", " ") }, false},
	"drips its header":  {func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\n", "X: y\r\n") }, false},
	"floods":            {func(c net.Conn) { flood(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") }, false},
	"floods its header": {func(c net.Conn) { flood(c, "HTTP/1.1 200 OK\r\n") }, false},
	"half an answer": {func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"decision\":\"block\"")
	}, false},
	"no HTTP":               {func(c net.Conn) { _, _ = io.WriteString(c, "block\r\n\r\n") }, false},
	"HTTP/0.9":              {func(c net.Conn) { _, _ = io.WriteString(c, `{"decision":"block","attempt_id":"x"}`) }, false},
	"a block with an error": {answer("500 Internal Server Error", `{"decision":"block","attempt_id":"x"}`), false},
	"too many":              {answer("429 Too Many Requests", `{"code":"too_many_failures"}`), false},
	"refuses":               {answer("401 Unauthorized", `{"code":["credentials_invalid"]}`), true},
	"elsewhere":             {answer("302 Found\r\nLocation: /", ``), true},
	"a page":                {answer("200 OK", "<html>block</html>"), true},
	"a word":                {answer("200 OK", `"block"`), true},
	"another decision":      {answer("200 OK", `{"decision":"BLOCK","attempt_id":"x"}`), true},
	"decisions":             {answer("200 OK", `{"decision":["block"],"attempt_id":"x"}`), true},
	"nothing":               {answer("200 OK", ``), true},
	"deep":                  {answer("200 OK", strings.Repeat("[", 1000)), true},
	"no text":               {answer("200 OK", "\xff\x00\xfe"), true},
}

func answer(status, body string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
}

func drip(c net.Conn, head, part string) {
	_, err := io.WriteString(c, head)
	for err == nil {
		_, err = io.WriteString(c, part)
		_ = testbed.Pause(context.Background(), testbed.PollInterval)
	}
}

func flood(c net.Conn, head string) {
	_, err := io.WriteString(c, head)
	for part := strings.Repeat("X: y\r\n", 1000); err == nil; {
		_, err = io.WriteString(c, part)
	}
}

// misbehave serves each connection with the function, and returns the address.
func misbehave(t *testing.T, serve func(c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// requireSells requires that the shop sells in time. The quickest of some presses tells:
// others may have waited for the machine.
func requireSells(t *testing.T, s *shop) (last sale) {
	t.Helper()
	quickest := float64(time.Minute.Milliseconds())
	for range 5 {
		last = s.press(press{"status": "failed", "leaves": "token", "card": card(0)})
		require.True(t, last.Sold, last)
		require.NotEmpty(t, last.Log, "somebody is told")
		assert.NotContains(t, fmt.Sprint(last.Log), "203.0.113", "nothing of the shopper")
		assert.NotContains(t, fmt.Sprint(last.Log), "example.com")
		quickest = min(quickest, last.MS)
	}
	assert.Less(t, quickest, 100.0, "milliseconds")
	return last
}

func TestWooCommerceSellsWhateverTheServiceDoes(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := requireSells(t, openShop(t, misbehave(t, lie.serve), credentials, "[]"))
			assert.Equal(t, lie.fault, strings.HasPrefix(last.Log[0], "critical"), "%s", last.Log)
			if name == "stalls" {
				assert.Contains(t, last.Log[0], "timed out")
			}
			assert.Equal(t, lie.fault, last.Queue == 0, "%d outcomes to try again", last.Queue)
		})
	}
	t.Run("is not there", func(t *testing.T) {
		addr, err := testbed.FreeAddr()
		require.NoError(t, err)
		last := requireSells(t, openShop(t, addr, credentials, "[]"))
		assert.Regexp(t, "^warning /v1/check: status 0 .*(refused|connect to)", last.Log[0])
	})
	t.Run("wrong password", func(t *testing.T) {
		last := requireSells(t, openShop(t, serveWith(t, defaultRule).Addr, "checkout:wrong", "[]"))
		assert.Equal(t, "critical /v1/check: status 401 credentials_invalid", last.Log[0])
	})
}

func TestWooCommerceReportsLaterWhatItCouldNot(t *testing.T) {
	i := serveWith(t, defaultRule)
	shop := openShop(t, i.Addr, credentials, "[]")
	require.NoError(t, i.Hang(t.Context()))
	requireSells(t, shop)
	for n := range 5 { // reported, with those above, when the service is back
		require.True(t, shop.press(press{"status": "failed", "leaves": "token", "card": card(1 + n)}).Sold)
	}
	require.NoError(t, i.Resume())
	result := shop.press(press{"ip": "203.0.113.8", "wait": 3600})
	assert.Empty(t, result.Log)
	assert.Zero(t, result.Queue)
	assert.False(t, shop.press(press{}).Sold, "six cards are known")
}

func TestWooCommerceReportsWhatItSentAtTheCheck(t *testing.T) {
	var sent []map[string]any
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := map[string]any{}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		sent = append(sent, body)
		if r.URL.Path == "/v1/outcomes" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = io.WriteString(w, `{"decision":"allow"}`)
	}))
	defer service.Close()
	shop := openShop(t, service.Listener.Addr().String(), credentials, "[]")
	before := time.Now().Unix()
	shop.press(press{"order": 7, "status": "failed", "leaves": "token", "card": card(1)})
	shop.press(press{"order": 7, "status": "pending"}) // no answer of the gateway
	shop.press(press{"order": 7, "status": "completed"})
	shop.press(press{"order": 7, "status": "processing", "checkout": "none"}) // set by hand
	require.Len(t, sent, 5, "an outcome for each attempt that has one, once")
	check, declined, retry, approved := sent[0], sent[1], sent[3], sent[4]

	assert.Equal(t, "later", check["card"])
	assert.Equal(t, "203.0.113.7", check["ip"])
	assert.Equal(t, "shopper-7@example.com", check["email"])
	assert.Equal(t, "t_shopper", check["cart"])
	assert.NotContains(t, check, "account", "a guest")
	assert.Equal(t, "now", declined["card"])
	assert.Equal(t, "1001", declined["last4"])
	assert.Equal(t, "declined", declined["outcome"])
	assert.GreaterOrEqual(t, declined["at"], float64(before))
	for _, field := range []string{"attempt_id", "ip", "email", "cart"} {
		assert.Equal(t, check[field], declined[field], field)
	}
	assert.NotEqual(t, check["attempt_id"], retry["attempt_id"], "another press")
	assert.Equal(t, retry["attempt_id"], approved["attempt_id"])
	assert.NotEqual(t, sent[2]["attempt_id"], approved["attempt_id"])
	assert.Equal(t, "approved", approved["outcome"])
	assert.Equal(t, "later", approved["card"], "the card on the order is that of the first attempt")
	assert.NotContains(t, approved, "before")
}
