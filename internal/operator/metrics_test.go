package operator_test

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

var (
	twoServers = []string{"10.0.0.1:11211", "/run/memcached.sock"}
	threeRules = []velocity.Rule{velocity.DefaultRule, shadow(rule("cards_per_email", "email", 2)), rule("cards_per_device", "device", 1)}
)

// newMetrics are those of a program over two memcached servers.
func newMetrics(t testing.TB) *operator.Metrics {
	t.Helper()
	m := operator.NewMetrics(planOf(t, threeRules), twoServers, sources(newMemory(t)))
	m.AddRoutes(routesOf(t))
	m.RegisterTLS([]string{"plain_text"}, func() time.Time { return time.Unix(1_800_000_000, 0) })
	return m
}

// routesOf are the routes of both ports.
func routesOf(t testing.TB) []string {
	t.Helper()
	return doortest.Open(t).Routes(t)
}

func newMemory(t testing.TB) *velocity.Memory {
	t.Helper()
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	return memory
}

// scrape is every series Prometheus would see, by name and labels as it writes them.
func scrape(t testing.TB, m *operator.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	return parseSeries(t, w.Body.String())
}

func parseSeries(t testing.TB, text string) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		at := strings.LastIndex(s.Text(), " ")
		require.Positive(t, at, s.Text())
		value, err := strconv.ParseFloat(s.Text()[at+1:], 64)
		require.NoError(t, err)
		series[s.Text()[:at]] = value
	}
	require.NotEmpty(t, series)
	return series
}

// changed is what of the series is not zero.
func changed(series map[string]float64, prefix string) map[string]float64 {
	some := map[string]float64{}
	for name, value := range series {
		if value != 0 && strings.HasPrefix(name, prefix) {
			some[name] = value
		}
	}
	return some
}

func TestMetricsAreWellNamed(t *testing.T) {
	for name, m := range map[string]*operator.Metrics{
		"memory":    operator.NewMetrics(planOf(t, threeRules), nil, sources(newMemory(t))),
		"memcached": newMetrics(t),
	} {
		families, err := m.Registry.Gather()
		require.NoError(t, err)
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		require.NoError(t, err)
		require.Empty(t, problems, name)
	}
}

