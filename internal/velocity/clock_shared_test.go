package velocity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// What was answered from the copy is written by an update of its own: that too leaves the
// times of instances alone whose clocks may be right.
func TestWhatAnInstanceWithAClockThatIsOffWritesLaterSetsBackNobodysTimes(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	right := newCountingInstance(t, server, velocity.DefaultRule)
	right.clock.Add(2 * hourMS)
	for card := range 6 {
		right.show(ip, card)
	}
	local, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	off := &instance{t: t, results: make(map[string]int)}
	off.clock.Store(int64(velocitytest.Start))
	off.store = velocitytest.NewMemcached(t, local, memcached.Settings{Servers: []string{server.Addr}, Budget: patient})
	off.store.ClockOff = func() bool { return true }
	off.Checker = velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, off.store)
	off.Checker.ClockOff(off.store.ClockOff)
	off.store.Watch(off.Plan, off.now)
	off.store.Client.Await(patient)
	for card := range 3 {
		off.requireAlone(ip, 10+card, 6)
	}
	require.NoError(t, off.store.Close())                         // writes
	fresh := newCountingInstance(t, server, velocity.DefaultRule) // without a copy
	fresh.clock.Add(3*hourMS - 1)
	fresh.requireShared(ip, 0, 6)
}
