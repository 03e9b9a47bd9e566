package velocity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A timeline reads a clock once a second, of a machine whose wall clock the test steps and
// which it suspends.
type timeline struct {
	t               *testing.T
	clock           *Clock
	monotonic, wall time.Duration
	asleep          time.Duration
}

var clockStart = time.UnixMilli(1_800_000_000_000)

func newTimeline(t *testing.T) *timeline {
	l := &timeline{t: t, asleep: 42 * time.Hour}
	l.clock = newClock(clockStart, func() time.Duration { return l.asleep })
	return l
}

// read returns the time that has passed by the clock.
func (l *timeline) read() time.Duration {
	return time.Duration(l.clock.at(l.monotonic, l.wall)-TimeOf(clockStart)) * time.Millisecond
}

// wait reads the clock once a second for that long, and requires it to move by least to
// most each time.
func (l *timeline) wait(d, least, most time.Duration) {
	l.t.Helper()
	for last := l.read(); d > 0; d -= time.Second {
		l.monotonic += time.Second
		l.wall += time.Second
		now := l.read()
		require.GreaterOrEqual(l.t, now-last, least-time.Millisecond)
		require.LessOrEqual(l.t, now-last, most+time.Millisecond)
		last = now
	}
}

const (
	slow = 990 * time.Millisecond // of our time in a second while it is slewed
	fast = 1010 * time.Millisecond
)

func TestTheClockIsSlewedTowardsTheWallClock(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"no step": 0, "a minute ahead": time.Minute, "a minute back": -time.Minute, "a little ahead": 30 * time.Millisecond,
	} {
		l := newTimeline(t)
		l.wait(10*time.Second, time.Second, time.Second)
		l.wall += step
		l.wait(100*time.Second, slow, fast)
		want := 110*time.Second + min(max(step, -time.Second), time.Second)
		require.InDelta(t, want, l.read(), float64(2*time.Millisecond), name)
		require.InDelta(t, 110*time.Second+step-want, l.clock.Ahead(), float64(12*time.Millisecond), name)
		require.False(t, l.clock.Off(), name)
		l.wait(2*time.Hour, slow, fast)
		require.InDelta(t, l.wall, l.read(), float64(2*time.Millisecond), name)
	}
}

// Nobody can tell which of the two clocks is right. When the machine's has been steady for
// a minute it is followed, until they agree to a minute.
func TestAClockThatIsFarOffIsFollowedWhenItIsSteady(t *testing.T) {
	for name, step := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour back": -time.Hour} {
		l := newTimeline(t)
		l.wait(10*time.Second, time.Second, time.Second)
		l.wall += step
		l.wait(30*time.Second, slow, fast)
		require.True(t, l.clock.Off(), name)
		l.wall += step / 60 // it is set again
		l.wait(59*time.Second, slow, fast)
		require.True(t, l.clock.Off(), name)
		l.wait(2*time.Second, 0, 2*time.Second)
		l.wait(59*time.Minute, 0, 2*time.Second)
		require.True(t, l.clock.Off(), name)
		l.wait(2*time.Minute, 0, 2*time.Second)
		require.False(t, l.clock.Off(), name)
		require.InDelta(t, time.Minute, l.clock.Ahead().Abs(), float64(3*time.Second), name)
		l.wait(30*time.Second, slow, fast)
		l.wait(2*time.Hour, slow, fast)
		require.InDelta(t, l.wall, l.read(), float64(2*time.Millisecond), name)
	}
}

// One that jumps about is not followed.
func TestAClockThatIsFarOffAndNotSteadyIsNotFollowed(t *testing.T) {
	l := newTimeline(t)
	l.wall += time.Hour
	for range 20 {
		l.wait(50*time.Second, slow, fast)
		l.wall += 2 * time.Second
	}
	require.True(t, l.clock.Off())
}

// Someone sets the clock back to where it was.
func TestAStepThatIsTakenBackLeavesNothing(t *testing.T) {
	l := newTimeline(t)
	l.wall += time.Hour
	l.wait(30*time.Second, slow, fast)
	l.wall -= time.Hour
	l.wait(2*time.Minute, slow, fast)
	require.False(t, l.clock.Off())
	require.InDelta(t, l.wall, l.read(), float64(2*time.Millisecond))
}

// Go's monotonic clock stands still while the machine is suspended; windows do not.
func TestTheTimeOfASuspendedMachineCounts(t *testing.T) {
	l := newTimeline(t)
	l.wait(10*time.Second, time.Second, time.Second)
	l.wall += 8 * time.Hour
	l.asleep += 8 * time.Hour
	l.monotonic += 2 * time.Millisecond
	l.wall += 2 * time.Millisecond
	require.InDelta(t, l.wall, l.read(), float64(time.Millisecond))
	require.False(t, l.clock.Off())
	l.wait(time.Minute, slow, fast)
	require.InDelta(t, l.wall, l.read(), float64(2*time.Millisecond))
}

func TestReadingsOutOfOrderKeepTheirOrder(t *testing.T) {
	c := NewClock(clockStart)
	late := c.at(2*time.Second, 2*time.Second)
	require.Equal(t, late-1000, c.at(time.Second, time.Second), "a reading may be taken before another and converted after it")
	require.Equal(t, late, c.at(2*time.Second, 2*time.Second))
}

func TestTheClockOfThisMachineAgreesWithTheWallClock(t *testing.T) {
	c := NewClock(time.Now())
	before := time.Now()
	require.InDelta(t, float64(TimeOf(before)), float64(c.Now(before)), 2)
	require.Zero(t, c.Ahead().Truncate(time.Millisecond))
	require.False(t, c.Off())
	require.GreaterOrEqual(t, suspended(), time.Duration(0))
}

// While the clock is off, others' times are kept as they are, and answers are degraded.
func TestAnInstanceWhoseClockIsOffSetsBackNobodysTimes(t *testing.T) {
	const later = 2 * 3_600_000 // of the instance whose clock is right
	store := NewRecords()
	plan := planOf(t, heldRules(time.Hour, Enforce)...)
	right, off := NewChecker(plan, testKeys(t), store), NewChecker(plan, testKeys(t), store)
	isOff := true
	off.ClockOff(func() bool { return isOff })
	var d Decision
	for card := range uint64(4) {
		right.Check(attemptFrom(card), testStart+later, nil, &d)
	}
	require.False(t, d.Degraded)
	off.Check(attemptFrom(3), testStart, nil, &d)
	require.True(t, d.Degraded && d.ClockOff && !d.StoreFailed)
	require.Equal(t, Block, d.Outcome)
	require.True(t, off.Inspect(attemptFrom(3), []string{"ip"}, testStart).Degraded)
	for _, r := range store.records {
		sliding := r.list(plan.subjects[0].lists[0].key)
		require.Equal(t, testStart+later, sliding.elements[0].seen)
		require.Equal(t, testStart+later, r.marks[0].at)
		require.Len(t, r.lists[1].runs, 2, "its own attempt is a run of its own")
	}
	isOff = false
	off.Check(attemptFrom(3), testStart, nil, &d)
	require.False(t, d.Degraded)
	for _, r := range store.records {
		require.Equal(t, testStart+ahead, r.list(plan.subjects[0].lists[0].key).elements[0].seen)
		require.Equal(t, testStart+ahead, r.marks[0].at)
	}
}
