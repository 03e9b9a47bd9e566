package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
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

// A Conn is a connection that can be closed without losing a request. The goroutine that
// reads it owns Kept and the state; all other fields that change are atomic.
type Conn struct {
	net.Conn
	// Peer is the address of the other end; not valid on a unix socket.
	Peer netip.Addr
	// Kept is what the server above keeps of the connection between two requests.
	Kept any

	listener   *Listener // that accepted it
	accepted   time.Time
	state      atomic.Int32 // a State, changed by the goroutine that reads
	closing    atomic.Bool  // Read is to end where no request arrives
	makingRoom atomic.Bool  // it was chosen to make room; no candidate any more
	linger     atomic.Bool  // see LingerOnClose
	chosenAt   int64        // unusedSince, when it became a candidate; Accept's alone

	requestLine
	chunks chunks
	pause  pause

	// See Sweep.
	tick     *atomic.Int64 // the listener's count of rounds
	since    atomic.Int64  // the round of the last change of state
	writing  atomic.Int64  // the round after which a part of an answer began to leave; 0: none
	timedOut atomic.Bool   // the sweeper ended reading
}

// SetState notes what the connection is doing from now on. Only the goroutine that reads
// calls it.
func (c *Conn) SetState(state State) {
	c.since.Store(c.tick.Load())
	c.state.Store(int32(state))
	if state == StateIdle && c.timedOut.Swap(false) { // the request was read, only its answer was late
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

// is reports whether the connection is in that state.
func (c *Conn) is(state State) bool { return State(c.state.Load()) == state }

// closeIfUnused begins to close the connection if it has no request and, where it never
// had one, LastRequests has passed since it was accepted. The goroutine that reads
// completes it, as it alone knows what was read.
func (c *Conn) closeIfUnused() {
	if c.is(StateActive) || c.is(StateNew) && time.Since(c.accepted) < LastRequests {
		return
	}
	c.closing.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
}

// Read implements net.Conn. A connection that is to be closed ends here, unless a
// request has begun to arrive, and so does a body in chunks that is malformed.
func (c *Conn) Read(b []byte) (int, error) {
	c.pause.wait(&c.closing)
	if c.chunks.state == chunksBroken {
		return 0, errChunks
	}
	n, err := c.readOrEnd(b)
	c.note(b, n)
	if c.chunks.state == inChunks {
		c.chunks.look(b[:n])
	}
	return n, err
}

// readOrEnd is Read without the look at what was read.
func (c *Conn) readOrEnd(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.listener.settings.TLSFailed != nil {
		if f, failed := c.tlsFailure(err); failed {
			if f.Plain != nil {
				c.LingerOnClose() // there may be an answer
			}
			c.listener.settings.TLSFailed(f)
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || !c.closing.Swap(false) {
		return n, err
	}
	if !c.is(StateActive) && c.shutdownIfQuiet() {
		return n, io.EOF
	}
	// A request arrives, and gets the time it needs.
	c.makingRoom.Store(false)
	if err = c.Conn.SetReadDeadline(time.Now().Add(LastRequests)); err != nil {
		return n, err
	}
	return c.Conn.Read(b)
}

// shutdownIfQuiet tells the other side that nothing more will be answered, unless bytes
// wait to be read; it reports whether it did. The look and the shutdown are one step on
// the socket, so that no request can arrive in between. A connection that is no socket is
// given up without a look.
func (c *Conn) shutdownIfQuiet() (done bool) {
	socket, session := c.layers()
	if socket == nil {
		return true
	}
	control(socket, func(fd int) {
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

// A stream is a connection of TCP, or of a unix socket.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// layers returns the connection's socket and the TLS over it, nil where there is none.
func (c *Conn) layers() (below stream, session *tls.Conn) {
	conn := c.Conn
	if session, _ = conn.(*tls.Conn); session != nil {
		conn = session.NetConn()
	}
	below, _ = conn.(stream)
	return below, session
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

// Close implements net.Conn. With LingerOnClose it first reads and drops up to 1 MiB, for
// a second at most.
func (c *Conn) Close() error {
	if _, was := c.listener.open.LoadAndDelete(c); was {
		defer c.listener.forget()
	}
	if below, session := c.layers(); below != nil && c.linger.Load() {
		if session != nil {
			_ = session.CloseWrite()
		}
		const most, longest = 1 << 20, time.Second
		if below.CloseWrite() == nil && below.SetReadDeadline(time.Now().Add(longest)) == nil {
			_, _ = io.CopyN(io.Discard, below, most) // it is refused already
		}
	}
	return c.Conn.Close()
}

// LimitUnsent bounds, in bytes, about how much the system keeps of what was written and has
// not left yet: so a caller that does not read is soon noticed. By default it is megabytes.
func (c *Conn) LimitUnsent(bytes int) {
	if socket, _ := c.layers(); socket != nil {
		control(socket, func(fd int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes) })
	}
}

// forget notes that one connection less is open.
func (l *Listener) forget() {
	l.number.Add(-1)
	select {
	case l.gone <- struct{}{}:
	default:
	}
}

// CloseUnused closes every connection as soon as it has no request, and waits for that,
// at most until ctx ends. It looks ten times in a QuietPeriod.
func (l *Listener) CloseUnused(ctx context.Context) {
	tick := time.NewTicker(QuietPeriod / 10)
	defer tick.Stop()
	for {
		left := false
		l.open.Range(func(c, _ any) bool {
			left = true
			c.(*Conn).closeIfUnused()
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

// HasActive reports whether a request is being read or answered on any connection.
func (l *Listener) HasActive() (active bool) {
	l.open.Range(func(c, _ any) bool {
		active = c.(*Conn).is(StateActive)
		return !active
	})
	return active
}
