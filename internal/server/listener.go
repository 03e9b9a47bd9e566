package server

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listener keeps accepting where fasthttp would give up for good: out of file
// descriptors, or a caller gone before it was accepted.
type listener struct {
	net.Listener
	open *sync.Map // of *conn, see Server
	tick *atomic.Int64
	full func() bool
	tls  *tls.Config // nil: none

	closing sync.Once
	closed  error
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
			accepted := &conn{Conn: c, accepted: time.Now(), open: l.open, tick: l.tick}
			accepted.since.Store(l.tick.Load())
			l.open.Store(accepted, nil)
			return accepted, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		time.Sleep(pause)
	}
}

// Close refuses who comes from now on and takes in who is on the way in: to those the
// kernel has said that they are connected, and it would reset them. It takes calm
// at most.
func (l *listener) Close() error {
	l.closing.Do(func() {
		if tcp, ok := l.Listener.(*net.TCPListener); ok {
			if refuse(tcp) {
				time.Sleep(calm) // longer than it takes to come in
			} else {
				awaitNobody(tcp)
			}
		}
		l.closed = l.Listener.Close()
	})
	return l.closed
}

// awaitNobody waits for a moment in which nobody is waiting to be accepted.
func awaitNobody(ln *net.TCPListener) {
	for end := time.Now().Add(calm); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		waiting := false
		control(ln, func(fd int) {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			waiting = n > 0
		})
		if !waiting {
			return
		}
	}
}

// control lets f work on the socket itself.
func control(socket syscall.Conn, f func(fd int)) {
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
