package turns

import (
	"sort"
	"time"
)

// WaitBounds are the upper bounds of the buckets of Waits.
var WaitBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
}

// Waits is a histogram of how long checks waited for a turn, those that had none in time
// included.
type Waits struct {
	Waiting int // checks, now
	Count   uint64
	Sum     time.Duration
	Buckets [len(WaitBounds)]uint64 // by WaitBounds; what was longer is in Count alone
}

// note counts a wait, where it was a check's.
func (w *Waits) note(class Class, d time.Duration) {
	if class != Check {
		return
	}
	w.Count++
	if d == 0 {
		w.Buckets[0]++
		return
	}
	w.Sum += d
	if i := sort.Search(len(WaitBounds), func(i int) bool { return d <= WaitBounds[i] }); i < len(w.Buckets) {
		w.Buckets[i]++
	}
}

// Waits returns what was counted so far. A nil Queue has none.
func (q *Queue) Waits() Waits {
	if q == nil {
		return Waits{}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.waits
	w.Waiting = q.checks()
	return w
}
