package memcached

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/socket"
)

// A link is one real connection, from before it is made until it is closed.
type link struct {
	pipe   *pipe
	mu     sync.Mutex
	nc     net.Conn // nil until it is connected
	err    error    // why it was closed
	out    []byte   // handed over and not sent yet
	handed uint64   // bytes, in all
	sent   uint64   // of them, or being sent
	queue  queue    // calls without a reply yet, in the order of handing over
	wake   chan struct{}

	due   time.Time // when timer fires; zero: it does not
	timer *time.Timer

	// handling says that replies were read which are not all handled.
	handling atomic.Bool

	guard  bool // the canary is to follow what was handed over
	proved bool // it was found on this connection
	canary call // a read of it; only its reply is used
}

func newLink(p *pipe) *link {
	return &link{pipe: p, wake: make(chan struct{}, 1), canary: call{command: p.canary, over: true}}
}

// run connects, and serves until the link is closed.
func (l *link) run() {
	defer l.survive()
	nc, err := l.pipe.dial()
	if err != nil {
		l.end(err)
		return
	}
	nc = socket.New(nc)
	l.mu.Lock()
	l.nc = nc
	closed := l.err != nil
	l.mu.Unlock()
	if closed {
		_ = nc.Close()
		return
	}
	go l.write()
	l.end(l.read())
}

// take makes c the next to be sent; it reports false when the link was closed.
func (l *link) take(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.out = append(l.out, c.command.bytes...)
	l.handed += uint64(len(c.command.bytes))
	c.over, c.err = false, nil
	c.doubtful = c.command.verb != verbCAS || !l.proved
	if c.held = c.doubtful && l.pipe.isTrusted(); c.held {
		l.guard = true
	}
	l.queue.push(waiter{call: c, end: l.handed})
	l.remind(c.deadline)
	select {
	case l.wake <- struct{}{}:
	default: // it was told already
	}
	return true
}

// remind has the timer fire at the deadline, unless it fires before.
func (l *link) remind(deadline time.Time) {
	if !l.due.IsZero() && !deadline.Before(l.due) {
		return
	}
	l.due = deadline
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(deadline), l.expire)
	} else {
		l.timer.Reset(time.Until(deadline))
	}
}

// expire gives up the calls whose deadline has come. One timer serves them all: it fires
// at the earliest deadline there was when it was set, and then at the earliest of those
// that still wait.
func (l *link) expire() {
	defer l.survive()
	if l.giveUp(time.Now()) {
		l.end(errAbandoned)
	}
}

// giveUp ends the calls whose deadline has come, and reports whether the server failed a
// command among them: then its reply may still come, so the link must be closed. One call
// alone tells of the failure, as when a link breaks.
func (l *link) giveUp(now time.Time) (failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.due = time.Time{}
	for _, w := range l.queue.waiters[l.queue.gone:] {
		switch c := w.call; {
		case c.over:
		case c.deadline.After(now):
			l.remind(c.deadline)
		case l.nc == nil: // connecting has a deadline of its own
			c.end(os.ErrDeadlineExceeded)
		case l.isLate(w, now) && now.Before(c.last):
			c.deadline = now.Add(lateStep)
			l.remind(c.deadline)
		case l.sent < w.end:
			c.end(errUnsent)
		case l.isLate(w, now):
			c.end(errLate)
		case failed:
			c.end(errTogether)
		default:
			c.end(os.ErrDeadlineExceeded)
			failed = true
		}
	}
	return failed
}

// end closes the link. The first call that waits is told err, the others that it was for
// another command's sake.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	if l.nc != nil {
		_ = l.nc.Close()
	}
	close(l.wake)
	if l.timer != nil {
		l.timer.Stop()
	}
	for l.queue.len() > 0 {
		if c := l.queue.pop().call; !c.over {
			c.end(err)
			err = errAbandoned
		}
	}
	l.queue.held = 0
}

// write sends what was handed over, as much at a time as there is.
func (l *link) write() {
	defer l.survive()
	var sending []byte
	for range l.wake {
		runtime.Gosched() // commands that are about to come go along
		for {
			if sending = l.batch(sending[:0]); len(sending) == 0 {
				break
			}
			if _, err := l.nc.Write(sending); err != nil {
				l.end(err)
				return
			}
			l.wrote(time.Now())
		}
	}
}

// batch returns what was handed over and is to be sent now. The buffer empty is for what
// is handed over next.
func (l *link) batch(empty []byte) (sending []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addCanary()
	sending, l.out, l.sent = l.out, empty, l.handed
	return sending
}

