// Package pipeline carries the commands of many goroutines to a memcached over few
// connections. System calls are the whole cost of a command, on both sides: those
// that come together are sent together, and answered together.
//
// To gomemcache a [Conn] is a connection of its own. Below it, a link is a real one.
//
// # Rules
//
//   - A Conn has one command under way at most, and takes one reply to it.
//   - A link answers in the order in which it was asked. Its reader takes each reply
//     apart before anybody sees it: one line of those the command can have, or for a
//     get one value under the very key that was asked for, no longer than an item
//     can be, and END. Anything else closes the link, and so does a reply that comes
//     before its command was sent.
//   - A command that was sent and is not answered by its deadline closes the link,
//     so that its late reply cannot be taken for another's.
//   - A link that was closed is never used again, and nothing of it is: whoever waits
//     on it is told, one of them that it broke, the others [ErrAbandoned].
//   - Whoever gives up before the command was sent leaves the link alone, and is told
//     [ErrUnsent]: the server did nothing wrong, unless it was not connected yet, which
//     has a deadline of its own. The reply, should it come, is dropped.
//   - The goroutines that ask never touch the network: they wait for their reply or
//     for their deadline.
//
// # Memory
//
// A server may lose its memory at any moment, and what it says then is not what all
// instances know. An item, the canary, tells one memory from another: while the pipe
// trusts a value of it ([Pipe.Trust]), every batch that reads or adds is followed, in
// the same system call, by a read of the canary. A server carries out the commands of a
// connection in order, so a canary that is still there says that the replies before it
// are of the trusted memory. They are held back until it has come; without it they are
// [Conn.Doubtful], and the pipe trusts the server no more.
//
// A cas needs no such proof: it succeeds only if the item is still the one that was
// read. An id may come again after a restart, so the first commands of a connection are
// followed by the canary whatever they are.
package pipeline

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

var (
	// ErrReply: a server said what no memcached says.
	ErrReply = errors.New("not a reply of memcached")
	// ErrAbandoned: the link was closed for another's sake. The command may have
	// been carried out.
	ErrAbandoned = errors.New("the connection was closed for another command's sake")
	// ErrUnsent: the deadline came before the command was sent.
	ErrUnsent = errors.New("not sent by the deadline")

	errCommand = errors.New("not one command, and then its reply")
)

// A Pipe leads to one memcached. It may be used from many goroutines at once.
type Pipe struct {
	address string
	timeout time.Duration
	links   []atomic.Pointer[link] // nil: none yet, or none any more
	turn    atomic.Uint32
	canary  command                // reads it
	trusted atomic.Pointer[string] // the canary's value; nil: no memory is trusted
	lost    func()
}

// New makes a pipe of so many connections to address, host:port or the path of a
// unix socket, which is resolved anew for each. It connects when it is first used;
// timeout bounds that.
func New(address string, connections int, timeout time.Duration) *Pipe {
	return &Pipe{address: address, timeout: timeout, links: make([]atomic.Pointer[link], connections)}
}

// Guard names the canary's key. lost is called, and must not block, when the trusted
// canary was not found. Guard must be called before the first command.
func (p *Pipe) Guard(key string, lost func()) {
	if _, err := p.canary.add([]byte("gets " + key + "\r\n")); err != nil {
		panic("pipeline: " + err.Error()) // a key of a fixed form
	}
	p.lost = lost
}

// Trust has replies believed while the canary has this value.
func (p *Pipe) Trust(value string) { p.trusted.Store(&value) }

// Distrust has no reply believed until Trust is called. It reports whether the server
// was trusted.
func (p *Pipe) Distrust() bool { return p.trusted.Swap(nil) != nil }

// Trusted reports whether the server's memory is trusted.
func (p *Pipe) Trusted() bool { return p.trusted.Load() != nil }

// Close closes the connections; a later command makes new ones.
func (p *Pipe) Close() {
	for i := range p.links {
		if l := p.links[i].Load(); l != nil {
			l.end(net.ErrClosed)
		}
	}
}

// send hands c's command to a link.
func (p *Pipe) send(c *Conn) {
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

func (p *Pipe) network() string {
	if strings.HasPrefix(p.address, "/") {
		return "unix"
	}
	return "tcp"
}
