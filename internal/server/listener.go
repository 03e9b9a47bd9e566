package server

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// listener keeps accepting where fasthttp would give up for good: out of file
// descriptors, or a caller gone before it was accepted.
type listener struct{ net.Listener }

func (l *listener) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		c, err := l.Listener.Accept()
		if err == nil {
			return &conn{Conn: c}, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		time.Sleep(pause)
	}
}

// conn may linger when it is closed: a caller that is still sending a refused
// body would otherwise get a reset in place of the answer that says why.
type conn struct {
	net.Conn
	linger atomic.Bool
}

func lingerOnClose(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.linger.Store(true)
	}
}

func (c *conn) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && c.linger.Load() {
		const most, longest = 1 << 20, time.Second
		if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(longest)) == nil {
			_, _ = io.CopyN(io.Discard, tcp, most) // whatever comes is refused already
		}
	}
	return c.Conn.Close()
}
