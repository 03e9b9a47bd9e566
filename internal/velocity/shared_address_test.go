package velocity

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// What retention costs honest shoppers behind one address (an office, a mobile
// network): each comes once, with a card of their own, at random. docs/counting.md
// quotes what this prints with -v.
func TestHonestShoppersBehindOneAddress(t *testing.T) {
	testbed.SkipRace(t, "plays many hours, in one goroutine")
	blocked := func(retention Retention, perHour float64) float64 {
		rule := DefaultRule
		rule.Retention = retention
		s := newShop(t, 1<<20, rule)
		random := rand.New(rand.NewPCG(1, 2))
		const shoppers = 50_000
		at, over := time.Duration(0), 0
		for n := range shoppers {
			at += time.Duration(random.ExpFloat64() / perHour * float64(time.Hour))
			if s.show(1, n, at) > rule.BlockOver {
				over++
			}
		}
		return float64(over) / shoppers
	}
	for _, perHour := range []float64{1, 2, 3} {
		sliding, idle := blocked(Sliding, perHour), blocked(Idle, perHour)
		t.Logf("%.0f shoppers an hour: sliding blocks %4.1f %%, idle %4.1f %%", perHour, 100*sliding, 100*idle)
		require.Greater(t, idle, 4*sliding)
	}
}
