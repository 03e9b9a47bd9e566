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
	queue  queue    // commands without a reply yet, in the order of handing over
	wake   chan struct{}

	guard  bool // the canary is to follow what was handed over
	proved bool // it was found on this connection
}

func newLink(p *pipe) *link { return &link{pipe: p, wake: make(chan struct{}, 1)} }

// run connects, and serves until the link is closed.
func (l *link) run() {
	defer l.survive()
	nc, err := l.pipe.dial()
	if err != nil {
		l.end(err)
		return
	}
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

// take makes c's command the next to be sent; it reports false when the link was
// closed.
func (l *link) take(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.out = append(l.out, c.command.bytes...)
	l.handed += uint64(len(c.command.bytes))
	c.link, c.end, c.over, c.err = l, l.handed, false, nil
	c.doubtful = c.command.learns || !l.proved
	if c.held = c.doubtful && l.pipe.isTrusted(); c.held {
		l.guard = true
	}
	l.queue.push(waiter{conn: c})
	select {
	case l.wake <- struct{}{}:
	default: // it was told already
	}
	return true
}

// leave gives up c's command; it returns nil when its end has come after all.
func (l *link) leave(c *conn) error {
	l.mu.Lock()
	over, connected, sent := c.over, l.nc != nil, l.sent >= c.end
	c.over = true
	l.mu.Unlock()
	switch {
	case over:
		return nil
	case !connected: // which has a deadline of its own
		return os.ErrDeadlineExceeded
	case !sent:
		return errUnsent
	}
	l.end(errAbandoned)
	return os.ErrDeadlineExceeded
}

// end closes the link. The first conn that waits is told err, the others that it was for
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
	for l.queue.len() > 0 {
		if c := l.queue.pop().conn; c != nil && !c.over {
			c.over, c.err = true, err
			c.done <- struct{}{}
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
	l.out = append(l.out, l.pipe.canary.bytes...)
	l.handed += uint64(len(l.pipe.canary.bytes))
	l.queue.push(waiter{trusted: l.pipe.trusted.Load(), end: l.handed})
}

// read hands each reply to its conn; it returns why it cannot go on.
func (l *link) read() error {
	r := bufio.NewReaderSize(l.nc, 64<<10)
	var canary []byte // its reply
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
		command, reply := &l.pipe.canary, canary[:0]
		if w.conn != nil {
			command, reply = &w.conn.command, w.conn.reply[:0] // its goroutine does not look at it before the end
		}
		more := command.follows(line)
		if more < 0 {
			return errReply
		}
		start := len(line)
		reply = append(reply, line...)
		if more > 0 {
			reply = slices.Grow(reply, more)[:start+more]
			if _, err := io.ReadFull(r, reply[start:]); err != nil {
				return err
			}
			if !bytes.HasSuffix(reply, valueEnd) {
				return errReply
			}
		}
		if w.conn == nil {
			canary = reply
		}
		if !l.deliver(w, start, reply, r.Buffered() > 0) {
			return errReply
		}
	}
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

// deliver ends the command of w, the next in the queue, or holds its reply back until
// the canary has come. It reports false for a reply that was not asked for: the command
// was not sent yet, or more follows and no command waits.
func (l *link) deliver(w waiter, start int, reply []byte, more bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return true // all conns were told
	}
	if l.sent < w.sentAt() || more && l.queue.waiting() == 1 {
		return false
	}
	switch {
	case w.conn == nil:
		found := len(reply) > start && w.trusted != nil && string(reply[start:len(reply)-len(valueEnd)]) == *w.trusted
		l.release(found, w.trusted)
	case w.conn.held || l.queue.held > 0:
		w.conn.reply = reply
		l.queue.held++
	default:
		l.queue.pop()
		w.conn.answer(reply)
	}
	return true
}

// release ends the commands that were held back for the canary.
func (l *link) release(found bool, trusted *string) {
	if found {
		l.proved = true
	} else if trusted != nil && l.pipe.trusted.CompareAndSwap(trusted, nil) {
		l.pipe.lost()
	}
	for held := l.queue.held; held > 0; held-- {
		c := l.queue.pop().conn
		c.doubtful = c.doubtful && !found
		c.answer(c.reply)
	}
	l.queue.held = 0
	l.queue.pop() // the canary
}

// A waiter is a command whose reply is to come: of a conn, or the read of the canary.
type waiter struct {
	conn    *conn
	trusted *string // of the canary: what it was trusted to be when it was sent
	end     uint64  // of the canary, see conn
}

func (w waiter) sentAt() uint64 {
	if w.conn != nil {
		return w.conn.end
	}
	return w.end
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