// The first increase of a series that was not there before is lost to rate().
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	var want []string
	add := func(format string, of ...[]string) {
		lines := []string{format}
		for _, values := range of {
			var more []string
			for _, line := range lines {
				for _, v := range values {
					more = append(more, strings.Replace(line, "*", v, 1))
				}
			}
			lines = more
		}
		want = append(want, lines...)
	}
	histogram := func(name string, labels ...string) {
		add(name+"_count*", labels)
		add(name+"_sum*", labels)
	}
	braced := func(label string, values []string) (labels []string) {
		for _, v := range values {
			labels = append(labels, fmt.Sprintf("{%s=%q}", label, v))
		}
		return labels
	}
	guarded := []string{"/v1/check", "/v1/outcomes", "/v1/addresses/{ip}", "/v1/subjects/read", "/v1/subjects/forget"}
	ops := []string{"get", "add", "cas"}

	add(`fraudcheck_checks_total{decision="*"}`, []string{"allow", "review", "block"})
	add(`fraudcheck_rule_outcomes_total{mode="*"}`, []string{
		`enforce",outcome="allow",rule="cards_per_ip`, `enforce",outcome="review",rule="cards_per_ip`,
		`enforce",outcome="block",rule="cards_per_ip`, `enforce",outcome="skipped",rule="cards_per_ip`,
		`shadow",outcome="allow",rule="cards_per_email`, `shadow",outcome="review",rule="cards_per_email`,
		`shadow",outcome="block",rule="cards_per_email`, `shadow",outcome="skipped",rule="cards_per_email`,
		`enforce",outcome="skipped",rule="cards_per_device`,
	})
	histogram("fraudcheck_check_duration_seconds", "")
	add(`fraudcheck_http_requests_total{code="404",route="none"}`)
	add(`fraudcheck_http_requests_total{code="200",route="*"}`, []string{"/v1/check", "/healthz", "/readyz", "/metrics", "/v1/addresses/{ip}", "/v1/subjects/read", "/v1/subjects/forget"})
	add(`fraudcheck_http_requests_total{code="202",route="/v1/outcomes"}`)
	add(`fraudcheck_http_requests_total{code="*",route="*"}`, []string{"400", "401", "403", "405", "429", "500"}, guarded)
	add(`fraudcheck_http_requests_total{code="503",route="*"}`, []string{"/readyz", "/v1/check", "/v1/outcomes", "/v1/addresses/{ip}", "/v1/subjects/forget"})
	histogram("fraudcheck_http_request_duration_seconds", braced("route", append([]string{"none", "/metrics", "/healthz", "/readyz"}, guarded...))...)
	add(`fraudcheck_store_operations_total{op="*",result="*"}`, ops, []string{"ok", "miss", "timeout", "error"})
	add(`fraudcheck_store_operations_total{op="*"}`, []string{`get",result="fault`, `get",result="newer`, `cas",result="conflict`})
	histogram("fraudcheck_store_operation_duration_seconds", braced("op", ops)...)
	add(`fraudcheck_store_up{server="*"}`, twoServers)
	add(`fraudcheck_degraded_checks_total{reason="*"}`, []string{"store", "wait"})
	add("fraudcheck_checks_waiting")
	histogram("fraudcheck_check_wait_seconds", "")
	add("fraudcheck_store_evicted_in_window_total")
	add("fraudcheck_memory_records")
	add("fraudcheck_memory_bytes")
	add(`fraudcheck_auth_total{result="*"}`, []string{
		`authorization_missing",scheme="none`, `authorization_malformed",scheme="none`,
		`ok",scheme="basic`, `authorization_malformed",scheme="basic`, `credentials_invalid",scheme="basic`,
		`ok",scheme="bearer`, `token_expired",scheme="bearer`, `token_invalid",scheme="bearer`,
	})
	add(`fraudcheck_auth_total{result="*",scheme="*"}`, []string{"too_many_failures", "network_refused", "role_missing"}, []string{"basic", "bearer"})
	add(`fraudcheck_accept_errors_total{door="*"}`, []string{"callers", "operators"})
	add(`fraudcheck_connections_closed_for_room_total{door="*"}`, []string{"callers", "operators"})
	add("fraudcheck_pan_like_input_total")
	add("fraudcheck_unbounded_later_total")
	add(`fraudcheck_checks_without_ip_total{reason="*"}`, []string{"renewal", "phone", "unknown"})
	add(`fraudcheck_outcomes_total{outcome="*"}`, []string{
		`late",reason="`,
		`approved",reason="`, `error",reason="`, `declined",reason="invalid_number`, `declined",reason="invalid_credentials`,
		`declined",reason="insufficient_funds`, `declined",reason="other`,
	})
	add("fraudcheck_log_dropped_total")
	add("fraudcheck_clock_ahead_seconds")

	have := scrape(t, newMetrics(t))
	for _, name := range want {
		value, there := have[name]
		if assert.True(t, there, "%s is missing", name) {
			assert.Zero(t, value, name)
		}
	}
	for _, prefix := range []string{"go_goroutines", "go_gc_", "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"} {
		assert.True(t, slices.ContainsFunc(keys(have), func(name string) bool { return strings.HasPrefix(name, prefix) }), prefix)
	}
	var builds []string
	for name, value := range have {
		if strings.HasPrefix(name, "fraudcheck_build_info") {
			builds = append(builds, name)
			assert.EqualValues(t, 1, value)
		}
	}
	require.Len(t, builds, 1)
	assert.Regexp(t, `^fraudcheck_build_info\{goversion="go[^"]+",version="[^"]*"\}$`, builds[0])
}

func keys(m map[string]float64) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

