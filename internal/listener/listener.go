// Package listener accepts connections for a server, and closes them without losing a
// request. Both ports use it; it does not know which library reads HTTP.
//
// # Rules
//
//   - It accepts again after every error but that of its own Close.
//   - It bounds how many connections are open. At the bound the one that has been unused
//     longest is closed for the next.
//   - One sweeper ends what takes too long, instead of a deadline per operation.
//   - For a stop it closes only connections that no request uses.
//
// # States
//
// The server above tells each [Conn] its state: new, active from the first byte of a
// request to the last of its answer, idle until the next. From that the listener knows
// which connections it may close. A request may arrive at the very moment of closing:
// only the goroutine that reads the connection knows, so the listener wakes it with a
// read deadline in the past, and [Conn.Read] decides.
package listener

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fraudcheck/internal/socket"
)

// QuietPeriod without a request means, during a stop, that none is on its way.
const QuietPeriod = 100 * time.Millisecond

// LastRequests is how long requests that were sent before the socket closed may take
// to arrive.
const LastRequests = 500 * time.Millisecond

// MaxClosing is how many connections may be open beyond Settings.Max: those that are being
// closed to make room, each by the goroutine that reads it.
const MaxClosing = 16

// Settings of a Listener.
type Settings struct {
	// Max connections are open at once; 0 for any number. At Max the one that has
	// been silent or idle longest makes room for the next; when every one is busy
	// with a request, the next is closed at once.
	Max int
	TLS *tls.Config // nil: none

	// Read bounds the time for a whole request to arrive, Write for a part of its
	// answer to leave, Idle between two requests. See Sweep.
	Read, Write, Idle time.Duration

	// Failed, if set, is told of every accept that failed.
	Failed func(error)
	// TLSFailed, if set, is told of every handshake that failed, by the goroutine that
	// reads the connection.
	TLSFailed func(TLSFailure)
	// MadeRoom, if set, is told of every connection that was closed, or not taken,
	// because there were Max.
	MadeRoom func()
}

// A Listener is a net.Listener whose Accept fails only once it is closed.
type Listener struct {
	net.Listener
	settings Settings

	open       sync.Map      // of *Conn
	number     atomic.Int64  // of open connections
	gone       chan struct{} // one of them was closed; holds one signal
	tick       *atomic.Int64 // the sweeper's rounds; apart from what every request changes
	candidates []*Conn       // to make room, the one unused longest first; Accept's alone

	closing sync.Once
	closed  chan struct{}
	err     error // of the socket's Close, for the second call

	// Of a unix socket that is being closed.
	refusing atomic.Bool   // new connections are refused
	empty    chan struct{} // closed when the backlog is empty
	emptied  sync.Once
}

// New makes a listener on the socket. Accept is for one goroutine; Sweep is to be started
// for the limits of time.
func New(socket net.Listener, settings Settings) *Listener {
	return &Listener{
		Listener: socket, settings: settings, tick: new(atomic.Int64),
		gone: make(chan struct{}, 1), closed: make(chan struct{}), empty: make(chan struct{}),
	}
}

// Accept waits for the next connection. After an error it pauses, from 5 ms doubling
// to a second, and tries again: being out of file descriptors or buffers passes, and
// a caller that is gone is no reason to stop. Only net.ErrClosed is returned.
func (l *Listener) Accept() (net.Conn, error) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	for pause := shortest; ; {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = shortest
			if l.hasRoom() {
				return l.register(c), nil
			}
			_ = c.Close()
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case errors.Is(err, syscall.EINVAL) && l.refusing.Load(): // see UnixSocket.refuse
			l.emptied.Do(func() { close(l.empty) })
			<-l.closed
			return nil, net.ErrClosed
		default:
			if l.settings.Failed != nil {
				l.settings.Failed(err)
			}
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				l.makeRoom()
			}
			select {
			case <-l.closed:
			case <-time.After(pause):
			}
			pause = min(2*pause, longest)
		}
	}
}

// register makes the connection one of the listener's. Of TLS, the handshake is the first
// Read's work: Accept does not wait for it.
func (l *Listener) register(c net.Conn) *Conn {
	peer := peerOf(c)
	c = socket.New(c)
	if l.settings.TLS != nil {
		c = tls.Server(c, l.settings.TLS) // the first Read shakes hands: Accept does not wait for it
	}
	taken := &Conn{Conn: c, Peer: peer, listener: l, accepted: time.Now(), tick: l.tick}
	taken.since.Store(l.tick.Load())
	l.open.Store(taken, nil)
	l.number.Add(1)
	return taken
}

// peerOf returns the address of the connection's other end; not valid on a unix socket.
func peerOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}

// makeRoom closes the connection that has been silent or idle longest, and reports
// whether there was one.
func (l *Listener) makeRoom() bool {
	for range 2 { // what was found earlier, then what there is now
		for len(l.candidates) > 0 {
			c := l.candidates[0]
			l.candidates = l.candidates[1:]
			_, open := l.open.Load(c) // its peer may have closed it since
			if open && c.unusedSince() == c.chosenAt && c.closeForRoom() {
				return true
			}
		}
		l.findCandidates()
	}
	return false
}

// Close refuses new connections but accepts those already in the backlog: the kernel
// has told them that they are connected, and closing the socket would reset them. It
// takes QuietPeriod, and longer only while the backlog is not empty: at most a second.
// The file of a unix socket is removed first.
func (l *Listener) Close() error {
	l.closing.Do(func() {
		switch socket := l.Listener.(type) {
		case *net.TCPListener:
			if refuse(socket) {
				time.Sleep(QuietPeriod) // for handshakes that have begun
				awaitEmptyBacklog(socket, time.Second)
			} else {
				awaitEmptyBacklog(socket, QuietPeriod) // others keep coming
			}
		case *UnixSocket:
			l.refusing.Store(true)
			if socket.refuse() {
				select { // a connection is made at once, so none has only begun
				case <-l.empty:
				case <-time.After(time.Second):
				}
			}
		}
		close(l.closed)
		l.err = l.Listener.Close()
	})
	return l.err
}

// awaitEmptyBacklog waits, at most that long, for a moment in which no connection waits
// to be accepted. It asks the kernel, since Accept in another goroutine takes them out.
func awaitEmptyBacklog(socket *net.TCPListener, longest time.Duration) {
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		waiting := false
		control(socket, func(fd int) {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			waiting = n > 0
		})
		if !waiting {
			return
		}
	}
}

// control lets f work on the socket's descriptor.
func control(socket syscall.Conn, f func(fd int)) {
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
