package verify

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// openCheckout starts one of the shops of examples/checkout, which asks the instance, and
// returns its address.
func openCheckout(t *testing.T, i *testbed.Instance, command ...string) (addr string) {
	t.Helper()
	addr, err := testbed.FreeAddr()
	require.NoError(t, err)
	for n := range command {
		command[n] = strings.ReplaceAll(command[n], "LISTEN", addr)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"CHECK_URL=http://" + i.Addr, "CHECK_PASSWORD=correct-horse-battery", "LISTEN=" + addr}
	p := testbed.StartProcess(t, cmd)
	awaitPort(t, p, addr)
	return addr
}

func awaitPort(t *testing.T, p *testbed.Process, addr string) {
	t.Helper()
	require.NoError(t, p.Await(t.Context(), testbed.Prompt, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}))
}

// postForm sends a body to the shop and returns the status, 0 when it hangs up.
func postForm(t *testing.T, shop, kind, body string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+shop+"/pay", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Forwarded-For", "203.0.113.99")
	client := http.Client{Timeout: testbed.Prompt, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// Forms that a browser does not send. Each would be a 400 of the service, and a card that
// is charged unchecked, if the shop passed it on as it came.
var oddForms = []struct{ kind, body string }{
	{"application/json", `{"last4":["1001"],"expiry":"12/30","email":"a@example.com"}`},
	{"application/json", `{"last4":1001,"expiry":"12/30","email":"a@example.com"}`},
	{"application/json", `{"last4":"1001","expiry":["12/30"],"email":"a@example.com"}`},
	{"application/json", `{"last4":"1001","expiry":"12/30","email":["a@example.com",""]}`},
	{"application/json", `{"last4":"1001","expiry":"12/30","email":{"toString":"a@example.com"}}`},
	{"application/json", `{"last4":null,"expiry":"12/30","email":"a@example.com"}`},
	{"application/json", `{"last4":"1001 12/30 a@example.com"}`},
	{"application/json", `{}`},
	{"application/x-www-form-urlencoded", "last4[]=1001&expiry=12/30&email=a@example.com"},
	{"application/x-www-form-urlencoded", "last4=1001&expiry[a]=12/30&email=a@example.com"},
}

// requireChecksOrRefuses requires that the shop refuses odd forms, and takes a field that is
// sent twice for one of its two values.
func requireChecksOrRefuses(t *testing.T, i *testbed.Instance, shop string) {
	t.Helper()
	for _, body := range []string{"{", "null", "[]"} {
		assert.NotEqual(t, http.StatusOK, postForm(t, shop, "application/json", body), body)
	}
	for _, form := range oddForms {
		assert.Equal(t, http.StatusUnprocessableEntity, postForm(t, shop, form.kind, form.body), form.body)
	}
	twice := "last4=1001&last4=1002&expiry=12/30&expiry=11/30&email=a@example.com&email=b@example.com"
	assert.Equal(t, http.StatusOK, postForm(t, shop, "application/x-www-form-urlencoded", twice))
	postForm(t, shop, "application/x-www-form-urlencoded", "last4=1001&expiry=12/30&email=a@example.com&email=")
	postForm(t, shop, "application/x-www-form-urlencoded", "last4=1001&last4=&expiry=12/30&email=a@example.com")
	assert.NotContains(t, i.Stderr.String(), "Response: 400")
}

// pay presses Pay from an address of the loopback, where a shop's proxy or the shop itself
// sees it, and with a header X-Forwarded-For, where that is not empty.
func pay(t *testing.T, shop, from, forwarded, last4 string) (status int, text string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := http.Client{Timeout: testbed.Prompt, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	form := url.Values{"last4": {last4}, "expiry": {"12/30"}, "email": {"shopper@example.com"}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+shop+"/pay", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

const refused = "We cannot take this payment now. Please try again later, or pay another way.\n"

// requireGuarded requires that the shop refuses the sixth card of an address and reports
// outcomes. via makes of a shopper's address and a header that the shopper sends what pay
// takes.
func requireGuarded(t *testing.T, i *testbed.Instance, shop string, via func(shopper, header string) (from, forwarded string)) {
	t.Helper()
	press := func(shopper, header, last4 string) (int, string) {
		from, forwarded := via(shopper, header)
		return pay(t, shop, from, forwarded, last4)
	}
	status, text := press("127.0.0.2", "", "0127")
	assert.Equal(t, http.StatusPaymentRequired, status)
	assert.Equal(t, "Your bank has declined this payment.\n", text)
	status, text = press("127.0.0.2", "", "01234")
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Equal(t, "Please look at what you entered.\n", text)
	sold := 0
	for ; sold < 50; sold++ { // on a busy machine some fail open
		if status, text = press("127.0.0.2", fmt.Sprintf("198.51.100.%d", sold), fmt.Sprint(1000+sold)); status != http.StatusOK {
			break
		}
		assert.Equal(t, "Thank you!\n", text)
	}
	assert.Equal(t, http.StatusPaymentRequired, status)
	assert.Equal(t, refused, text)
	metrics, err := i.Metrics()
	require.NoError(t, err)
	assert.EqualValues(t, 5, metrics[`fraudcheck_checks_total{decision="allow"}`]+metrics[`fraudcheck_checks_total{decision="review"}`])
	status, _ = press("127.0.0.3", "127.0.0.2", "1100")
	assert.Equal(t, http.StatusOK, status, "another shopper")

	require.NoError(t, i.Await(t.Context(), testbed.Prompt, func() bool {
		metrics, err := i.Metrics()
		return err == nil && metrics[`fraudcheck_outcomes_total{outcome="approved",reason=""}`] == float64(sold+1) &&
			metrics[`fraudcheck_outcomes_total{outcome="declined",reason="invalid_credentials"}`] == 1
	}), "outcomes")
	checked, both := ids(i, "200"), 0
	for attempt := range ids(i, "202") {
		if checked[attempt] {
			both++
		}
	}
	assert.GreaterOrEqual(t, both, 5, "an outcome has the attempt_id of its check")
	requireChecksOrRefuses(t, i, shop)
	require.NoError(t, i.Hang(t.Context()))
	status, _ = press("127.0.0.2", "", "1101")
	assert.Equal(t, http.StatusOK, status, "no answer: it sells")
	require.NoError(t, i.Resume())
}

// ids are the short ids of attempts that the log shows with an answer of the status.
func ids(i *testbed.Instance, status string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`Response: `+status+` .* attempt=(\S+)`).FindAllStringSubmatch(i.Stderr.String(), -1) {
		found[m[1]] = true
	}
	return found
}

func TestTheGoCheckoutIsGuarded(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "checkout")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", shop, "fraudcheck/examples/checkout")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	i := start(t)
	requireGuarded(t, i, openCheckout(t, i, shop), func(shopper, header string) (from, forwarded string) {
		return "127.0.0.1", strings.TrimPrefix(header+", "+shopper, ", ") // as nginx does
	})
}
