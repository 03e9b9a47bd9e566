package memcached

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

var (
	// errReply says that a server said what no memcached says.
	errReply = errors.New("not a reply of memcached")
	// errAbandoned says that the link was closed for another command's sake. The
	// command may have been carried out.
	errAbandoned = errors.New("the connection was closed for another command's sake")
	// errUnsent says that the deadline came before the command was sent.
	errUnsent = errors.New("not sent by the deadline")

	// errLate says that the deadline came and this process is late, not the server: see
	// link.isLate.
	errLate = errors.New("sent or read too late")
	// errTogether says that the deadline came with that of another command of the link,
	// which tells of the failure.
	errTogether = errors.New("not answered in time, and another command neither")

	errCommand = errors.New("not one command, and then its reply")
)

// A pipe leads to one memcached. It may be used from many goroutines at once.
type pipe struct {
	address string
	lookup  func(ctx context.Context, host string) (addresses []string, err error)
	inUse   atomic.Pointer[string] // IP:port of the last connection to a name; nil: none yet
	dial    func() (net.Conn, error)
	links   []atomic.Pointer[link] // nil: none yet, or none any more
	turn    atomic.Uint32
	canary  command                // reads it
	trusted atomic.Pointer[string] // the canary's value; nil: no memory is trusted
	lost    func()
	// patience is how long the server has for a reply at least, before it is late: nearly
	// the whole budget. A command that was sent later, since its request had to wait, says
	// nothing about a server that shares a busy machine.
	patience time.Duration
	// panicked is called with the value of a panic in a goroutine of a link.
	panicked func(fault any)
}

// newPipe makes a pipe to address, host:port or the path of a unix socket. A name is
// resolved for each connection, and again by follow. The pipe connects when it is first
// used; timeout bounds that.
func newPipe(address string, connections int, timeout time.Duration) *pipe {
	p := &pipe{address: address, links: make([]atomic.Pointer[link], connections), panicked: func(any) {}}
	p.lookup = net.DefaultResolver.LookupHost
	p.dial = func() (net.Conn, error) { return p.connect(timeout) }
	return p
}

// guard names the canary's key. lost is called, and must not block, when the trusted
// canary was not found. guard must be called before the first command.
func (p *pipe) guard(key string, lost func()) {
	if err := p.canary.get([]byte(key)); err != nil {
		panic("memcached: " + err.Error()) // a key of a fixed form
	}
	p.lost = lost
}

// trust has replies believed while the canary has this value.
func (p *pipe) trust(value string) { p.trusted.Store(&value) }

// distrust has no reply believed until trust is called. It reports whether the server
// was trusted.
func (p *pipe) distrust() bool { return p.trusted.Swap(nil) != nil }

// isTrusted reports whether the server's memory is trusted.
func (p *pipe) isTrusted() bool { return p.trusted.Load() != nil }

// close closes the connections; a later command makes new ones.
func (p *pipe) close() {
	for i := range p.links {
		if l := p.links[i].Load(); l != nil {
			l.end(net.ErrClosed)
		}
	}
}

// send hands c to a link.
func (p *pipe) send(c *call) {
	at := &p.links[int(p.turn.Add(1))%len(p.links)]
	for {
		l := at.Load()
		if l == nil {
			l = newLink(p)
			if !at.CompareAndSwap(nil, l) {
				continue
			}
			go l.run()
		}
		if l.take(c) {
			return
		}
		at.CompareAndSwap(l, nil)
	}
}
