package memcached

import "time"

// lateStep is how long a call that may be late waits until the next look.
const lateStep = 10 * time.Millisecond

// isLate reports whether it is this process that is late with w, whose deadline has come,
// and not the server: the command was sent only now, or replies have arrived that were not
// read or not handled. Under more load than the processors carry, that is so for a server
// in good health; then it is not blamed, and the link is not closed. The link is locked.
func (l *link) isLate(w waiter, now time.Time) bool {
	return w.sent.IsZero() || now.Sub(w.sent) < l.pipe.patience || l.handling.Load() || hasUnread(l.nc)
}
