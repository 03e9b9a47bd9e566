package main

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// What the parts count must arrive in the metrics of the whole.

// value is the sum of a metric's series in the text that Prometheus scrapes.
func value(t *testing.T, scraped, name string) (sum float64) {
	t.Helper()
	series := regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(scraped, -1)
	require.NotEmpty(t, series, "%s is not there", name)
	for _, s := range series {
		n, err := strconv.ParseFloat(s[1], 64)
		require.NoError(t, err)
		sum += n
	}
	return sum
}

func (p *program) scrape(t *testing.T) string {
	t.Helper()
	a, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status)
	return a.body
}

func TestWhatCallersShouldNotSendIsCounted(t *testing.T) {
	p := start(t, strings.Replace(guarded, "password: ", "roles: [operator], password: ", 1)+"accept_no_ip: true\n")
	require.Zero(t, value(t, p.scrape(t), "fraudcheck_pan_like_input_total"))
	assert.Equal(t, 400, p.send(t, "POST", "/v1/check", `{"ip":"203.0.113.7","card_id":"4111111111111111"}`).status)
	assert.EqualValues(t, 1, value(t, p.scrape(t), "fraudcheck_pan_like_input_total"))
	a, err := p.try(p.operators, "POST", "/v1/subjects/read", `{"per":"card","card_id":"4111111111111111"}`)
	require.NoError(t, err)
	assert.Equal(t, 400, a.status)
	assert.EqualValues(t, 2, value(t, p.scrape(t), "fraudcheck_pan_like_input_total"))

	assert.Equal(t, 200, p.send(t, "POST", "/v1/check", `{"no_ip":"phone","card_id":"a"}`).status)
	assert.EqualValues(t, 1, value(t, p.scrape(t), "fraudcheck_checks_without_ip_total"))
	for range 3 {
		assert.Equal(t, 200, p.send(t, "POST", "/v1/check", `{"ip":"203.0.113.7","card":"later"}`).status)
	}
	assert.EqualValues(t, 3, value(t, p.scrape(t), "fraudcheck_unbounded_later_total"))
	p.await(t, p.stderr, `WARNING .*callers send card: later`)
	assert.Equal(t, 1, strings.Count(p.stderr.String(), "callers send card: later"), "once a minute")
}

// stuck is a standard error that takes nothing until it is released.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

// steppedBack is a reading of the clock as it would be if the wall clock had been an
// hour behind, with the monotonic clock as it is. Only the layout of time.Time allows
// that: the seconds of the wall clock are bits 30 to 62 of its first word.
func steppedBack() time.Time {
	reading := time.Now()
	*(*uint64)(unsafe.Pointer(&reading)) -= 3600 << 30
	return reading
}

func TestDroppedLinesAndAClockThatWasSetAreShown(t *testing.T) {
	require.Equal(t, time.Hour, time.Since(steppedBack().Round(0)).Round(time.Minute), "the wall clock is an hour behind")
	require.Less(t, time.Since(steppedBack()), time.Minute, "the monotonic clock is not")

	p, err := configure(&flags{Config: writeFile(t, "fraudcheck.yaml", guarded)}, config.FilesAndPipes)
	require.NoError(t, err)
	stderr := make(stuck)
	s := &service{policy: p, guard: auth.NewGuard(p.authPolicy), clock: velocity.NewClock(steppedBack())}
	for _, step := range []func() error{s.makeKeys, s.makeMemory, func() error { return s.openLog(stderr) }, s.makeMetrics} {
		require.NoError(t, step())
	}
	t.Cleanup(func() {
		close(stderr)
		s.closeLog()
	})
	gauge := func(name string) float64 {
		families, err := s.metrics.Registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == name {
				return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
			}
		}
		require.Fail(t, name+" is not there")
		return 0
	}
	require.Zero(t, gauge("fraudcheck_log_dropped_total"))
	for range 100_000 {
		s.log.Info("a line that nobody takes")
	}
	s.clock.Now(time.Now())
	assert.Positive(t, gauge("fraudcheck_log_dropped_total"))
	assert.InDelta(t, 3600, gauge("fraudcheck_clock_ahead_seconds"), 10)
}
