package turns

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	answer = 80 * time.Millisecond
	budget = 50 * time.Millisecond
	latest = answer - budget/2
	told   = answer - budget/10
)

func newQueue(turns int) *Queue {
	return New(Settings{Turns: turns, Answer: answer, Budget: budget})
}

// take takes a turn of that class, which must be had.
func take(t *testing.T, q *Queue, class Class) *Turn {
	t.Helper()
	turn := &Turn{Class: class}
	_, ok := q.Take(turn)
	require.True(t, ok)
	return turn
}

// A crowd asks for turns, each in a goroutine of its own.
type crowd struct {
	q       *Queue
	mu      sync.Mutex
	served  []string
	refused map[string]time.Duration // how long they waited
	age     time.Duration            // of a request when it asks
	all     sync.WaitGroup
}

func newCrowd(q *Queue) *crowd { return &crowd{q: q, refused: make(map[string]time.Duration)} }

// ask has one ask for a turn, hold it so long and give it back. It returns once that one
// is in the queue.
func (c *crowd) ask(name string, class Class, hold time.Duration) {
	c.all.Go(func() {
		since := time.Now()
		turn := &Turn{Class: class, Start: since.Add(-c.age)}
		_, ok := c.q.Take(turn)
		c.mu.Lock()
		if ok {
			c.served = append(c.served, name)
		} else {
			c.refused[name] = time.Since(since)
		}
		c.mu.Unlock()
		time.Sleep(hold) // of a bubble's time
		turn.Release()
	})
	synctest.Wait()
}

func TestTurnsAreServedInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		for n := range 5 {
			c.ask(fmt.Sprint(n), Check, time.Millisecond)
		}
		require.Empty(t, c.served)
		require.Equal(t, 5, q.Waits().Waiting)
		first.Release()
		c.all.Wait()
		assert.Equal(t, []string{"0", "1", "2", "3", "4"}, c.served)
		assert.Zero(t, q.Waits().Waiting)
	})
}

func TestACheckThatIsTooLateDoesNotHideOneThatStandsAside(t *testing.T) {
	for name, late := range map[string]time.Duration{"in the line": latest - time.Millisecond, "from the start": latest + time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(1)
				held := take(t, q, Check)
				var all sync.WaitGroup
				ask := func(age time.Duration) (served *bool) {
					served = new(bool)
					all.Go(func() {
						turn := &Turn{Start: time.Now().Add(-age)}
						_, *served = q.Take(turn)
						turn.Release()
					})
					synctest.Wait()
					return served
				}
				tooLate := ask(late)
				filler := ask(0)
				q.rate = rate{since: time.Now().Add(-time.Second), interval: time.Second}
				aside := ask(0)
				last := ask(latest + time.Millisecond)
				require.Equal(t, 4, q.Waits().Waiting)
				time.Sleep(2 * time.Millisecond)
				held.Release()
				all.Wait()
				assert.True(t, *filler)
				assert.True(t, *aside, "it can still begin")
				assert.False(t, *tooLate)
				assert.False(t, *last)
			})
		})
	}
}

func TestATurnIsTakenOnceAndGivenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		turn := take(t, q, Check)
		until, ok := q.Take(turn)
		require.True(t, ok)
		time.Sleep(time.Millisecond)
		again, ok := q.Take(turn)
		require.True(t, ok)
		require.Equal(t, until, again, "the look-up of a login and the check share it")
		require.Equal(t, 1, q.taken)
		turn.Yield()
		require.Equal(t, 1, q.taken, "a check keeps it")
		turn.Release()
		turn.Release()
		require.Zero(t, q.taken)
		new(Turn).Release()
		require.Zero(t, q.taken)
	})
}

func TestWhatIsNoCheckGivesItsTurnBackBetweenOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		turn := take(t, q, Change)
		turn.Yield()
		take(t, q, Check).Release()
		until, ok := q.Take(turn)
		require.True(t, ok)
		require.Equal(t, budget, time.Until(until))
	})
}

func TestTheStoreHasItsBudgetAndNoMoreThanIsLeftOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		until, ok := q.Take(&Turn{Start: time.Now()})
		require.True(t, ok)
		require.Equal(t, budget, time.Until(until))
		late := Turn{Start: time.Now().Add(-50 * time.Millisecond)}
		late.Excuse(10 * time.Millisecond) // for a hash
		until, ok = q.Take(&late)
		require.True(t, ok)
		require.Equal(t, 40*time.Millisecond, time.Until(until))
	})
}

func TestACheckThatComesTooLateIsToldSoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, since := newQueue(2), time.Now()
		late := &Turn{Start: since.Add(-latest - 1)}
		_, ok := q.Take(late)
		require.False(t, ok)
		late.Start = since
		_, ok = q.Take(late)
		require.False(t, ok, "and it is not to ask again")
		late.Release()
		require.Zero(t, time.Since(since))
		require.Zero(t, q.taken)
	})
}

func TestACheckThatCannotBeginInTimeIsToldSoBeforeItsAnswerIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		c.ask("in time", Check, 0)
		time.Sleep(latest / 2)
		c.ask("later", Check, 0)
		time.Sleep(latest/2 - 1)
		first.Release()
		synctest.Wait()
		require.Equal(t, []string{"in time", "later"}, c.served)

		first = take(t, q, Check)
		c.ask("too late", Check, 0)
		time.Sleep(latest + 1)
		first.Release()
		synctest.Wait()
		require.NotContains(t, c.served, "too late")
		require.Equal(t, 1, q.Waits().Waiting, "it stands aside")
		take(t, q, Check).Release()
		c.all.Wait()
		require.Equal(t, map[string]time.Duration{"too late": told}, c.refused)
		require.Zero(t, q.Waits().Waiting)
	})
}

