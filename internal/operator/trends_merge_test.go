package operator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

// The minutes of several instances are one: sums, but for what may be the same at both.
func TestTrendsOfInstancesAreMerged(t *testing.T) {
	at := func(minute int) moment { return moment{time.Date(2026, 11, 28, 13, minute, 0, 0, time.UTC)} }
	now := velocity.TimeOf(at(3).Time) + 59_999
	all := trends{Minutes: list[trendMinute]{
		{Time: at(1), Allow: 1, Addresses: 9, Took: took{0, 5}},
		{Time: at(3), Allow: 3},
	}, Top: &trendTop{Share: 0.5}}
	all.merge(&trends{Minutes: list[trendMinute]{
		{Time: at(0), Block: 7},
		{Time: at(1), Allow: 10, Review: 2, Degraded: 4, Addresses: 3, Cards: 8, Took: took{1, 1, 0, 2}},
	}, Top: &trendTop{IP: "203.0.113.7", Share: 0.6}}, now)
	all.merge(&trends{Top: &trendTop{IP: "203.0.113.8", Share: 0.4}}, now)
	assert.Equal(t, trends{Minutes: list[trendMinute]{
		{Time: at(0), Block: 7, Took: took{}},
		{Time: at(1), Allow: 11, Review: 2, Degraded: 4, Addresses: 9, Cards: 8, Took: took{1, 6, 0, 2}},
		{Time: at(3), Allow: 3},
	}, Top: &trendTop{IP: "203.0.113.7", Share: 0.6}}, all)
}

// A peer may tell anything: what is no minute of the last hour is passed over.
func TestOnlyMinutesOfTheLastHourAreMerged(t *testing.T) {
	present := time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)
	now := velocity.TimeOf(present.Add(30 * time.Second))
	told := trends{}
	for _, at := range []time.Duration{-1000 * time.Hour, -time.Hour, -59 * time.Minute, -90 * time.Second, 0, 0, time.Millisecond, time.Minute, 1000 * time.Hour} {
		told.Minutes = append(told.Minutes, trendMinute{Time: moment{present.Add(at)}, Allow: 1})
	}
	var all trends
	all.merge(&told, now)
	require.Len(t, all.Minutes, 2)
	assert.Equal(t, trendMinute{Time: moment{present.Add(-59 * time.Minute)}, Allow: 1, Took: took{}}, all.Minutes[0])
	assert.Equal(t, present, all.Minutes[1].Time.Time)

	for _, top := range []trendTop{{Share: 0.5}, {IP: "everybody", Share: 0.5}, {IP: "203.0.113.7", Share: 1.5}, {IP: "203.0.113.7", Share: -1}} {
		all.merge(&trends{Top: &top}, now)
		assert.Nil(t, all.Top, "%v", top)
	}
}

// However much a peer tells, this instance holds an hour.
func TestTheTrendsOfAPeerAreBounded(t *testing.T) {
	var minute trendMinute
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"took":[0`+strings.Repeat(",0", recent.TookLength)+`]}`), &minute), errTooMany)
	require.NoError(t, json.Unmarshal([]byte(`{"took":[0`+strings.Repeat(",0", recent.TookLength-1)+`]}`), &minute))
	assert.Len(t, minute.Took, recent.TookLength)

	present := time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)
	told := trends{Minutes: make(list[trendMinute], maxListed)}
	for i := range told.Minutes {
		told.Minutes[i] = trendMinute{Time: moment{present.Add(time.Duration(i-maxListed) * time.Minute)}}
	}
	var all trends
	all.merge(&told, velocity.TimeOf(present))
	assert.Len(t, all.Minutes, 59)
}
