package recent_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
)

func idsOf(found []recent.Decision) (ids []string) {
	for _, d := range found {
		ids = append(ids, d.RequestID)
	}
	return ids
}

func TestFilters(t *testing.T) {
	r := newRing(10)
	for n, c := range []check{
		{from: "203.0.113.7", outcome: velocity.Block},
		{from: "203.0.113.8", outcome: velocity.Review},
		{from: "2001:db8::7"},
		{},
	} {
		c.id, c.at = fmt.Sprint(n), time.Duration(n)*time.Second
		e := c.event()
		e.ShortAttempt = velocity.ShortID(n+1) << 24
		if n == 2 { // a shadow rule found too many, and a list allowed
			e.Decision.Rules[0].Outcome, e.Decision.Reasons = velocity.Block, []string{"list"}
		}
		r.Watch(e)
	}
	review := velocity.Review
	for name, tt := range map[string]struct {
		filter recent.Filter
		want   []string
	}{
		"all":              {recent.Filter{}, []string{"3", "2", "1", "0"}},
		"a decision":       {recent.Filter{Outcome: &review}, []string{"1"}},
		"a rule":           {recent.Filter{Rule: "cards_per_ip"}, []string{"2", "1", "0"}},
		"a reason":         {recent.Filter{Rule: "list"}, []string{"2"}},
		"an address":       {recent.Filter{Network: netip.MustParsePrefix("203.0.113.8/32")}, []string{"1"}},
		"a network":        {recent.Filter{Network: netip.MustParsePrefix("203.0.113.0/24")}, []string{"1", "0"}},
		"an IPv6 network":  {recent.Filter{Network: netip.MustParsePrefix("2001:db8::/32")}, []string{"2"}},
		"everything of v4": {recent.Filter{Network: netip.MustParsePrefix("0.0.0.0/0")}, []string{"1", "0"}},
		"an attempt":       {recent.Filter{Attempt: 3 << 24}, []string{"2"}},
		"a request":        {recent.Filter{RequestID: "3"}, []string{"3"}},
		"since":            {recent.Filter{Since: start + 2000}, []string{"3", "2"}},
		"both":             {recent.Filter{Since: start + 1000, Rule: "cards_per_ip"}, []string{"2", "1"}},
		"none":             {recent.Filter{Attempt: 9 << 24}, nil},
	} {
		assert.Equal(t, tt.want, idsOf(r.Before(nil, &tt.filter, 10)), name)
		since := tt.filter
		since.Since = max(1, since.Since)
		forward, _ := r.Subscribe(since).Read(10)
		assert.Len(t, forward, len(tt.want), name)
	}
}

func TestPagesStayWhileDecisionsComeIn(t *testing.T) {
	r := newRing(1000)
	note := func(from, to int) {
		for n := from; n < to; n++ {
			r.Watch(check{from: honest(n), at: time.Duration(n/4) * time.Millisecond, id: fmt.Sprint(n)}.event())
		}
	}
	note(0, 500)
	var last *recent.Position
	var seen []string
	for more := 500; ; more += 50 {
		page := r.Before(last, new(recent.Filter), 7)
		if len(page) == 0 {
			break
		}
		seen, last = append(seen, idsOf(page)...), &page[len(page)-1].Position
		note(more, min(more+50, 1000))
	}
	require.Len(t, seen, 500)
	for n, id := range seen {
		require.Equal(t, fmt.Sprint(499-n), id)
	}
}

// A list of several instances goes on behind a decision of any of them.
func TestAPageBehindAnotherInstancesDecision(t *testing.T) {
	r := newRing(10)
	for n := range 5 {
		r.Watch(check{from: honest(n), at: time.Duration(n) * time.Millisecond, id: fmt.Sprint(n)}.event())
	}
	own := recent.InstanceNumber("web-1")
	for name, tt := range map[string]struct {
		behind recent.Position
		want   []string
	}{
		"of a later time":                    {recent.Position{Time: start + 10, Instance: own + 1}, []string{"4", "3", "2", "1", "0"}},
		"of the same time, of one before it": {recent.Position{Time: start + 3, Instance: own - 1}, []string{"3", "2", "1", "0"}},
		"of the same time, of one behind it": {recent.Position{Time: start + 3, Instance: own + 1}, []string{"2", "1", "0"}},
		"of an earlier run of this one":      {recent.Position{Time: start - 1000, Instance: own, Number: uint64(start-1000) << 20}, nil},
	} {
		assert.Equal(t, tt.want, idsOf(r.Before(&tt.behind, new(recent.Filter), 10)), name)
	}
}

func TestWhoFollowsSeesEachDecisionOnce(t *testing.T) {
	r := newRing(100)
	s := r.Subscribe(recent.Filter{})
	var seen []string
	for n := range 1000 {
		r.Watch(check{from: honest(n), id: fmt.Sprint(n)}.event())
		if n%30 == 0 {
			found, missed := s.Read(1000)
			assert.Zero(t, missed)
			seen = append(seen, idsOf(found)...)
		}
	}
	require.Len(t, seen, 991)
	for n, id := range seen {
		require.Equal(t, fmt.Sprint(n), id)
	}
}

func TestWhoFollowsTooSlowlyIsToldHowManyItMissed(t *testing.T) {
	r := newRing(100)
	s := r.Subscribe(recent.Filter{})
	for n := range 250 {
		r.Watch(check{from: honest(n), id: fmt.Sprint(n)}.event())
	}
	found, missed := s.Read(40)
	assert.Equal(t, 150, missed)
	require.Len(t, found, 40)
	assert.Equal(t, "150", found[0].RequestID)
	found, missed = s.Read(1000)
	assert.Zero(t, missed)
	require.Len(t, found, 60)
	assert.Equal(t, "190", found[0].RequestID)
}

func TestWhoFollowsMayPassOverWhatThereIs(t *testing.T) {
	r := newRing(100)
	all, one, evicted := r.Subscribe(recent.Filter{}), r.Subscribe(recent.Filter{RequestID: "20"}), r.Subscribe(recent.Filter{RequestID: "20"})
	past := r.Subscribe(recent.Filter{Since: 1})
	for n := range 90 {
		r.Watch(check{from: honest(n), id: fmt.Sprint(n)}.event())
	}
	assert.Equal(t, 90, all.Skip())
	assert.Equal(t, 1, one.Skip(), "those that the filter takes")
	assert.Zero(t, all.Skip()+one.Skip())
	assert.False(t, past.InPast(), "there were none before")
	for n := range 50 {
		r.Watch(check{from: honest(n), id: fmt.Sprint(90 + n)}.event())
	}
	found, missed := all.Read(1000)
	assert.Equal(t, "90", found[0].RequestID)
	assert.Zero(t, missed)
	assert.Equal(t, 40, evicted.Skip(), "what has left, whatever the filter")
	past = r.Subscribe(recent.Filter{Since: 1})
	for n := range 100 {
		assert.True(t, past.InPast(), n)
		past.Read(1)
	}
	assert.False(t, past.InPast())
}
