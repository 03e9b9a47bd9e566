package operator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

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
		evicted, dropped, decisionsDropped uint64
		ahead                              time.Duration
		waits                              turns.Waits
	}
	m := operator.NewMetrics(planOf(t, threeRules), nil, operator.Sources{
		Memory:     func() velocity.MemoryStats { return velocity.MemoryStats{EvictedInWindow: from.evicted} },
		LogDropped: func() uint64 { return from.dropped }, DecisionLogDropped: func() uint64 { return from.decisionsDropped },
		ClockAhead: func() time.Duration { return from.ahead },
		Waits:      func() turns.Waits { return from.waits },
	})
	for n := range 3 {
		from.evicted, from.dropped, from.ahead = uint64(n), uint64(10*n), -time.Duration(n)*1500*time.Millisecond
		from.decisionsDropped = 100 * uint64(n)
		from.waits = turns.Waits{Waiting: n, Count: 4 * uint64(n), Sum: 2 * time.Duration(n) * time.Second}
		from.waits.Buckets[0], from.waits.Buckets[len(turns.WaitBounds)-1] = uint64(n), 2*uint64(n)
		have := scrape(t, m)
		assert.EqualValues(t, n, have["fraudcheck_store_evicted_in_window_total"])
		assert.EqualValues(t, 10*n, have["fraudcheck_log_dropped_total"])
		assert.EqualValues(t, 100*n, have["fraudcheck_decision_log_dropped_total"])
		assert.InDelta(t, -1.5*float64(n), have["fraudcheck_clock_ahead_seconds"], 1e-9)
		assert.EqualValues(t, n, have["fraudcheck_checks_waiting"])
		assert.EqualValues(t, 4*n, have["fraudcheck_check_wait_seconds_count"])
		assert.EqualValues(t, 2*n, have["fraudcheck_check_wait_seconds_sum"])
		assert.EqualValues(t, n, have[`fraudcheck_check_wait_seconds_bucket{le="0.00025"}`])
		assert.EqualValues(t, 3*n, have[`fraudcheck_check_wait_seconds_bucket{le="1"}`])
		assert.EqualValues(t, 4*n, have[`fraudcheck_check_wait_seconds_bucket{le="+Inf"}`])
	}
}
