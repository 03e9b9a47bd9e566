package turns

import (
	"sync"
	"time"
)

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

// Excuse adds d to the time that a check has: what the caller waited for by its own
// choice, such as the hash of a password.
func (t *Turn) Excuse(d time.Duration) { t.excused += d }

// Refused reports whether the request asked for a turn and cannot have one in time.
func (t *Turn) Refused() bool { return t.state == refused }

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

// A waiter is a turn that waits in the queue.
type waiter struct {
	class      Class
	since      time.Time
	given      chan struct{} // has a value once the turn is its
	prev, next *waiter       // in its line
	line       *line         // nil: it waits no more
}

var waiters = sync.Pool{New: func() any { return &waiter{given: make(chan struct{}, 1)} }}

// A line is waiters in the order of their coming.
type line struct {
	first, last *waiter
	length      int
}

func (l *line) push(w *waiter) {
	w.line, w.prev, w.next = l, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.length++
}

// remove takes w out of the line.
func (l *line) remove(w *waiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.line, w.prev, w.next = nil, nil, nil
	l.length--
}
