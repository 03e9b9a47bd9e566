package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

// conn can be left without losing a request. And it may linger when it is closed: a
// caller that is still sending a refused body would otherwise get a reset in place
// of the answer that says why.
type conn struct {
	net.Conn
	open     *sync.Map // that it is in until it is closed
	accepted time.Time
	state    atomic.Int32 // a fasthttp.ConnState, changed by the goroutine that reads
	leaving  atomic.Bool
	linger   atomic.Bool

	// See patrol.
	tick      *atomic.Int64 // the rounds so far
	since     atomic.Int64  // the round of the last change of state
	answering atomic.Int64  // the round after which a part of an answer began to leave; 0: none
	late      atomic.Bool   // reading was ended for taking too long
}

func noteState(on net.Conn, state fasthttp.ConnState) {
	c, ok := on.(*conn)
	if !ok {
		return
	}
	c.since.Store(c.tick.Load())
	c.state.Store(int32(state))
	if state == fasthttp.StateIdle && c.late.Swap(false) { // it was read, and only its answer was late
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

func (c *conn) is(state fasthttp.ConnState) bool { return fasthttp.ConnState(c.state.Load()) == state }

// leave closes the connection if no request is under way and, where none was yet,
// there was time for one. Whoever reads is woken and sees to it, as nobody else
// knows what was read already.
func (c *conn) leave() {
	if c.is(fasthttp.StateActive) || c.is(fasthttp.StateNew) && time.Since(c.accepted) < lastCalls {
		return
	}
	c.leaving.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !c.leaving.Swap(false) {
		return n, err
	}
	if !c.is(fasthttp.StateActive) && c.hangUp() {
		return n, io.EOF
	}
	// A request came, and has the time it needs.
	if err = c.Conn.SetReadDeadline(time.Now().Add(lastCalls)); err != nil {
		return n, err
	}
	return c.Conn.Read(b)
}

// hangUp tells the other side that nothing will be answered any more, unless there
// is something to answer. Nothing is done between the look and the word, so that a
// request has no time to come.
func (c *conn) hangUp() (done bool) {
	tcp, session := c.layers()
	if tcp == nil {
		return true
	}
	control(tcp, func(fd int) {
		_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if done = errors.Is(err, unix.EAGAIN); !done {
			return
		}
		if session != nil {
			_ = session.CloseWrite() // or the end would look like somebody else's doing
		}
		done = unix.Shutdown(fd, unix.SHUT_WR) == nil
	})
	return done
}

// layers are the connection's socket and what TLS there is over it, nil where there
// is none.
func (c *conn) layers() (tcp *net.TCPConn, session *tls.Conn) {
	below := c.Conn
	if session, _ = below.(*tls.Conn); session != nil {
		below = session.NetConn()
	}
	tcp, _ = below.(*net.TCPConn)
	return tcp, session
}

// handshaking reports whether the connection is one of TLS that has not come so far
// as to carry anything.
func handshaking(c net.Conn) bool {
	accepted, ok := c.(*conn)
	if !ok {
		return false
	}
	_, session := accepted.layers()
	return session != nil && !session.ConnectionState().HandshakeComplete
}

func lingerOnClose(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.linger.Store(true)
	}
}

func (c *conn) Close() error {
	defer c.open.Delete(c)
	if tcp, session := c.layers(); tcp != nil && c.linger.Load() {
		if session != nil {
			_ = session.CloseWrite()
		}
		const most, longest = 1 << 20, time.Second
		if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(longest)) == nil {
			_, _ = io.CopyN(io.Discard, tcp, most) // whatever comes is refused already
		}
	}
	return c.Conn.Close()
}
