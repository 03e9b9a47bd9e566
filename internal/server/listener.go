package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// listener keeps accepting where fasthttp would give up for good: out of file
// descriptors, or a caller gone before it was accepted.
type listener struct {
	net.Listener
	silent *sync.Map // see Server
	full   func() bool
	tls    *tls.Config // nil: none
}

func (l *listener) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		c, err := l.Listener.Accept()
		if err == nil && l.full() {
			_ = c.Close()
			pause = 5 * time.Millisecond
			continue
		}
		if err == nil {
			if l.tls != nil {
				c = tls.Server(c, l.tls) // shakes hands when it is read: nobody waits here
			}
			accepted := &conn{Conn: c, silent: l.silent}
			l.silent.Store(accepted, nil)
			return accepted, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		time.Sleep(pause)
	}
}

// Close waits for a moment in which nobody is waiting to be accepted: who is, has
// connected already, and the kernel would reset them. It waits for a while at most.
func (l *listener) Close() error {
	if tcp, ok := l.Listener.(*net.TCPListener); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			for end := time.Now().Add(calm); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
				waiting := false
				_ = raw.Control(func(fd uintptr) {
					n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
					waiting = n > 0
				})
				if !waiting {
					break
				}
			}
		}
	}
	return l.Listener.Close()
}

// conn knows whether it was ever spoken on. And it may linger when it is closed: a
// caller that is still sending a refused body would otherwise get a reset in place
// of the answer that says why.
type conn struct {
	net.Conn
	linger atomic.Bool
	silent *sync.Map
	heard  bool
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.heard {
		c.heard = true
		c.silent.Delete(c)
	}
	return n, err
}

// handshaking reports whether the connection is one of TLS that has not come so far
// as to carry anything.
func handshaking(c net.Conn) bool {
	accepted, ok := c.(*conn)
	if !ok {
		return false
	}
	session, ok := accepted.Conn.(*tls.Conn)
	return ok && !session.ConnectionState().HandshakeComplete
}

func lingerOnClose(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.linger.Store(true)
	}
}

func (c *conn) Close() error {
	c.silent.Delete(c)
	below := c.Conn
	if session, ok := below.(*tls.Conn); ok && c.linger.Load() {
		_ = session.CloseWrite()
		below = session.NetConn()
	}
	if tcp, ok := below.(*net.TCPConn); ok && c.linger.Load() {
		const most, longest = 1 << 20, time.Second
		if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(longest)) == nil {
			_, _ = io.CopyN(io.Discard, tcp, most) // whatever comes is refused already
		}
	}
	return c.Conn.Close()
}
