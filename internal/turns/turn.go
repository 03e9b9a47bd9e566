package turns

import "time"

// A Turn is one request's. Its zero value, with Class and Start set, has not been taken.
// It is for one goroutine, and must not be copied once it is used.
type Turn struct {
	Class Class
	Start time.Time // when the request was read; zero: when the turn is first asked for

	queue   *Queue // once it was asked for
	excused time.Duration
	until   time.Time // while it is held
	state   state
}

type state uint8

const (
	idle state = iota
	held
	refused // for good
)

// Excuse adds d to the time that a check has until its answer is due: for the hash of a
// password, which is verified once in its life.
func (t *Turn) Excuse(d time.Duration) { t.excused += d }

// Yield gives the turn back between two operations on the store. A check keeps its turn:
// it would have to wait twice.
func (t *Turn) Yield() {
	if t.Class != Check {
		t.Release()
	}
}

// Release gives the turn back, to the next that waits. It does nothing where the turn is
// not held.
func (t *Turn) Release() {
	if t.state == held {
		t.state = idle
		t.queue.release(t.Class)
	}
}

// times are those of a turn that is asked for.
type times struct {
	asked    time.Time
	latest   time.Time // to begin
	patience time.Time // to be told that there is no turn
	deadline time.Time // of the store
}

// times are what the queue's settings mean for t at now. What is no check has a second to
// begin, and then the whole budget.
func (q *Queue) times(t *Turn, now time.Time) times {
	if t.Class != Check {
		latest := now.Add(othersWait)
		return times{now, latest, latest, latest.Add(q.Budget)}
	}
	deadline := t.Start.Add(q.Answer + t.excused)
	return times{now, deadline.Add(-q.Budget / 2), deadline.Add(-q.Budget / 10), deadline}
}
