package velocity_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// withoutItsCard is a check whose card the outcome tells: the one with that number.
func withoutItsCard(t testing.TB, ip string, card int) (check, outcome velocity.Attempt, answer velocity.IssuerAnswer) {
	var f velocity.Fields
	f.Set(velocity.FieldIP, ip)
	f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %d", card))
	told := f
	f.Set(velocity.FieldCard, "later")
	check, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	told.Set(velocity.FieldCard, "now")
	told.Set(velocity.FieldCardID, fmt.Sprintf("card %d", card))
	told.Set(velocity.FieldOutcome, "approved")
	outcome, answer, err = velocity.ParseOutcome(&told)
	require.NoError(t, err)
	return check, outcome, answer
}

// Where checks do not know their cards, block_over and one more pass, and those whose
// outcome is on its way; every card that was told is counted, whichever instance heard it.
func TestWithoutCardsOneMorePassesAndThoseInFlight(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	instances := []*instance{newCountingInstance(t, server, velocity.DefaultRule, wide), newCountingInstance(t, server, velocity.DefaultRule, wide)}
	const callers, each = 8, 25
	var passed atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			var d velocity.Decision
			for n := range each {
				asked, told := instances[(caller+n)%2], instances[(caller+n+n/2)%2]
				check, outcome, answer := withoutItsCard(t, ip, caller*each+n)
				asked.Check(&check, asked.now(), nil, &d)
				assert.False(t, d.Degraded)
				if d.Outcome != velocity.Block {
					passed.Add(1)
					told.Answered(&outcome, answer, told.now(), nil)
				}
			}
		})
	}
	all.Wait()
	over := int64(velocity.DefaultRule.BlockOver)
	assert.GreaterOrEqual(t, passed.Load(), over+1)
	assert.LessOrEqual(t, passed.Load(), over+1+callers-1)
	for _, i := range instances {
		attempt := velocitytest.Attempt(t, ip, 0)
		assert.EqualValues(t, passed.Load(), i.Inspect(&attempt, []string{"ip"}, i.now()).Rules[1].Count)
	}
}

func TestChecksWithoutCardsOfABlockedAddressCostTheServerNothing(t *testing.T) {
	t.Parallel()
	server := testbed.StartMemcached(t)
	a := newCountingInstance(t, server, velocity.DefaultRule)
	a.attack(ip, 0, 6)
	before := a.trips()
	var d velocity.Decision
	for n := range 100 {
		check, _, _ := withoutItsCard(t, ip, n)
		a.Check(&check, a.now(), nil, &d)
		require.Equal(t, velocity.Block, d.Outcome)
		require.False(t, d.Degraded)
	}
	require.Equal(t, before, a.trips())
}
