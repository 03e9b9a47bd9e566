package velocity

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
)

// gomemcache believes what a server sends: it makes room for a length before it
// has seen the bytes, reads as many values as come, and does not look whose they
// are. A replyConn stands between: it lets through the one reply that was asked
// for, and no byte more.
//
// Rules: a reply is one line, or for a get one value under the key that was asked,
// no longer than an item can be, and END. Anything else is an error, and
// gomemcache closes a connection with an error.
type replyConn struct {
	net.Conn
	key  []byte // asked for by the get under way; empty for a write
	line []byte // the reply's first line so far
	left int    // bytes that may still come once the line is complete; -1: it is not
}

const (
	maxReplyLine = 512
	maxItem      = 1 << 20 // memcached's own limit
)

// errReply: a server said what no memcached says.
var errReply = errors.New("not a reply of memcached")

// dialReplies dials for gomemcache.
func dialReplies(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &replyConn{Conn: c}, nil
}

// Write sends a command. gomemcache flushes each in one or more writes, and reads
// only then: the first after a reply begins the next.
func (c *replyConn) Write(b []byte) (int, error) {
	if key, ok := bytes.CutPrefix(b, []byte("gets ")); ok {
		c.key = append(c.key[:0], bytes.TrimRight(key, "\r\n")...)
	} else if c.left >= 0 || len(c.line) > 0 {
		c.key = c.key[:0]
	}
	c.line, c.left = c.line[:0], -1
	return c.Conn.Write(b)
}

func (c *replyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.admit(b[:n]) {
		return 0, errReply
	}
	return n, err
}

// admit reports whether the bytes may go on.
func (c *replyConn) admit(b []byte) bool {
	if c.left >= 0 {
		c.left -= len(b)
		return c.left >= 0
	}
	line, rest, complete := bytes.Cut(b, []byte("\n"))
	c.line = append(c.line, line...)
	if !complete {
		return len(c.line) <= maxReplyLine
	}
	more, ok := c.follows()
	c.left = more - len(rest)
	return ok && c.left >= 0
}

// follows is how many bytes come after a complete first line.
func (c *replyConn) follows() (int, bool) {
	value, ok := bytes.CutPrefix(c.line, []byte("VALUE "))
	if !ok {
		return 0, len(c.line) <= maxReplyLine
	}
	fields := bytes.Fields(value) // key, flags, length, cas id
	if len(fields) != 4 || len(c.key) == 0 || !bytes.Equal(fields[0], c.key) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(fields[2]), 10, 32)
	return int(n) + len("\r\nEND\r\n"), err == nil && n <= maxItem
}
