package turns

import "time"

// A waiter waits in a line.
type waiter struct {
	times
	class      Class
	told       chan bool   // true: the turn is its; false: there is none
	timer      *time.Timer // of its patience
	line       *line       // nil: it was told
	prev, next *waiter
}

func newWaiter() *waiter {
	w := &waiter{told: make(chan bool, 1), timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	return w
}

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
