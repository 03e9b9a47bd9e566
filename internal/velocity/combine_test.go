package velocity_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// A check that waits for the exchange of another is without the store because of the store
// only where the store had nearly the whole budget. One that came to its turn late is not:
// on_failure does not decide it, and it is counted as a wait.
func TestAShortWaitForAnotherExchangeIsNotBlamedOnTheStore(t *testing.T) {
	const budget = 200 * time.Millisecond
	a := newInstance(t, budget, testbed.StartMemcached(t).Addr)
	a.OnFailure(velocity.Block)
	under, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hold := func(op string) {
		if op == "add" {
			once.Do(func() {
				close(under)
				<-release
			})
		}
	}
	a.observed.Store(&hold)
	check := func(card int, late time.Duration) (d velocity.Decision) {
		attempt := velocitytest.Attempt(t, ip, card)
		turn := turns.Turn{Start: time.Now().Add(-late)} // its answer is due after twice the budget
		defer turn.Release()
		a.Check(&attempt, a.now(), &turn, &d)
		return d
	}
	var first, others sync.WaitGroup
	first.Go(func() { check(1, 0) })
	<-under
	var late, soon velocity.Decision
	others.Go(func() { late = check(2, budget*13/10) })
	others.Go(func() { soon = check(3, 0) })
	others.Wait()
	close(release)
	first.Wait()
	assert.True(t, late.Degraded && !late.StoreFailed, "%+v", late)
	assert.True(t, soon.Degraded && soon.StoreFailed, "%+v", soon)
	assert.Equal(t, velocity.Block, soon.Outcome)
	assert.Equal(t, velocity.Allow, late.Outcome)
}
