package operator_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

func TestAuthenticationsAreCounted(t *testing.T) {
	d := open(t, nil)
	d.anonymous(t, "GET", someone, "")
	d.anonymous(t, "GET", someone, "", "Authorization: Nonsense")
	d.anonymous(t, "GET", someone, "", doortest.Basic("somebody", "else"))
	d.anonymous(t, "GET", someone, "", doortest.AsCheckout) // is somebody, may not
	d.ask(t, "GET", someone, "")
	d.ask(t, "GET", "/healthz", "") // nobody looks
	assert.Equal(t, map[string]float64{
		`fraudcheck_auth_total{result="authorization_missing",scheme="none"}`:   1,
		`fraudcheck_auth_total{result="authorization_malformed",scheme="none"}`: 1,
		`fraudcheck_auth_total{result="credentials_invalid",scheme="basic"}`:    1,
		`fraudcheck_auth_total{result="role_missing",scheme="basic"}`:           1,
		`fraudcheck_auth_total{result="ok",scheme="basic"}`:                     1,
	}, changed(scrape(t, d.metrics), "fraudcheck_auth_total"))
}

func TestWhatLooksLikeACardNumberIsCountedAtThisDoorToo(t *testing.T) {
	d := open(t, nil)
	pan := func() float64 { return scrape(t, d.metrics)["fraudcheck_pan_like_input_total"] }
	d.metrics.PANLike()
	require.EqualValues(t, 1, pan())
	d.ask(t, "POST", "/v1/subjects/read", `{"per":"card","card_id":"4111 1111 1111 1111"}`)
	assert.EqualValues(t, 2, pan())
	d.ask(t, "POST", "/v1/subjects/forget", `{"per":"card","last4":"41111","exp_month":1,"exp_year":30}`)
	assert.EqualValues(t, 3, pan())
	d.ask(t, "POST", "/v1/subjects/read", `{"per":"card","last4":"411","exp_month":1,"exp_year":30}`)
	assert.EqualValues(t, 3, pan(), "three digits are only wrong")
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	d := open(t, nil)
	d.ask(t, "GET", "/v1/addresses/203.0.113.1", "")
	d.ask(t, "GET", "/v1/addresses/203.0.113.2", "")
	d.ask(t, "GET", "/v1/addresses/localhost", "")
	d.ask(t, "DELETE", "/v1/addresses/203.0.113.1", "")
	d.ask(t, "BREW", "/v1/addresses/203.0.113.1", "")
	d.ask(t, "GET", "/nowhere", "")
	d.ready.Store(false)
	d.ask(t, "GET", "/readyz", "")
	have := parseSeries(t, d.anonymous(t, "GET", "/metrics", "").Body)
	assert.Equal(t, map[string]float64{
		`fraudcheck_http_requests_total{code="200",route="/v1/addresses/{ip}"}`: 3,
		`fraudcheck_http_requests_total{code="400",route="/v1/addresses/{ip}"}`: 1,
		`fraudcheck_http_requests_total{code="405",route="/v1/addresses/{ip}"}`: 1,
		`fraudcheck_http_requests_total{code="404",route="none"}`:               1,
		`fraudcheck_http_requests_total{code="503",route="/readyz"}`:            1,
	}, changed(have, "fraudcheck_http_requests_total"))
	assert.EqualValues(t, 5, have[`fraudcheck_http_request_duration_seconds_count{route="/v1/addresses/{ip}"}`])
	assert.EqualValues(t, 1, have[`fraudcheck_http_request_duration_seconds_count{route="none"}`])
}

// A status that nobody thought of at the start is counted all the same.
func TestAnUnforeseenStatusIsCounted(t *testing.T) {
	m := newMetrics(t)
	for n := range 3 {
		m.Request("/v1/check", 418, time.Millisecond)
		assert.EqualValues(t, n+1, scrape(t, m)[`fraudcheck_http_requests_total{code="418",route="/v1/check"}`])
	}
}

var aLabel = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// Nothing that a stranger chooses becomes a label.
func TestUnknownPathsMakeNoSeries(t *testing.T) {
	d := open(t, threeRules)
	storm := func(n int) {
		odd := fmt.Sprint("odd-", n)
		for _, path := range []string{
			"/" + odd, "/v1/" + odd, "/v1/addresses/" + odd, fmt.Sprint("/v1/addresses/203.0.113.", n), fmt.Sprintf("/v1/addresses/2001:db8::%x", n),
			"/v1/addresses/x/" + odd, "/metrics?" + odd, "/v1/subjects/" + odd, "/%C3%A9" + odd, "/v1/subjects/read",
		} {
			for _, method := range []string{"GET", "POST", "DELETE", "ODD", fmt.Sprint("ODD", n)} {
				d.anonymous(t, method, path, `{"per":"`+odd+`"}`, doortest.Basic(odd, odd), "X-Request-ID: "+odd, "User-Agent: "+odd)
				d.ask(t, method, path, `{"per":"`+odd+`"}`, "Content-Type: "+odd)
			}
		}
		d.metrics.Decision(d.check(t, "ip=203.0.113.7", "card_id="+odd, "email="+odd, "device="+odd), 0)
	}
	storm(0)
	before := len(scrape(t, d.metrics))
	for n := 1; n < 5; n++ {
		storm(n)
	}
	after := scrape(t, d.metrics)
	assert.Len(t, after, before)

	closed := map[string][]string{
		"route":    routesOf(t),
		"door":     {"callers", "operators"},
		"decision": {"allow", "review", "block"},
		"outcome":  {"allow", "review", "block", "skipped", "approved", "declined", "error", "late"},
		"reason":   {"", "invalid_number", "invalid_credentials", "insufficient_funds", "other", "store", "wait", "clock", "renewal", "phone", "unknown"},
		"mode":     {"enforce", "shadow"},
		"rule":     {"cards_per_ip", "cards_per_email", "cards_per_device"},
		"kind":     velocity.Suspicions(),
		"scheme":   nil, // of auth, as are its results
		"result":   {"ok", "error"},
		"code":     {"200", "202", "204", "400", "401", "403", "404", "405", "408", "413", "415", "417", "429", "431", "500", "501", "503", "505"},
	}
	for _, o := range auth.AllOutcomes() {
		closed["scheme"], closed["result"] = append(closed["scheme"], o.Scheme), append(closed["result"], o.Results...)
	}
	for series := range after {
		assert.NotContains(t, strings.ToLower(series), "odd")
		if !strings.HasPrefix(series, "fraudcheck_") || strings.HasPrefix(series, "fraudcheck_build_info") {
			continue
		}
		for _, label := range aLabel.FindAllStringSubmatch(series, -1) {
			if label[1] != "le" {
				assert.Contains(t, closed[label[1]], label[2], series)
			}
		}
	}
}
