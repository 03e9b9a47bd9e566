package recent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
)

var enforced, shadowed = RuleKey{"cards_per_ip", velocity.Enforce}, RuleKey{"cards_per_ip", velocity.Shadow}

func TestMinutesAreThoseOfTheLastHour(t *testing.T) {
	c := newTraffic(t)
	c.now = start - start%minute
	totals := Counts{By: [3]uint64{100, 10, 1}, Degraded: 5, Rules: []RuleCounts{{RuleKey: enforced, By: [3]uint64{100, 10, 1}}}}
	m := NewMinutes(c.Traffic, func() Counts { return totals }, c.now)
	begin := c.now
	decided := func(o velocity.Outcome, times, address int) {
		for card := range times {
			c.Watch(&event.Event{Kind: event.Check, Time: c.now, Attempt: &velocity.Attempt{Address: shopper(address)},
				Decision: &velocity.Decision{Plan: c.plan}, ShortCard: velocity.ShortID(mixed(uint64(card)))})
			c.Took(time.Millisecond)
			totals.By[o]++
			totals.Rules = append([]RuleCounts{}, totals.Rules...)
			totals.Rules[0].By[o]++
		}
	}
	for n := range 70 {
		decided(velocity.Allow, 3, n)
		c.now += 59_000
		decided(velocity.Block, 2, n+1)
		c.now += 1000
		m.Tick(c.now)
	}
	c.now += 30_000
	decided(velocity.Review, 4, 99)
	last := m.Last(c.now)
	assert.Len(t, last, minutesKept)
	assert.Equal(t, begin+11*minute, last[0].Start)
	for i, one := range last[:minutesKept-1] {
		assert.Equal(t, last[0].Start+velocity.Time(i)*minute, one.Start)
		assert.Equal(t, [3]uint64{3, 0, 2}, one.By)
		assert.Equal(t, []int{2, 3}, []int{one.Addresses, one.Cards})
		assert.InEpsilon(t, float64(time.Millisecond), float64(Quantile(one.Took, 0.99)), 0.125)
	}
	now := last[minutesKept-1]
	assert.Equal(t, [3]uint64{0, 4, 0}, now.By, "the present one")
	assert.Equal(t, []int{1, 4}, []int{now.Addresses, now.Cards})
	assert.Equal(t, RuleCounts{RuleKey: enforced, By: [3]uint64{59 * 3, 4, 59 * 2}}, SumRules(last)[enforced])

	// In shadow it counts anew, and back in force it goes on.
	totals.Rules = []RuleCounts{{RuleKey: shadowed, Skipped: 7}}
	c.now += minute
	m.Tick(c.now)
	totals.Rules = []RuleCounts{{RuleKey: enforced, By: [3]uint64{100 + 210, 14, 141}}}
	totals.Degraded++
	c.now += minute
	last = m.Last(c.now)
	assert.EqualValues(t, 7, SumRules(last)[shadowed].Skipped)
	assert.Equal(t, [3]uint64{0, 4, 0}, SumRules(last[len(last)-2:])[enforced].By, "what it said in the minute in which it went")
	assert.EqualValues(t, 1, last[len(last)-2].Degraded)

	c.now += 3600_000 // the machine slept
	assert.Len(t, m.Last(c.now), 1)
}

// A quantile is an eighth off at most.
func TestQuantilesAreThoseOfTheTimes(t *testing.T) {
	assert.Zero(t, Quantile(nil, 0.5))
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		took := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "took"))
		h[bucketOf(took)]++
		i := bucketOf(took)
		if boundOf(i) > took || boundOf(i+1) <= took {
			t.Fatalf("%v in %v to %v", took, boundOf(i), boundOf(i+1))
		}
		if off := Quantile(h[:], 0.5) - took; took >= 8*time.Microsecond && (off > took/8 || -off > took/8) {
			t.Fatalf("%v: %v off", took, off)
		}
	})
	var h histogram
	for n := range 1000 {
		h[bucketOf(time.Duration(n)*time.Millisecond)]++
	}
	assert.InEpsilon(t, float64(500*time.Millisecond), float64(Quantile(h[:], 0.5)), 0.05)
	assert.InEpsilon(t, float64(990*time.Millisecond), float64(Quantile(h[:], 0.99)), 0.05)
	h = histogram{}
	h[bucketOf(time.Hour)]++
	assert.Equal(t, uint64(1), h[len(h)-1])
}
