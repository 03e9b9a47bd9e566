package memcached

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timeline plays operations and probes, 100 ms apart.
type timeline struct {
	breaker
	now time.Time
}

func (l *timeline) after(d time.Duration) { l.now = l.now.Add(d) }

func (l *timeline) ops(results string) *timeline {
	for _, r := range results {
		l.report(r == '.', l.now)
		l.after(mergeWithin)
	}
	return l
}

// wellUntilClosed probes a well server and says how long it took to be believed.
func (l *timeline) wellUntilClosed(t *testing.T) time.Duration {
	began := l.now
	for l.open.Load() {
		l.probed(true, true, l.now)
		l.after(probeEvery)
		require.Less(t, l.now.Sub(began), time.Minute)
	}
	return l.now.Sub(began)
}

func newTimeline() *timeline { return &timeline{now: time.UnixMilli(1_800_000_000_000)} }

func TestABreakerOpens(t *testing.T) {
	for story, opens := range map[string]bool{
		"................................................": false,
		"xxxx.xxxx":                     true, // eight of nine
		"xxxx.":                         false,
		"xxxxx":                         true,
		"x...x...x...x...x...x...x...x": true, // one in four
		"x....x....x....x....x....x....x....x....x....x....x....x....x": false, // one in five
	} {
		require.Equal(t, opens, newTimeline().ops(story).open.Load(), story)
	}
}

// Over a connection that many share, many are answered at once, and one is told that
// it broke.
func TestManyAnswersAtOnceAreOne(t *testing.T) {
	l := newTimeline()
	for range tooManyOf32 {
		require.False(t, l.open.Load())
		for range 100 {
			l.report(true, l.now)
		}
		l.after(probeEvery)
		l.report(false, l.now)
	}
	require.True(t, l.open.Load())
}

func TestAServerIsUsedAgainWithinTwoSeconds(t *testing.T) {
	l := newTimeline().ops("xxxxx")
	for range 50 {
		l.probed(false, false, l.now)
		l.after(probeEvery)
		require.True(t, l.open.Load())
	}
	require.LessOrEqual(t, l.wellUntilClosed(t), time.Second)
	require.False(t, l.ops("....x...").open.Load(), "it starts with a clean slate")
}

func TestAServerThatRelapsesIsBelievedLater(t *testing.T) {
	l := newTimeline().ops("xxxxx")
	first := l.wellUntilClosed(t)
	require.InDelta(t, wellFor, first, float64(2*probeEvery))
	for _, wait := range []time.Duration{1, 2, 4, 4, 4} {
		l.after(9 * time.Second)
		require.True(t, l.ops("xxxxx").open.Load())
		require.InDelta(t, wait*time.Second, l.wellUntilClosed(t), float64(2*probeEvery))
	}
	l.after(11 * time.Second) // well for longer than that: forgiven
	require.True(t, l.ops("xxxxx").open.Load())
	require.Equal(t, first, l.wellUntilClosed(t))
}

func TestAProbeMustBeWellAllTheTime(t *testing.T) {
	l := newTimeline().ops("xxxxx")
	for n := range 200 { // every second one is late, as with jitter
		l.probed(n%2 == 0, n%2 == 0, l.now)
		l.after(probeEvery)
		require.True(t, l.open.Load())
	}
}

func TestAServerThatIsWellIsUsedAsSoonAsItIsTold(t *testing.T) {
	l := newTimeline().ops("xxxxx")
	for range 50 { // it answers, but not all could be told
		l.probed(true, false, l.now)
		l.after(probeEvery)
		require.True(t, l.open.Load())
	}
	require.True(t, l.probed(true, true, l.now))
}
