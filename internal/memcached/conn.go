package memcached

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"time"
)

// longestLate is how much longer a probe waits while this process is late and not the
// server: a process with more to do than it can would otherwise never find a server well
// that is.
const longestLate = 3 * time.Second

// A conn is a connection to gomemcache: what that writes becomes a call, and what it
// reads is the reply. After an error a conn has nothing but that error.
type conn struct {
	pipe     *pipe
	call     *call
	waiting  bool   // for the reply
	answered bool   // the reply to the last command has come
	unread   []byte // of the reply
	failed   error
	limit    time.Time // see until
	deadline time.Time
}

// conn makes a connection.
func (p *pipe) conn() *conn { return &conn{pipe: p, call: newCall()} }

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

// Write sends a command, which must be whole: gomemcache writes one so as long as it is
// short, and those of a probe are.
func (c *conn) Write(b []byte) (int, error) {
	if c.failed == nil && (c.waiting || len(c.unread) > 0 || !c.call.command.parse(b)) {
		c.failed = errCommand
	}
	if c.failed != nil {
		return 0, c.failed
	}
	c.waiting, c.answered = true, false
	c.call.deadline, c.call.last = c.deadline, c.deadline.Add(longestLate)
	c.pipe.send(c.call)
	return len(b), nil
}

// Read waits for the reply.
func (c *conn) Read(b []byte) (int, error) {
	if c.failed == nil && c.waiting {
		c.waiting = false
		if c.failed = c.call.wait(); c.failed == nil {
			c.answered, c.unread = true, c.call.reply.bytes
		}
	}
	if c.failed == nil && len(c.unread) == 0 {
		c.failed = errCommand // there is none under way
	}
	if c.failed != nil {
		return 0, c.failed
	}
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// Close has the conn do nothing more.
func (c *conn) Close() error {
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

// parse makes c the command that text is. It reports false for what is not exactly one.
func (c *command) parse(text []byte) bool {
	line, value, complete := bytes.Cut(text, []byte("\r\n"))
	fields := bytes.Split(line, []byte(" "))
	verbs := []*verb{verbGet, verbAdd, verbCAS}
	i := slices.IndexFunc(verbs, func(v *verb) bool { return string(fields[0]) == v.name })
	if !complete || i < 0 {
		return false
	}
	c.verb, c.bytes = verbs[i], append(c.bytes[:0], text...)
	if c.verb == verbGet {
		c.key = fields[len(fields)-1]
		return len(fields) == 2 && len(value) == 0
	}
	if len(fields) < 5 { // verb, key, flags, expiry, length of the value
		return false
	}
	length, err := strconv.Atoi(string(fields[4]))
	return err == nil && len(value) == length+len("\r\n") && bytes.HasSuffix(value, []byte("\r\n"))
}
