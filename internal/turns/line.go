package turns

// A waiter waits in a line.
type waiter struct {
	times
	class      Class
	told       chan bool // true: the turn is its; false: there is none
	line       *line     // nil: it was told
	prev, next *waiter
}

func newWaiter() *waiter { return &waiter{told: make(chan bool, 1)} }

// A line is waiters in the order in which their patience ends. That is the order of their
// coming, but for a check that was excused.
type line struct {
	first, last *waiter
	length      int
}

// push puts w into the line, nearly always at its end.
func (l *line) push(w *waiter) {
	before := l.last
	for before != nil && before.patience.After(w.patience) {
		before = before.prev
	}
	w.line, w.prev, w.next = l, before, l.first
	if before == nil {
		l.first = w
	} else {
		before.next, w.next = w, before.next
	}
	if w.next == nil {
		l.last = w
	} else {
		w.next.prev = w
	}
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
