package velocity_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// declinedAgo delivers a decline of the card with that number that the issuer answered so
// long before the clock of instances starts.
func (i *instance) declinedAgo(card int, ago time.Duration) {
	var f velocity.Fields
	f.Set(velocity.FieldIP, ip)
	f.Set(velocity.FieldCardID, fmt.Sprintf("card %d", card))
	f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %d", card))
	f.Set(velocity.FieldOutcome, "declined")
	f.Set(velocity.FieldAt, time.UnixMilli(int64(velocitytest.Start)).Add(-ago).UTC().Format(time.RFC3339Nano))
	a, answer, err := velocity.ParseOutcome(&f)
	require.NoError(i.t, err)
	i.Answered(&a, answer, i.now(), nil)
}

// declined is what the rule counts of declined cards, and whether the answer is of this
// instance's own knowledge.
func (i *instance) declined(rule int) (count int, degraded bool) {
	check, _, _ := withoutItsCard(i.t, ip, 0)
	r := i.Inspect(&check, []string{"ip"}, i.now())
	return r.Rules[rule].Count, r.Degraded
}

// Declined cards by the hour, sliding and idle.
var declinedRules = []velocity.Rule{
	{Name: "sliding", Per: "ip", Count: "declined_cards", Window: time.Hour, BlockOver: 100, Retention: velocity.Sliding, Mode: velocity.Shadow},
	{Name: "idle", Per: "ip", Count: "declined_cards", Window: time.Hour, BlockOver: 100, Retention: velocity.Idle, Mode: velocity.Shadow},
}

// Outcomes of six hours come to two instances at once, out of order: each is counted at its
// own time, and none takes another with it.
func TestOutcomesHeldUpAreExactOnTwoInstances(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a, b := newCountingInstance(t, server, declinedRules...), newCountingInstance(t, server, declinedRules...)
	var all sync.WaitGroup
	for _, n := range rand.Perm(180) {
		all.Go(func() { []*instance{a, b}[n%2].declinedAgo(n, time.Duration(n)*2*time.Minute) })
	}
	all.Wait()
	for _, i := range []*instance{a, b} {
		count, degraded := i.declined(0)
		require.False(t, degraded)
		require.Equal(t, 30, count, "of the last hour")
		i.clock.Add((31 * time.Minute).Milliseconds())
		count, _ = i.declined(0)
		require.Equal(t, 15, count, "each leaves at its own time")
		count, _ = i.declined(1)
		require.Equal(t, 30, count, "those of an idle list together")
		i.clock.Add((29 * time.Minute).Milliseconds())
		count, _ = i.declined(1)
		require.Zero(t, count)
	}
}

// What came late while memcached was away is merged back with its own times.
func TestOutcomesHeldUpKeepTheirTimesThroughAnOutage(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "waits for a server to be given up or trusted again")
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, declinedRules...)
	a.declinedAgo(1, 10*time.Minute)
	server.Kill()
	a.declinedAgo(2, 50*time.Minute)
	a.declinedAgo(3, 2*time.Hour)
	count, degraded := a.declined(0)
	require.True(t, degraded)
	require.Equal(t, 2, count)

	server.Start()
	require.Eventually(t, func() bool {
		_, degraded := a.declined(0)
		return !degraded
	}, patient, time.Millisecond)
	b := newCountingInstance(t, server, declinedRules...)
	a.declinedAgo(4, 20*time.Minute) // which writes what a knows
	count, degraded = b.declined(0)
	require.False(t, degraded)
	require.Equal(t, 3, count)
	for _, i := range []*instance{a, b} {
		i.clock.Add((10 * time.Minute).Milliseconds())
		count, _ = i.declined(0)
		require.Equal(t, 2, count, "the one of fifty minutes ago has left")
	}
}