// In a line of a fixed speed that has stood for a while, newcomers who cannot begin in
// time do not keep those before them from it.
func TestOfAStandingLineAllBeginInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, c := newQueue(1), newCrowd(newQueue(1))
		c.q = q
		asked := 0
		for range 2000 { // twice as many as can be served
			c.ask(fmt.Sprint(asked), Check, time.Millisecond)
			asked++
			time.Sleep(time.Millisecond / 2)
		}
		c.all.Wait()
		require.Equal(t, asked, len(c.served)+len(c.refused))
		require.InDelta(t, 1000, len(c.served), 100, "no turn is wasted")
		for name, waited := range c.refused {
			require.InDelta(t, told, waited, float64(time.Millisecond), name)
		}
	})
}

func TestOneStandingAsideIsServedWhenTheLineIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		c.ask("in the line", Check, 0)
		q.rate = rate{since: time.Now().Add(-time.Second), interval: time.Second} // as after a hang
		c.ask("aside", Check, 0)
		require.Equal(t, 1, q.aside.length)
		first.Release()
		c.all.Wait()
		require.Equal(t, []string{"in the line", "aside"}, c.served)
	})
}

func TestWithoutRoomTheOneAsideLongestIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Settings{Turns: 1, Answer: answer, Budget: budget, Room: 4})
		first, c := take(t, q, Check), newCrowd(q)
		for n := range 3 {
			c.ask(fmt.Sprint(n), Check, 0)
		}
		c.age = latest + 1 // they can only stand aside
		c.ask("aside", Check, 0)
		require.Empty(t, c.refused)
		c.ask("aside too", Check, 0)
		require.Equal(t, map[string]time.Duration{"aside": 0}, c.refused)
		c.age = 0
		c.ask("3", Check, 0)
		require.Len(t, c.refused, 1, "one that can begin in time stands in the line, however many do")
		first.Release()
		c.all.Wait()
		require.Equal(t, []string{"0", "1", "2", "3"}, c.served)
	})
}

func TestOneTurnInSixteenIsForWhatIsNoCheck(t *testing.T) {
	for turns, share := range map[int]int{1: 1, 2: 1, 16: 1, 31: 1, 32: 2, 64: 4} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(turns)
			c := newCrowd(q)
			var holders []*Turn
			for range turns {
				holders = append(holders, take(t, q, Check))
			}
			for range turns { // checks came first
				c.ask("check", Check, time.Hour)
			}
			for range turns {
				c.ask("look-up", LookUp, time.Hour)
			}
			for _, h := range holders {
				h.Release()
			}
			synctest.Wait()
			others := 0
			for _, name := range c.served {
				if name == "look-up" {
					others++
				}
			}
			assert.Equal(t, share, others, "%d turns", turns)
			time.Sleep(time.Minute)
			c.all.Wait()
		})
	}
}

func TestAChangeNeedNotWaitForAFloodOfChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(64)
		over := time.Now().Add(time.Second)
		var flood sync.WaitGroup
		for range 1000 { // each asks again as soon as it was answered, and the store is slow
			flood.Go(func() {
				for time.Now().Before(over) {
					turn := &Turn{Start: time.Now()}
					if _, ok := q.Take(turn); ok {
						time.Sleep(budget) // of a bubble's time
					}
					turn.Release()
				}
			})
		}
		time.Sleep(time.Until(over) / 2)
		require.Greater(t, q.Waits().Waiting, 900)
		asked := time.Now()
		change := take(t, q, Change)
		require.LessOrEqual(t, time.Since(asked), budget)
		change.Release()
		flood.Wait()
	})
}

func TestOfASingleTurnChecksGetEveryOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		for range 4 {
			c.ask("write", Write, time.Millisecond)
		}
		for range 4 {
			c.ask("check", Check, time.Millisecond)
		}
		first.Release()
		c.all.Wait()
		require.Equal(t, []string{"write", "check", "write", "check", "write", "check", "write", "check"}, c.served)
	})
}

func TestChangesComeBeforeWritesAndThoseBeforeLookUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		for _, class := range []Class{LookUp, Write, Change, LookUp, Write, Change} {
			c.ask([]string{"", "change", "write", "look-up"}[class], class, time.Millisecond)
		}
		first.Release()
		c.all.Wait()
		require.Equal(t, []string{"change", "change", "write", "write", "look-up", "look-up"}, c.served)
	})
}

func TestWhatTheOthersDoNotUseChecksUseAndTheOtherWayAbout(t *testing.T) {
	for _, class := range []Class{Check, LookUp} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(16)
			for range 16 {
				take(t, q, class)
			}
			require.Equal(t, 16, q.taken)
		})
	}
}

func TestWhatIsNoCheckWaitsForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		c.ask("change", Change, 0)
		c.all.Wait()
		require.Equal(t, map[string]time.Duration{"change": time.Second}, c.refused)
		first.Release()
		require.Zero(t, q.taken)
	})
}

func TestWaitsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, c := take(t, q, Check), newCrowd(q)
		c.ask("30 ms", Check, time.Hour)
		time.Sleep(30 * time.Millisecond)
		first.Release()
		c.ask("75 ms", Check, 0)
		c.ask("no check", LookUp, 0)
		c.all.Wait()
		w := q.Waits()
		assert.EqualValues(t, 3, w.Count)
		assert.Equal(t, 105*time.Millisecond, w.Sum)
		assert.EqualValues(t, 1, w.Buckets[0], "none")
		assert.EqualValues(t, 1, w.Buckets[7], "30 ms")
		assert.EqualValues(t, 1, w.Buckets[8], "75 ms")
		assert.Zero(t, (*Queue)(nil).Waits())
	})
}
