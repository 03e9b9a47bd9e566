package velocity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheClockIsSlewedTowardsTheWallClock(t *testing.T) {
	start := time.UnixMilli(1_800_000_000_000)
	for name, step := range map[string]time.Duration{
		"no step": 0, "an hour ahead": time.Hour, "an hour back": -time.Hour, "a little ahead": 30 * time.Millisecond,
	} {
		c := NewClock(start)
		passed := func(now Time) time.Duration { return time.Duration(now-TimeOf(start)) * time.Millisecond }
		require.Equal(t, time.Duration(0), passed(c.at(0, 0)), name)
		require.Equal(t, 10*time.Second, passed(c.at(10*time.Second, 10*time.Second)), name)
		// The machine's clock steps: ours goes on, and gains or loses 10 ms a second.
		last := c.at(10*time.Second, 10*time.Second+step)
		require.Equal(t, 10*time.Second, passed(last), name)
		for s := range 100 {
			at := time.Duration(11+s) * time.Second
			now := c.at(at, at+step)
			moved := time.Duration(now-last) * time.Millisecond
			require.InDelta(t, time.Second, moved, float64(10*time.Millisecond), name)
			last = now
		}
		at := 110 * time.Second
		want := at + min(max(step, -time.Second), time.Second)
		require.Equal(t, want, passed(last), name)
		require.InDelta(t, step-(want-at), c.Ahead(), float64(11*time.Millisecond), name)
	}
}

func TestReadingsOutOfOrderKeepTheirOrder(t *testing.T) {
	c := NewClock(time.UnixMilli(1_800_000_000_000))
	late := c.at(2*time.Second, 2*time.Second)
	require.Equal(t, late-1000, c.at(time.Second, time.Second), "a reading may be taken before another and converted after it")
	require.Equal(t, late, c.at(2*time.Second, 2*time.Second))
}

func TestTheClockOfThisMachineAgreesWithTheWallClock(t *testing.T) {
	c := NewClock(time.Now())
	before := time.Now()
	require.InDelta(t, float64(TimeOf(before)), float64(c.Now(before)), 2)
	require.Zero(t, c.Ahead().Truncate(time.Millisecond))
}
