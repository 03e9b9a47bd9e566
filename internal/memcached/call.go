package memcached

import (
	"bytes"
	"time"
)

// A call is one command and the reply to it. One goroutine uses it at a time. Once it has
// failed it is not used again, since a link may still know of it: see renew.
type call struct {
	command  command
	reply    reply
	deadline time.Time // of the reply
	// last, where it is later, is the deadline as long as this process is late and not
	// the server.
	last time.Time

	// Written under the link's lock.
	over     bool  // answered, or given up
	held     bool  // its reply waits for the canary's
	doubtful bool  // the reply may come from a memory that is not trusted
	err      error // in place of a reply
	done     chan struct{}
}

func newCall() *call { return &call{done: make(chan struct{}, 1)} }

// renew returns a call with the same command that no link knows of.
func (c *call) renew() *call {
	fresh := newCall()
	fresh.command = command{verb: c.command.verb, key: bytes.Clone(c.command.key), bytes: bytes.Clone(c.command.bytes)}
	return fresh
}

// wait waits until the call is over.
func (c *call) wait() error {
	<-c.done
	return c.err
}

// end ends the call, with its reply or err in its place, unless it is over. The link is
// locked.
func (c *call) end(err error) {
	if !c.over {
		c.over, c.err = true, err
		c.done <- struct{}{}
	}
}
