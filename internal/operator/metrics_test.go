package operator_test

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/testbed"
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
	m.RegisterTraffic(zero, zero, zero)
	m.RegisterTLS([]string{"plain_text"}, func() time.Time { return time.Unix(1_800_000_000, 0) })
	return m
}

func zero() float64 { return 0 }

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
	testbed.SkipRace(t, "one goroutine looks at names")
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
	add(`fraudcheck_degraded_checks_total{reason="*"}`, []string{"store", "wait", "clock"})
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
	add("fraudcheck_top_subject_share")
	add(`fraudcheck_recent_distinct{what="*"}`, []string{"addresses", "cards"})
	add(`fraudcheck_suspect_subject_total{kind="*"}`, []string{"private", "loopback", "link_local", "unique_local", "unspecified", "multicast", "carrier_nat", "network", "connection"})
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
fraudcheck_suspect_subject_total{kind}
fraudcheck_top_subject_share{}
fraudcheck_recent_distinct{what}
fraudcheck_checks_without_ip_total{reason}
fraudcheck_outcomes_total{outcome,reason}
fraudcheck_log_dropped_total{}
fraudcheck_clock_ahead_seconds{}
fraudcheck_config_reloads_total{result}
fraudcheck_decision_log_dropped_total{}
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

// A metric of another name would leave an alert silent.
func TestAlertsAreOnMetricsThatThereAre(t *testing.T) {
	families, err := newMetrics(t).Registry.Gather()
	require.NoError(t, err)
	have := make(map[string]bool)
	for _, f := range families {
		have[f.GetName()] = true
		if f.GetMetric()[0].GetHistogram() != nil {
			have[f.GetName()+"_bucket"], have[f.GetName()+"_count"] = true, true
		}
	}
	var text []byte
	for _, file := range []string{"recordings.yaml", "alerts.yaml"} {
		more, err := os.ReadFile("../../deploy/prometheus/" + file)
		require.NoError(t, err)
		text = append(text, more...)
	}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllSubmatch(text, -1) {
		have[string(m[1])] = true
	}
	named := regexp.MustCompile(`\b[a-z_]*:?fraudcheck_[a-z_:0-9]+`).FindAllString(string(text), -1)
	require.Greater(t, len(named), 20)
	for _, name := range named {
		assert.True(t, have[name], name)
	}
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

func planOf(t testing.TB, rules []velocity.Rule) *velocity.Plan {
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	return plan
}
