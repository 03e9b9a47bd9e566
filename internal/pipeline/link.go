package pipeline

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
	"time"
)

// A link is one real connection, from before it is made until it is closed.
type link struct {
	mu     sync.Mutex
	nc     net.Conn // nil until it is connected
	err    error    // why it was closed
	out    []byte   // handed over and not sent yet
	handed uint64   // bytes, in all
	sent   uint64   // of them, or being sent
	queue  queue    // those whose reply is to come, in the order they asked
	wake   chan struct{}
}

func newLink() *link { return &link{wake: make(chan struct{}, 1)} }

// run connects, and serves until the link is closed.
func (l *link) run(network, address string, timeout time.Duration) {
	nc, err := (&net.Dialer{Timeout: timeout}).Dial(network, address)
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
func (l *link) take(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.out = append(l.out, c.command.bytes...)
	l.handed += uint64(len(c.command.bytes))
	c.link, c.end, c.over, c.err = l, l.handed, false, nil
	l.queue.push(c)
	select {
	case l.wake <- struct{}{}:
	default: // it was told already
	}
	return true
}

// leave gives up c's command; it returns nil when its end has come after all.
func (l *link) leave(c *Conn) error {
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
		return ErrUnsent
	}
	l.end(ErrAbandoned)
	return os.ErrDeadlineExceeded
}

// end closes the link; the first of those who wait is told why, unless it is for
// somebody else's sake.
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
	for c := l.queue.pop(); c != nil; c = l.queue.pop() {
		if !c.over {
			c.over, c.err = true, err
			c.done <- struct{}{}
			err = ErrAbandoned
		}
	}
}

// write sends what was handed over, as much at a time as there is.
func (l *link) write() {
	var sending []byte
	for range l.wake {
		runtime.Gosched() // who is about to ask goes along
		for {
			l.mu.Lock()
			sending, l.out, l.sent = l.out, sending[:0], l.handed
			l.mu.Unlock()
			if len(sending) == 0 {
				break
			}
			if _, err := l.nc.Write(sending); err != nil {
				l.end(err)
				return
			}
		}
	}
}

// read hands the replies to those who asked; it returns why it cannot go on.
func (l *link) read() error {
	r := bufio.NewReaderSize(l.nc, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return ErrReply
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		c := l.queue.first()
		l.mu.Unlock()
		if c == nil {
			return ErrReply // nobody asked
		}
		more := c.command.follows(line)
		if more < 0 {
			return ErrReply
		}
		reply := append(c.reply[:0], line...) // nobody else looks at it before the end
		if more > 0 {
			reply = slices.Grow(reply, more)[:len(line)+more]
			if _, err := io.ReadFull(r, reply[len(line):]); err != nil {
				return err
			}
			if !bytes.HasSuffix(reply, []byte("\r\nEND\r\n")) {
				return ErrReply
			}
		}
		if !l.deliver(c, reply, r.Buffered() > 0) {
			return ErrReply
		}
	}
}

// deliver ends the command of c, the first in the queue. It reports false when nobody
// can have asked: the command was not sent yet, or more follows and nobody waits.
func (l *link) deliver(c *Conn, reply []byte, more bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return true // everybody was told
	}
	if l.sent < c.end || more && l.queue.len() == 1 {
		return false
	}
	l.queue.pop()
	if !c.over { // else who asked has gone
		c.over, c.reply = true, reply
		c.done <- struct{}{}
	}
	return true
}

// A queue is first in, first out.
type queue struct {
	conns []*Conn
	gone  int // of the first ones
}

func (q *queue) len() int { return len(q.conns) - q.gone }

func (q *queue) push(c *Conn) {
	if q.gone > len(q.conns)/2 {
		q.conns = slices.Delete(q.conns, 0, q.gone)
		q.gone = 0
	}
	q.conns = append(q.conns, c)
}

func (q *queue) first() *Conn {
	if q.len() == 0 {
		return nil
	}
	return q.conns[q.gone]
}

func (q *queue) pop() *Conn {
	c := q.first()
	if c != nil {
		q.conns[q.gone] = nil
		q.gone++
	}
	return c
}
