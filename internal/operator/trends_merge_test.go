package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The minutes of several instances are one: sums, but for what may be the same at both.
func TestTrendsOfInstancesAreMerged(t *testing.T) {
	at := func(minute int) moment { return moment{time.Date(2026, 11, 28, 13, minute, 0, 0, time.UTC)} }
	all := trends{Minutes: list[trendMinute]{
		{Time: at(1), Allow: 1, Addresses: 9, Took: list[uint64]{0, 5}},
		{Time: at(3), Allow: 3},
	}, Top: &trendTop{Share: 0.5}}
	all.merge(&trends{Minutes: list[trendMinute]{
		{Time: at(0), Block: 7},
		{Time: at(1), Allow: 10, Review: 2, Degraded: 4, Addresses: 3, Cards: 8, Took: list[uint64]{1, 1, 0, 2}},
	}, Top: &trendTop{IP: "203.0.113.7", Share: 0.6}})
	all.merge(&trends{Top: &trendTop{Share: 0.4}})
	assert.Equal(t, trends{Minutes: list[trendMinute]{
		{Time: at(0), Block: 7},
		{Time: at(1), Allow: 11, Review: 2, Degraded: 4, Addresses: 9, Cards: 8, Took: list[uint64]{1, 6, 0, 2}},
		{Time: at(3), Allow: 3},
	}, Top: &trendTop{IP: "203.0.113.7", Share: 0.6}}, all)
}
