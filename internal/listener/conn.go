package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A State is what a connection is doing.
type State int32

// The states, in the order in which a connection takes them.
const (
	StateNew    State = iota // nothing was read yet
	StateActive              // a request is being read or answered
	StateIdle                // between two requests
)

// A Conn is a connection that can be closed without losing a request.
type Conn struct {
	net.Conn
	of       *Listener
	accepted time.Time
	state    atomic.Int32 // a State, changed by the goroutine that reads
	leaving  atomic.Bool  // to be closed where no request arrives
	released atomic.Bool  // to be closed to make room
	linger   atomic.Bool
	found    int64 // unusedSince, when it became a candidate; Accept's alone

	// See Sweep.
	tick    *atomic.Int64 // the rounds so far
	since   atomic.Int64  // the round of the last change of state
	writing atomic.Int64  // the round after which a part of an answer began to leave; 0: none
	late    atomic.Bool   // reading was ended for taking too long
}

// SetState notes what the connection is doing from now on; for the goroutine that
// reads.
func (c *Conn) SetState(state State) {
	c.since.Store(c.tick.Load())
	c.state.Store(int32(state))
	if state == StateIdle && c.late.Swap(false) { // the request was read, only its answer was late
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

func (c *Conn) is(state State) bool { return State(c.state.Load()) == state }

// leave closes the connection if it has no request and, where it never had one, there
// was time for one. The goroutine that reads sees to it, as it alone knows what was
// read.
func (c *Conn) leave() {
	if c.is(StateActive) || c.is(StateNew) && time.Since(c.accepted) < LastRequests {
		return
	}
	c.leaving.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
}

// Read implements net.Conn. A connection that is to be closed ends here, unless a
// request has begun to arrive.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !c.leaving.Swap(false) {
		return n, err
	}
	if !c.is(StateActive) && c.hangUp() {
		return n, io.EOF
	}
	// A request arrives, and gets the time it needs.
	c.released.Store(false)
	if err = c.Conn.SetReadDeadline(time.Now().Add(LastRequests)); err != nil {
		return n, err
	}
	return c.Conn.Read(b)
}

// hangUp tells the other side that nothing more will be answered, unless there is
// something to answer. The look and the shutdown are one step on the socket, so that
// no request can arrive in between.
func (c *Conn) hangUp() (done bool) {
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
			_ = session.CloseWrite() // without it the end would look like an attack (truncation)
		}
		done = unix.Shutdown(fd, unix.SHUT_WR) == nil
	})
	return done
}

// layers are the connection's socket and the TLS over it, nil where there is none.
func (c *Conn) layers() (tcp *net.TCPConn, session *tls.Conn) {
	below := c.Conn
	if session, _ = below.(*tls.Conn); session != nil {
		below = session.NetConn()
	}
	tcp, _ = below.(*net.TCPConn)
	return tcp, session
}

// Handshaking reports whether the connection is of TLS and its handshake is not
// complete: no answer could be read yet.
func (c *Conn) Handshaking() bool {
	_, session := c.layers()
	return session != nil && !session.ConnectionState().HandshakeComplete
}

// LingerOnClose makes Close read on for up to a second: a caller that is still sending
// a refused body would otherwise get a reset in place of the answer.
func (c *Conn) LingerOnClose() { c.linger.Store(true) }

// Close implements net.Conn.
func (c *Conn) Close() error {
	if _, was := c.of.open.LoadAndDelete(c); was {
		defer c.of.number.Add(-1)
	}
	if tcp, session := c.layers(); tcp != nil && c.linger.Load() {
		if session != nil {
			_ = session.CloseWrite()
		}
		const most, longest = 1 << 20, time.Second
		if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(longest)) == nil {
			_, _ = io.CopyN(io.Discard, tcp, most) // it is refused already
		}
	}
	return c.Conn.Close()
}

// CloseUnused closes every connection as soon as it has no request, and waits for
// that, at most until ctx ends.
func (l *Listener) CloseUnused(ctx context.Context) {
	tick := time.NewTicker(QuietPeriod / 10)
	defer tick.Stop()
	for {
		left := false
		l.open.Range(func(c, _ any) bool {
			left = true
			c.(*Conn).leave()
			return true
		})
		if !left {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
