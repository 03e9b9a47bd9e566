package verify

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/client/fraudchecktest"
	"fraudcheck/internal/testbed"
)

func declined(ip string, n int) map[string]string {
	fields := attempt(ip, n)
	fields["outcome"], fields["reason"] = "declined", "invalid_number"
	return fields
}

func TestAnyClientDropsAnOutcomeThatIsRefused(t *testing.T) {
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		shop.open(t, options{URL: s.URL, MS: patient})
		s.Script(fraudchecktest.Reply{Status: 400, Code: "field_unknown", Field: "reason"})
		for n := range 3 {
			shop(t, command{Do: "outcome", Fields: declined("203.0.113.7", n)})
		}
		require.Eventually(t, func() bool { return shop.counters(t)["outcomes_delivered"] == 2 }, testbed.Prompt, testbed.PollInterval)
		assert.Equal(t, 1, shop.counters(t)["outcomes_dropped"])
		require.Eventually(t, func() bool { return len(shop(t, command{Do: "faults"}).Faults) == 1 }, testbed.Prompt, testbed.PollInterval)
		assert.Equal(t, "/v1/outcomes", shop(t, command{Do: "faults"}).Faults[0].Path)
	})
}

func TestCloseOfAnyClientDeliversWhatWaits(t *testing.T) {
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		s := fraudchecktest.New()
		defer s.Close()
		shop.open(t, options{URL: s.URL, MS: patient})
		for n := range 20 {
			shop(t, command{Do: "outcome", Fields: declined("203.0.113.7", n)})
		}
		shop(t, command{Do: "close"})
		assert.Len(t, s.Requests(), 20)
	})
}

func TestEveryClientAsksThroughAUnixSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "check") // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	listen := "unix:" + filepath.Join(folder, "check.sock")
	i := startCounting(t, listen)
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		ip := address()
		shop.open(t, options{URL: listen, MS: patient})
		for n := range 3 {
			assert.Equal(t, "service", shop.check(t, attempt(ip, n)).Source)
		}
		assert.Equal(t, 3, counts(t, i, ip)["attempts"])
		shop.open(t, options{URL: listen + ".missing", MS: patient})
		assert.Equal(t, "connection", shop.check(t, attempt(ip, 1)).Cause)
	})
}

func TestEveryClientVerifiesTheCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"decision":"block"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		shop.open(t, options{URL: s.URL, MS: patient})
		assert.Equal(t, "fault", shop.check(t, attempt("203.0.113.7", 1)).Cause)
		require.Eventually(t, func() bool { return len(shop(t, command{Do: "faults"}).Faults) == 1 }, testbed.Prompt, testbed.PollInterval)
		assert.Equal(t, fault{Path: "/v1/check", Code: "certificate"}, shop(t, command{Do: "faults"}).Faults[0])
		shop.open(t, options{URL: s.URL, MS: patient, CA: ca})
		for range 2 {
			assert.Equal(t, "block", shop.check(t, attempt("203.0.113.7", 1)).Decision)
		}
	})
}

// The service closes connections that were idle for limits.idle. The next check may meet
// that end; then it is sent again, and counts once.
func TestAConnectionThatTheProgramClosedCostsNoCheck(t *testing.T) {
	t.Parallel()
	const checks = 12
	i := startCounting(t, "127.0.0.1:0", "limits: {idle: 100ms}")
	perShop(t, func(t *testing.T, shop shop, address func() string) {
		ip := address()
		shop.open(t, options{URL: "http://" + i.Addr, MS: patient})
		for n := range checks {
			a := shop.check(t, attempt(ip, n))
			assert.Equal(t, "service", a.Source, a.Cause)
			shop(t, command{Do: "sleep", MS: 96 + n}) // about as long as the program waits
		}
		t.Log("sent again: ", shop.counters(t)["retries"])
		assert.Equal(t, map[string]int{"cards": checks, "attempts": checks, "declined": 0}, counts(t, i, ip))
	})
}
