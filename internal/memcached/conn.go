package memcached

import (
	"bytes"
	"net"
	"time"
)

// A conn is a virtual connection: what is written goes to a link with what others
// write, and what is read is the reply to it. One goroutine uses it at a time;
// after an error it has nothing but that error, since a link may still know of it.
type conn struct {
	pipe    *pipe
	command command
	reply   []byte
	read    int // bytes of it
	failed  error

	limit    time.Time // see until
	deadline time.Time
	timer    *time.Timer

	// Of the command under way, written under the link's lock.
	link *link  // nil: there is none
	end  uint64 // where the command ends in all that was handed to the link
	over bool   // answered, or given up
	held bool   // its reply waits for the canary's
	err  error  // in place of a reply
	done chan struct{}

	doubtful bool // the last reply may come from a memory that is not trusted
}

// conn makes a connection.
func (p *pipe) conn() *conn {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &conn{pipe: p, timer: t, done: make(chan struct{}, 1)}
}

// answer ends the command with its reply, unless it was given up. The link is locked.
func (c *conn) answer(reply []byte) {
	if !c.over {
		c.over, c.reply = true, reply
		c.done <- struct{}{}
	}
}

// refused returns what the server said in place of a reply, without what marks it as an
// error; empty when it did not refuse.
func (c *conn) refused() string {
	text, refused := bytes.CutPrefix(c.reply, refusal)
	if !refused {
		return ""
	}
	return string(bytes.TrimSpace(text))
}

// until bounds every deadline that is set from now on.
func (c *conn) until(limit time.Time) { c.limit = limit }

// SetDeadline bounds the wait for the reply.
func (c *conn) SetDeadline(t time.Time) error {
	if !c.limit.IsZero() && c.limit.Before(t) {
		t = c.limit
	}
	c.deadline = t
	return nil
}

// Write takes one command, in as many parts as it comes, and sends it when it is
// whole.
func (c *conn) Write(b []byte) (int, error) {
	if c.failed == nil && (c.link != nil || c.read < len(c.reply)) {
		c.failed = errCommand // the reply to the one before was not read yet
	}
	whole := false
	if c.failed == nil {
		whole, c.failed = c.command.add(b)
	}
	if c.failed != nil {
		return 0, c.failed
	}
	if whole {
		c.pipe.send(c)
	}
	return len(b), nil
}

// Read waits for the reply, until the deadline.
func (c *conn) Read(b []byte) (int, error) {
	if c.failed == nil && c.link != nil {
		c.failed = c.wait()
	}
	if c.failed == nil && c.read == len(c.reply) {
		c.failed = errCommand // there is none under way
	}
	if c.failed != nil {
		return 0, c.failed
	}
	n := copy(b, c.reply[c.read:])
	c.read += n
	return n, nil
}

// wait returns when the reply is there to be read.
func (c *conn) wait() error {
	c.timer.Reset(time.Until(c.deadline))
	select {
	case <-c.done:
		c.timer.Stop()
	case <-c.timer.C:
		if err := c.link.leave(c); err != nil {
			return err
		}
		<-c.done
	}
	c.link, c.read = nil, 0
	return c.err
}

// Close gives up the command under way, if there is one.
func (c *conn) Close() error {
	if c.link != nil && c.failed == nil {
		_ = c.link.leave(c)
	}
	c.failed = net.ErrClosed
	return nil
}

// LocalAddr implements net.Conn: there is none.
func (c *conn) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn: there is none.
func (c *conn) RemoteAddr() net.Addr { return nil }

// SetReadDeadline is SetDeadline.
func (c *conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline: a write waits for nothing.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
