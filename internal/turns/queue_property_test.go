package turns

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever comes, in whatever order: no more have a turn than there are, everybody is
// told in time, and in the end all turns are back.
func TestNoMoreTurnsAreHeldThanThereAreAndNobodyIsLost(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			q := New(Settings{Turns: 1 + random.IntN(20), Answer: answer, Budget: budget, Room: random.IntN(50)})
			var held, told, served atomic.Int64
			var all sync.WaitGroup
			const asked = 500
			for range asked {
				class, hold, pause := Class(random.IntN(int(classes))), rand.N(20*time.Millisecond), time.Duration(random.IntN(2000))*time.Microsecond
				if random.IntN(2) == 0 {
					class = Check
				}
				all.Go(func() {
					turn := &Turn{Class: class, Start: time.Now()}
					defer turn.Release()
					_, ok := q.Take(turn)
					told.Add(1)
					waited := time.Since(turn.Start)
					if class == Check {
						assert.LessOrEqual(t, waited, answer-budget/10)
						assert.True(t, !ok || waited <= latest)
					} else {
						assert.LessOrEqual(t, waited, time.Second)
					}
					if !ok {
						return
					}
					served.Add(1)
					assert.LessOrEqual(t, held.Add(1), int64(q.Turns))
					time.Sleep(hold) // of a bubble's time
					held.Add(-1)
				})
				time.Sleep(pause)
			}
			all.Wait()
			require.EqualValues(t, asked, told.Load())
			require.Positive(t, served.Load())
			require.Zero(t, q.taken)
			require.Zero(t, q.others)
			for _, l := range append(q.lines[:], q.aside, q.late) {
				require.Zero(t, l.length)
			}
		})
	}
}