// wrote notes that what the last batch held was sent by now.
func (l *link) wrote(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.queue.waiters) - 1; i >= l.queue.gone; i-- {
		switch w := &l.queue.waiters[i]; {
		case !w.sent.IsZero():
			return
		case w.end <= l.sent:
			w.sent = now
		}
	}
}

// survive closes the link after a panic, which must not end the process.
func (l *link) survive() {
	if fault := recover(); fault != nil {
		l.pipe.panicked(fault)
		l.end(errReply)
	}
}

// addCanary has the commands handed over followed by a read of the canary, where one of
// them wants it.
func (l *link) addCanary() {
	if !l.guard {
		return
	}
	l.guard = false
	l.out = append(l.out, l.canary.command.bytes...)
	l.handed += uint64(len(l.canary.command.bytes))
	l.queue.push(waiter{call: &l.canary, trusted: l.pipe.trusted.Load(), end: l.handed})
}

// read hands each reply to its call; it returns why it cannot go on.
func (l *link) read() error {
	r := bufio.NewReaderSize((*arrivals)(l), 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return errReply
		}
		if err != nil {
			return err
		}
		w, asked := l.next()
		if !asked {
			return errReply
		}
		reply := &w.call.reply // which nobody looks at before the call is over
		more := reply.begin(&w.call.command, line)
		if more < 0 {
			return errReply
		}
		if more > 0 {
			reply.bytes = slices.Grow(reply.bytes, more)[:reply.start+more]
			if _, err := io.ReadFull(r, reply.bytes[reply.start:]); err != nil {
				return err
			}
			if !bytes.HasSuffix(reply.bytes, valueEnd) {
				return errReply
			}
		}
		if !l.deliver(w, r.Buffered() > 0) {
			return errReply
		}
	}
}

// arrivals reads from the link's connection. The reader is asked for more when all that
// was read before has been handled.
type arrivals link

func (r *arrivals) Read(b []byte) (n int, err error) {
	r.handling.Store(false)
	n, err = r.nc.Read(b)
	r.handling.Store(n > 0)
	return n, err
}

// next is the waiter whose reply comes next. It reports false where there is none: a
// reply that was not asked for, or what was read before the link was closed.
func (l *link) next() (w waiter, asked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return waiter{}, false
	}
	return l.queue.next()
}

// deliver ends the call of w, the next in the queue, or holds it back until the canary
// has come. It reports false for a reply that was not asked for: the command was not sent
// yet, or more follows and no command waits.
func (l *link) deliver(w waiter, more bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return true // all calls were told
	}
	if l.sent < w.end || more && l.queue.waiting() == 1 {
		return false
	}
	switch {
	case w.call == &l.canary:
		reply := &l.canary.reply
		l.release(w.trusted != nil && reply.start > 0 && string(reply.value()) == *w.trusted, w.trusted)
	case w.call.held || l.queue.held > 0:
		l.queue.held++
	default:
		l.queue.pop()
		w.call.end(nil)
	}
	return true
}

// release ends the calls that were held back for the canary.
func (l *link) release(found bool, trusted *string) {
	if found {
		l.proved = true
	} else if trusted != nil && l.pipe.trusted.CompareAndSwap(trusted, nil) {
		l.pipe.lost()
	}
	for held := l.queue.held; held > 0; held-- {
		c := l.queue.pop().call
		c.doubtful = c.doubtful && !found
		c.end(nil)
	}
	l.queue.held = 0
	l.queue.pop() // the canary
}

// A waiter is a call whose reply is to come: the canary's among them.
type waiter struct {
	call    *call
	end     uint64    // where the command ends in all that was handed over
	sent    time.Time // zero: not yet
	trusted *string   // of the canary: what it was trusted to be when it was sent
}

// A queue is first in, first out. The first ones are held: their replies have come, and
// wait for the canary's.
type queue struct {
	waiters []waiter
	gone    int // of the first ones
	held    int // of those after them
}

func (q *queue) len() int     { return len(q.waiters) - q.gone }
func (q *queue) waiting() int { return q.len() - q.held }

func (q *queue) push(w waiter) {
	if q.gone > len(q.waiters)/2 {
		q.waiters = slices.Delete(q.waiters, 0, q.gone)
		q.gone = 0
	}
	q.waiters = append(q.waiters, w)
}

// next is the one whose reply comes next.
func (q *queue) next() (w waiter, found bool) {
	if q.waiting() == 0 {
		return waiter{}, false
	}
	return q.waiters[q.gone+q.held], true
}

func (q *queue) pop() waiter {
	w := q.waiters[q.gone]
	q.waiters[q.gone] = waiter{}
	q.gone++
	return w
}
