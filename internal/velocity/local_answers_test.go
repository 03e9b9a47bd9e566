package velocity_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// wide counts far beyond where the default rule blocks, and says so only.
var wide = velocity.Rule{
	Name: "wide", Per: "ip", Count: "cards", Window: time.Hour, BlockOver: 1000,
	Retention: velocity.Sliding, Mode: velocity.Shadow,
}

func newCountingInstance(t *testing.T, server *testbed.TestMemcached, rules ...velocity.Rule) *instance {
	return newCountingInstanceAt(t, server.Addr, rules...)
}

// newCountingInstanceAt returns when the instance trusts the server.
func newCountingInstanceAt(t *testing.T, addr string, rules ...velocity.Rule) *instance {
	i := newInstance(t, patient, addr)
	plan, err := velocity.NewPlan(rules, 64)
	require.NoError(t, err)
	i.Replace(plan)
	require.Eventually(t, func() bool { return i.did("probe ok") > 0 }, patient, time.Millisecond)
	return i
}

// attack shows that number of cards, the first of them numbered from, and returns what
// the last rule counted.
func (i *instance) attack(ip string, from, cards int) (count int) {
	var d velocity.Decision
	for card := from; card < from+cards; card++ {
		a := velocitytest.Attempt(i.t, ip, card)
		i.Check(&a, i.now(), nil, &d)
		require.False(i.t, d.Degraded)
		count = d.Rules[len(d.Rules)-1].Count
	}
	return count
}

func (i *instance) trips() (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for what, times := range i.results {
		if what != "probe ok" && what != "probe miss" {
			n += times
		}
	}
	return n
}

func TestWhoIsBlockedIsAnsweredFromTheCopyAndWrittenWithinASecond(t *testing.T) {
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	b := newCountingInstance(t, server, velocity.DefaultRule, wide)
	require.Equal(t, 6, a.attack(ip, 0, 6))
	before := a.trips()
	require.Equal(t, 206, a.attack(ip, 6, 200), "each counts")
	require.Equal(t, before, a.trips(), "and none is told the server yet")
	require.Equal(t, 7, b.attack(ip, 1000, 1), "what was written when it was found blocked, and its own")

	a.clock.Add(899)
	require.Equal(t, 207, a.attack(ip, 206, 1))
	require.Equal(t, before, a.trips())
	a.clock.Add(1) // and the address does not come again
	attempt := velocitytest.Attempt(t, ip, 0)
	require.Eventually(t, func() bool {
		return b.Inspect(&attempt, []string{"ip"}, b.now()).Rules[1].Count == 208
	}, patient, 5*time.Millisecond)
	require.LessOrEqual(t, a.trips(), before+3)
	require.NoError(t, a.store.Close()) // when what was written is in the copy too
	require.NotZero(t, velocity.NetworkOf(a.store, a.Checker, &attempt), "for when the server is told again")
}

func TestAStopWritesWhatWasShown(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	a.attack(ip, 0, 50)
	require.NoError(t, a.store.Close())
	b := newCountingInstance(t, server, velocity.DefaultRule, wide)
	require.Equal(t, 51, b.attack(ip, 1000, 1))
}

func TestAStopWritesWhatWasShownThoughEveryTurnIsTaken(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	a.attack(ip, 0, 50)
	queue := a.store.Turns
	holders := make([]turns.Turn, queue.Turns)
	for i := range holders {
		_, ok := queue.Take(&holders[i])
		require.True(t, ok)
	}
	var waiting sync.WaitGroup
	for range 100 {
		waiting.Go(func() {
			var turn turns.Turn
			queue.Take(&turn)
			turn.Release()
		})
	}
	require.Eventually(t, func() bool { return queue.Waits().Waiting == 100 }, patient, time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- a.store.Close() }()
	for i := range holders { // one after the other, as checks end
		holders[i].Release()
	}
	require.NoError(t, <-closed)
	waiting.Wait()
	b := newCountingInstance(t, server, velocity.DefaultRule, wide)
	require.Equal(t, 51, b.attack(ip, 1000, 1))
}

func TestWhatWouldNotBlockIsAskedFor(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	short := velocity.DefaultRule
	short.Window = time.Second
	a, b := newCountingInstance(t, server, short), newCountingInstance(t, server, short)
	a.attack(ip, 0, 6)
	a.clock.Add(100)
	require.Equal(t, 6, a.attack(ip, 0, 1))
	b.clock.Add(1050)
	b.attack(ip, 100, 3)
	a.clock.Add(950) // the first five have gone; the copy holds one
	require.Equal(t, 4, a.attack(ip, 0, 1), "and what b was shown")
}

func TestOnlyAnEnforcedBlockIsAnsweredFromTheCopy(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	shadow := velocity.DefaultRule
	shadow.Mode = velocity.Shadow
	for name, rules := range map[string][]velocity.Rule{"a shadow rule": {shadow, wide}, "review": {{
		Name: "reviewed", Per: "ip", Count: "cards", Window: time.Hour, ReviewOver: 3, BlockOver: 900,
		Retention: velocity.Sliding, Mode: velocity.Enforce,
	}, wide}} {
		a := newCountingInstance(t, server, rules...)
		a.attack(ip, 0, 10)
		before := a.trips()
		a.attack(ip, 0, 5)
		require.GreaterOrEqual(t, a.trips(), before+10, name)
	}
}

func (i *instance) requireOnServer(server *testbed.TestMemcached, ip string, cards int) {
	i.t.Helper()
	other := newCountingInstance(i.t, server, velocity.DefaultRule, wide)
	attempt := velocitytest.Attempt(i.t, ip, 0)
	require.Eventually(i.t, func() bool {
		r := other.Inspect(&attempt, []string{"ip"}, i.now())
		return !r.Degraded && r.Rules[1].Count == cards
	}, patient, 5*time.Millisecond)
}

func TestWhatCouldNotBeWrittenWhenItWasTimeIsWrittenLater(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	between := newPicky(t, server)
	a := newCountingInstanceAt(t, between.addr, velocity.DefaultRule, wide)
	a.attack(ip, 0, 50)
	between.picky.Store(true)
	a.clock.Add(900)
	require.Eventually(t, func() bool { return between.refused.Load() > 1 }, patient, time.Millisecond)
	between.picky.Store(false)
	a.clock.Add(900) // and the address does not come again
	a.requireOnServer(server, ip, 50)
}

func TestWhatWasShownIsWrittenAlsoWhenItsRuleHasGone(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	a.attack(ip, 0, 50)
	other := velocity.DefaultRule
	other.Name, other.Per, other.Count = "ips_per_card", "card", "ips"
	plan, err := velocity.NewPlan([]velocity.Rule{other}, 64)
	require.NoError(t, err)
	a.Replace(plan)
	a.clock.Add(900)
	a.requireOnServer(server, ip, 50)
}

func TestAfterAStopNobodyIsAnsweredFromTheCopy(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule, wide)
	require.NoError(t, a.store.Close())
	a.attack(ip, 0, 50)
	a.requireOnServer(server, ip, 50)
	require.NoError(t, a.store.Close())
}
