package pipeline

import (
	"bytes"
	"net"
	"time"
)

// A Conn is a connection that is none: what is written goes to a link with what
// others write, and what is read is the reply to it. One goroutine uses it at a time;
// after an error it has nothing but that error, since a link may still know of it.
type Conn struct {
	pipe    *Pipe
	command command
	reply   []byte
	read    int // bytes of it
	failed  error

	limit    time.Time // see Until
	deadline time.Time
	timer    *time.Timer

	// Of the command under way, written under the link's lock.
	link *link  // nil: there is none
	end  uint64 // where the command ends in all that was handed to the link
	over bool   // answered, or given up
	held bool   // its reply waits for the canary's
	err  error  // in place of a reply
	done chan struct{}

	doubtful bool // see Doubtful; settled when done
}

// Conn makes a connection.
func (p *Pipe) Conn() *Conn {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Conn{pipe: p, timer: t, done: make(chan struct{}, 1)}
}

// answer ends the command with its reply, unless it was given up. The link is locked.
func (c *Conn) answer(reply []byte) {
	if !c.over {
		c.over, c.reply = true, reply
		c.done <- struct{}{}
	}
}

// Doubtful reports whether the last reply may come from a memory that is not trusted:
// see [Pipe.Trust].
func (c *Conn) Doubtful() bool { return c.doubtful }

// Refused returns what the server said in place of a reply, without what marks it as an
// error; empty when it did not refuse.
func (c *Conn) Refused() string {
	text, refused := bytes.CutPrefix(c.reply, refusal)
	if !refused {
		return ""
	}
	return string(bytes.TrimSpace(text))
}

// Until bounds every deadline that is set from now on.
func (c *Conn) Until(limit time.Time) { c.limit = limit }

// SetDeadline bounds the wait for the reply.
func (c *Conn) SetDeadline(t time.Time) error {
	if !c.limit.IsZero() && c.limit.Before(t) {
		t = c.limit
	}
	c.deadline = t
	return nil
}

// Write takes one command, in as many parts as it comes, and sends it when it is
// whole.
func (c *Conn) Write(b []byte) (int, error) {
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
func (c *Conn) Read(b []byte) (int, error) {
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
func (c *Conn) wait() error {
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
func (c *Conn) Close() error {
	if c.link != nil && c.failed == nil {
		_ = c.link.leave(c)
	}
	c.failed = net.ErrClosed
	return nil
}

// LocalAddr implements net.Conn: there is none.
func (c *Conn) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn: there is none.
func (c *Conn) RemoteAddr() net.Addr { return nil }

// SetReadDeadline is SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline: a write waits for nothing.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