// What dashboards are built on: a name more is a decision, and a line here.
func TestMetricNamesAreThoseOfTheContract(t *testing.T) {
	const contract = `fraudcheck_checks_total{decision}
fraudcheck_rule_outcomes_total{mode,outcome,rule}
fraudcheck_check_duration_seconds{}
fraudcheck_http_requests_total{code,route}
fraudcheck_http_request_duration_seconds{route}
fraudcheck_store_operations_total{op,result}
fraudcheck_store_operation_duration_seconds{op}
fraudcheck_store_up{server}
fraudcheck_degraded_checks_total{reason}
fraudcheck_checks_waiting{}
fraudcheck_check_wait_seconds{}
fraudcheck_store_evicted_in_window_total{}
fraudcheck_memory_records{}
fraudcheck_memory_bytes{}
fraudcheck_auth_total{result,scheme}
fraudcheck_accept_errors_total{door}
fraudcheck_connections_closed_for_room_total{door}
fraudcheck_tls_failures_total{door,reason}
fraudcheck_tls_certificate_expiry_timestamp_seconds{}
fraudcheck_pan_like_input_total{}
fraudcheck_unbounded_later_total{}
fraudcheck_checks_without_ip_total{reason}
fraudcheck_outcomes_total{outcome,reason}
fraudcheck_log_dropped_total{}
fraudcheck_clock_ahead_seconds{}
fraudcheck_config_reloads_total{result}
fraudcheck_build_info{goversion,version}`
	m := newMetrics(t)
	m.Auth("basic", "ok")
	families, err := m.Registry.Gather()
	require.NoError(t, err)
	var have []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "fraudcheck_") {
			assert.Regexp(t, `^(go|process)_`, f.GetName())
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		have = append(have, f.GetName()+"{"+strings.Join(labels, ",")+"}")
		assert.NotEmpty(t, f.GetHelp())
	}
	assert.ElementsMatch(t, strings.Split(contract, "\n"), have)
}

func TestHistogramsAreClassicFromAQuarterMillisecondToASecondAndNative(t *testing.T) {
	m := newMetrics(t)
	m.Decision(&velocity.Decision{Plan: planOf(t, threeRules)}, 3*time.Millisecond)
	m.Request("/v1/check", 200, 3*time.Millisecond)
	m.Operation(twoServers[0], "get", memcached.OK, 3*time.Millisecond)
	families, err := m.Registry.Gather()
	require.NoError(t, err)
	seen := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "fraudcheck_") || !strings.HasSuffix(f.GetName(), "_seconds") || f.GetMetric()[0].GetHistogram() == nil ||
			f.GetName() == "fraudcheck_check_wait_seconds" { // which is made at each scrape, and classic alone
			continue
		}
		seen++
		used := 0
		for _, metric := range f.GetMetric() {
			h := metric.GetHistogram()
			var bounds []float64
			for _, b := range h.GetBucket() {
				bounds = append(bounds, b.GetUpperBound())
			}
			require.True(t, slices.IsSorted(bounds))
			assert.Equal(t, .00025, bounds[0], f.GetName())
			assert.Equal(t, 1., bounds[len(bounds)-1], f.GetName())
			assert.Contains(t, bounds, .05, "the budget of the store is a bound")
			if h.GetSampleCount() > 0 {
				used++
				assert.EqualValues(t, 1, h.GetSampleCount())
				assert.InDelta(t, .003, h.GetSampleSum(), 1e-9, "in seconds")
				assert.NotEmpty(t, h.GetPositiveSpan(), "%s is native too", f.GetName())
			}
		}
		assert.Equal(t, 1, used, f.GetName())
	}
	assert.Equal(t, 3, seen)
}

