package turns

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Callers that call again as soon as they are answered share one processor with the
// answers. Those that were answered together come back together, and then take the
// processor from the line: that is no reason to put them aside again.
func TestCallersInAClosedLoopAreNotPutAsideTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			callers = 200
			call    = 100 * time.Microsecond // of the processor: to call, and to read the call
			serve   = 220 * time.Microsecond // to ask the store, and to answer
			refuse  = 120 * time.Microsecond // to answer without it
		)
		processor := make(chan struct{}, 1)
		work := func(d time.Duration) {
			processor <- struct{}{}
			time.Sleep(d) // of a bubble's time
			<-processor
		}
		q := newQueue(13)
		var fresh, all atomic.Int64
		begun := time.Now()
		var crowd sync.WaitGroup
		for range callers {
			crowd.Go(func() {
				for time.Since(begun) < 3*time.Second {
					work(call)
					turn := &Turn{Start: time.Now()}
					if _, ok := q.Take(turn); ok {
						work(serve)
						fresh.Add(1)
					} else {
						work(refuse)
					}
					turn.Release()
					all.Add(1)
				}
			})
		}
		crowd.Wait()
		share := float64(fresh.Load()) / float64(all.Load())
		require.Greater(t, share, 0.95, "%d of %d", fresh.Load(), all.Load())
	})
}
