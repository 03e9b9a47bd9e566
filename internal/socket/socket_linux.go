package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// A stream is a connection of TCP, or of a unix socket.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// A conn has all that the connection below it has; it reads and writes by itself.
type conn struct {
	stream
	raw syscall.RawConn

	reading    sync.Mutex // held for one Read
	in         []byte     // where it reads to
	read       int
	readFailed syscall.Errno
	readOnce   func(fd uintptr) (done bool) // c.tryRead, made once: each new one is an allocation

	writing     sync.Mutex // held for one Write
	out         []byte     // what is left to be written
	writeFailed syscall.Errno
	writeAll    func(fd uintptr) (done bool) // c.tryWrite
}

// New returns a connection that does what c does, and is cheaper where c is a socket of TCP
// or a unix socket. It has the methods SyscallConn and CloseWrite there.
func New(c net.Conn) net.Conn {
	s, ok := c.(stream)
	if !ok {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	n := &conn{stream: s, raw: raw}
	n.readOnce, n.writeAll = n.tryRead, n.tryWrite
	return n
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return c.stream.Read(b)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.in, c.read, c.readFailed = b, 0, 0
	err := c.raw.Read(c.readOnce)
	c.in = nil
	switch {
	case err != nil:
		return 0, named("read", err)
	case c.readFailed != 0:
		return 0, c.failed("read", c.readFailed)
	case c.read == 0:
		return 0, io.EOF
	}
	return c.read, nil
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out, c.writeFailed = b, 0
	err := c.raw.Write(c.writeAll)
	written := len(b) - len(c.out)
	c.out = nil
	switch {
	case err != nil:
		return written, named("write", err)
	case c.writeFailed != 0:
		return written, c.failed("write", c.writeFailed)
	}
	return written, nil
}

// tryRead reads what there is; it reports false where there is nothing yet.
func (c *conn) tryRead(fd uintptr) (done bool) {
	n, err := read(fd, c.in)
	c.read, c.readFailed = n, err
	return err != syscall.EAGAIN
}

// tryWrite writes on; it reports false where the socket takes no more for now.
func (c *conn) tryWrite(fd uintptr) (done bool) {
	for len(c.out) > 0 {
		n, err := write(fd, c.out)
		if err != 0 {
			c.writeFailed = err
			return err != syscall.EAGAIN
		}
		c.out = c.out[n:]
	}
	c.writeFailed = 0
	return true
}

// failed returns the error that package net would return.
func (c *conn) failed(op string, err syscall.Errno) error {
	local := c.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// named gives an error of the poller, such as the end of a deadline, the operation's name;
// it says raw-read and raw-write.
func named(op string, err error) error {
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		e.Op = op
	}
	return err
}