func TestDecisionsAreCounted(t *testing.T) {
	d := open(t, threeRules)
	check := func(card int, more ...string) {
		d.metrics.Decision(d.check(t, append([]string{"ip=203.0.113.7", fmt.Sprint("card_id=", card)}, more...)...), time.Millisecond)
	}
	check(0, "email=a@example.org")
	check(1, "email=a@example.org", "device=d1")
	check(2, "email=a@example.org", "device=d1") // the device blocks, the e-mail only would
	check(3)                                     // a review
	check(4, "device=d2")                        // a review
	check(5)                                     // a block
	check(5, "device=d3")                        // a block, by the address
	have := scrape(t, d.metrics)
	assert.Equal(t, map[string]float64{
		`fraudcheck_checks_total{decision="allow"}`:  2,
		`fraudcheck_checks_total{decision="review"}`: 2,
		`fraudcheck_checks_total{decision="block"}`:  3,
	}, changed(have, "fraudcheck_checks_total"))
	assert.Equal(t, map[string]float64{
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="allow",rule="cards_per_ip"}`:       3,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="review",rule="cards_per_ip"}`:      2,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="block",rule="cards_per_ip"}`:       2,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="allow",rule="cards_per_email"}`:     2,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="block",rule="cards_per_email"}`:     1,
		`fraudcheck_rule_outcomes_total{mode="shadow",outcome="skipped",rule="cards_per_email"}`:   4,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="allow",rule="cards_per_device"}`:   3,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="block",rule="cards_per_device"}`:   1,
		`fraudcheck_rule_outcomes_total{mode="enforce",outcome="skipped",rule="cards_per_device"}`: 3,
	}, changed(have, "fraudcheck_rule_outcomes_total"))
	assert.EqualValues(t, 7, have["fraudcheck_check_duration_seconds_count"])
	assert.InDelta(t, .007, have["fraudcheck_check_duration_seconds_sum"], 1e-9)
	assert.Empty(t, changed(have, "fraudcheck_degraded_checks_total"))
}

// A decision that no rule had a word in, or only some.
func TestEveryRuleIsCountedOnceForEachDecision(t *testing.T) {
	answered := func(places ...int) *velocity.Decision {
		d := velocity.Decision{Plan: planOf(t, threeRules)}
		for _, i := range places {
			d.Rules = append(d.Rules, velocity.RuleResult{Rule: &threeRules[i], Outcome: velocity.Review})
		}
		return &d
	}
	for _, tt := range [][]int{{}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}} {
		m := newMetrics(t)
		m.Decision(answered(tt...), 0)
		have := scrape(t, m)
		for i, r := range threeRules {
			outcome := map[bool]string{true: "review", false: "skipped"}[slices.Contains(tt, i)]
			for _, o := range []string{"allow", "review", "block", "skipped"} {
				name := fmt.Sprintf("fraudcheck_rule_outcomes_total{mode=%q,outcome=%q,rule=%q}", r.Mode, o, r.Name)
				assert.EqualValues(t, map[bool]int{true: 1}[o == outcome], have[name], "%v: %s", tt, name)
			}
		}
	}
}

func TestDegradedChecksAreCounted(t *testing.T) {
	d := openUnreachable(t)
	for range 3 {
		decision := d.check(t, "ip=203.0.113.7", "card_id=1")
		require.True(t, decision.Degraded)
		d.metrics.Decision(decision, 0)
	}
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules)}, 0)
	d.metrics.Decision(&velocity.Decision{Plan: planOf(t, threeRules), Degraded: true}, 0)
	assert.Equal(t, map[string]float64{
		`fraudcheck_degraded_checks_total{reason="store"}`: 3,
		`fraudcheck_degraded_checks_total{reason="wait"}`:  1,
	}, changed(scrape(t, d.metrics), "fraudcheck_degraded_checks_total"))
}

func TestStoreOperationsAreCounted(t *testing.T) {
	m := newMetrics(t)
	m.Operation(twoServers[0], "get", memcached.Miss, time.Millisecond)
	m.Operation(twoServers[0], "add", memcached.OK, time.Millisecond)
	m.Operation(twoServers[1], "get", memcached.OK, time.Millisecond)
	m.Operation(twoServers[1], "cas", memcached.Timeout, time.Millisecond)
	have := scrape(t, m)
	assert.Equal(t, map[string]float64{
		`fraudcheck_store_operations_total{op="get",result="miss"}`:    1,
		`fraudcheck_store_operations_total{op="add",result="ok"}`:      1,
		`fraudcheck_store_operations_total{op="get",result="ok"}`:      1,
		`fraudcheck_store_operations_total{op="cas",result="timeout"}`: 1,
	}, changed(have, "fraudcheck_store_operations_total"))
	assert.EqualValues(t, 2, have[`fraudcheck_store_operation_duration_seconds_count{op="get"}`])

	up := func(server string) float64 {
		return scrape(t, m)[fmt.Sprintf("fraudcheck_store_up{server=%q}", server)]
	}
	assert.EqualValues(t, 1, up(twoServers[0]))
	assert.EqualValues(t, 0, up(twoServers[1]))
	for _, result := range []memcached.Result{memcached.OK, memcached.Miss, memcached.Conflict, memcached.Fault, memcached.Newer, memcached.Refused} {
		m.Operation(twoServers[1], "get", memcached.Failed, 0)
		require.EqualValues(t, 0, up(twoServers[1]))
		m.Operation(twoServers[1], "get", result, 0)
		assert.EqualValues(t, 1, up(twoServers[1]), "%s is an answer", result)
	}
	assert.EqualValues(t, 1, up(twoServers[0]), "one server's trouble is not another's")
}

func TestSourcesAreReadAtEachScrape(t *testing.T) {
	var from struct {
		evicted, dropped uint64
		ahead            time.Duration
		waits            turns.Waits
	}
	m := operator.NewMetrics(planOf(t, threeRules), nil, operator.Sources{
		Memory:     func() velocity.MemoryStats { return velocity.MemoryStats{EvictedInWindow: from.evicted} },
		LogDropped: func() uint64 { return from.dropped },
		ClockAhead: func() time.Duration { return from.ahead },
		Waits:      func() turns.Waits { return from.waits },
	})
	for n := range 3 {
		from.evicted, from.dropped, from.ahead = uint64(n), uint64(10*n), -time.Duration(n)*1500*time.Millisecond
		from.waits = turns.Waits{Waiting: n, Count: 4 * uint64(n), Sum: 2 * time.Duration(n) * time.Second}
		from.waits.Buckets[0], from.waits.Buckets[len(turns.WaitBounds)-1] = uint64(n), 2*uint64(n)
		have := scrape(t, m)
		assert.EqualValues(t, n, have["fraudcheck_store_evicted_in_window_total"])
		assert.EqualValues(t, 10*n, have["fraudcheck_log_dropped_total"])
		assert.InDelta(t, -1.5*float64(n), have["fraudcheck_clock_ahead_seconds"], 1e-9)
		assert.EqualValues(t, n, have["fraudcheck_checks_waiting"])
		assert.EqualValues(t, 4*n, have["fraudcheck_check_wait_seconds_count"])
		assert.EqualValues(t, 2*n, have["fraudcheck_check_wait_seconds_sum"])
		assert.EqualValues(t, n, have[`fraudcheck_check_wait_seconds_bucket{le="0.00025"}`])
		assert.EqualValues(t, 3*n, have[`fraudcheck_check_wait_seconds_bucket{le="1"}`])
		assert.EqualValues(t, 4*n, have[`fraudcheck_check_wait_seconds_bucket{le="+Inf"}`])
	}
}

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
		"reason":   {"", "invalid_number", "invalid_credentials", "insufficient_funds", "other", "store", "wait", "renewal", "phone", "unknown"},
		"mode":     {"enforce", "shadow"},
		"rule":     {"cards_per_ip", "cards_per_email", "cards_per_device"},
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

func TestCountingADecisionAllocatesNothing(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	m := newMetrics(t)
	d := &velocity.Decision{Plan: planOf(t, threeRules), Outcome: velocity.Block, Degraded: true, Rules: []velocity.RuleResult{
		{Rule: &threeRules[0], Outcome: velocity.Block}, {Rule: &threeRules[2], Outcome: velocity.Allow},
	}}
	n := 0
	assert.Zero(t, testing.AllocsPerRun(10_000, func() {
		n++
		m.Decision(d, time.Duration(n%20)*100*time.Microsecond)
	}), "Decision")
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { m.Request("/v1/check", 200, time.Millisecond) }), "Request")
	assert.Zero(t, testing.AllocsPerRun(10_000, m.PANLike), "PANLike")
}

func planOf(t testing.TB, rules []velocity.Rule) *velocity.Plan {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return plan
}
