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
}

// New makes a pipe of so many connections to address, host:port or the path of a
// unix socket, which is resolved anew for each. It connects when it is first used;
// timeout bounds that.
func New(address string, connections int, timeout time.Duration) *Pipe {
	return &Pipe{address: address, timeout: timeout, links: make([]atomic.Pointer[link], connections)}
}

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
			l = newLink()
			if !at.CompareAndSwap(nil, l) {
				continue
			}
			go l.run(p.network(), p.address, p.timeout)
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
