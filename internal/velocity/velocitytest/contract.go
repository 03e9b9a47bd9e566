package velocitytest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

// StoreContract runs the tests that every store must pass. open returns an empty one.
func StoreContract(t *testing.T, open func(t *testing.T) velocity.Store) {
	rule := velocity.DefaultRule
	check := func(t *testing.T, c *velocity.Checker, at time.Duration, ip string, card int) velocity.RuleResult {
		var d velocity.Decision
		a := Attempt(t, ip, card)
		c.Check(&a, Start+velocity.Time(at.Milliseconds()), nil, &d)
		require.Len(t, d.Rules, 1)
		require.False(t, d.Degraded)
		return d.Rules[0]
	}
	start := func(t *testing.T) *velocity.Checker {
		return NewChecker(t, []velocity.Rule{rule}, open(t))
	}

	t.Run("counts distinct cards", func(t *testing.T) {
		c := start(t)
		for card := 1; card <= 5; card++ {
			require.Equal(t, card, check(t, c, 0, "203.0.113.1", card).Count)
		}
		require.Equal(t, 5, check(t, c, 0, "203.0.113.1", 3).Count)
	})
	t.Run("a card shown again stays from then on", func(t *testing.T) {
		c := start(t)
		check(t, c, 0, "203.0.113.1", 1)
		check(t, c, 40*time.Minute, "203.0.113.1", 1)
		require.Equal(t, 2, check(t, c, 99*time.Minute, "203.0.113.1", 2).Count)
		require.Equal(t, 2, check(t, c, 100*time.Minute, "203.0.113.1", 3).Count, "the first is a window old")
	})
	t.Run("a card leaves when it is a window old", func(t *testing.T) {
		c := start(t)
		check(t, c, 0, "203.0.113.1", 1)
		require.Equal(t, 2, check(t, c, time.Hour-time.Millisecond, "203.0.113.1", 2).Count)
		require.Equal(t, 2, check(t, c, time.Hour, "203.0.113.1", 3).Count)
	})
	t.Run("counts no further than one over the threshold", func(t *testing.T) {
		c := start(t)
		for card := range 100 {
			r := check(t, c, 0, "203.0.113.1", card)
			require.Equal(t, min(card+1, rule.BlockOver+1), r.Count)
		}
	})
	t.Run("a blocked address that goes on stays blocked", func(t *testing.T) {
		c := start(t)
		for n := range 300 { // five hours
			r := check(t, c, time.Duration(n)*time.Minute, "203.0.113.1", n)
			require.Equal(t, n >= rule.BlockOver, r.Outcome == velocity.Block, "minute %d", n)
		}
	})
	t.Run("addresses are apart", func(t *testing.T) {
		c := start(t)
		for card := range 2 {
			for n := range 200 {
				require.Equal(t, 1+card, check(t, c, 0, fmt.Sprintf("198.51.100.%d", n), card).Count)
			}
		}
	})
	t.Run("64 at once on one address: exactly block_over pass", func(t *testing.T) {
		c := start(t)
		for round := range 20 {
			ip := fmt.Sprintf("203.0.113.%d", round)
			var passed atomic.Int64
			var all sync.WaitGroup
			for card := range 64 {
				a := Attempt(t, ip, card)
				all.Go(func() {
					var d velocity.Decision
					c.Check(&a, Start, nil, &d)
					if d.Outcome != velocity.Block && !d.Degraded {
						passed.Add(1)
					}
				})
			}
			all.Wait()
			assert.EqualValues(t, rule.BlockOver, passed.Load())
			assert.Equal(t, rule.BlockOver+1, check(t, c, 0, ip, 1000).Count)
		}
	})
	t.Run("a large record", func(t *testing.T) {
		large := rule
		large.ReviewOver, large.BlockOver = 0, 300
		c := NewChecker(t, []velocity.Rule{large}, open(t))
		for n := range 310 {
			r := check(t, c, time.Duration(n)*time.Millisecond, "203.0.113.1", n)
			require.Equal(t, min(n+1, 301), r.Count)
		}
		require.Equal(t, 2, check(t, c, time.Hour+308*time.Millisecond, "203.0.113.1", 9999).Count, "and it shrinks again")
	})
}

// Attempt is a valid one; cards of different numbers are different.
func Attempt(t testing.TB, ip string, card int) velocity.Attempt {
	var f velocity.Fields
	f.Set(velocity.FieldIP, ip)
	f.Set(velocity.FieldLast4, fmt.Sprintf("%04d", card%10_000))
	f.Set(velocity.FieldExpMonth, "12")
	f.Set(velocity.FieldExpYear, fmt.Sprintf("%02d", 30+card/10_000))
	f.Set(velocity.FieldAttemptID, fmt.Sprintf("attempt %s %d", ip, card))
	a, err := velocity.ParseAttempt(&f)
	require.NoError(t, err)
	return a
}
