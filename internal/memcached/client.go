package memcached

import (
	"errors"
	"sync"
	"time"
)

// Settings are what a Client works with.
type Settings struct {
	Servers []string      // host:port or /unix/socket, at least one
	Budget  time.Duration // longest that a request may wait; an operation given less than half of it blames no server
	Canary  string        // key of the item that names a server's memory

	// Observe is told of every operation: its name, one of [Ops], how it ended, one of
	// [Results], and how long it took. It may be nil, as may those below.
	Observe func(server, op string, result Result, took time.Duration)
	// Changed is told when a server is not used any more, and why; and, with NoTrouble,
	// when it is used again.
	Changed func(server string, trouble Trouble)
	// Moved is told when the name of a server came to stand for another address, IP:port,
	// and the connections moved there.
	Moved func(server, from, to string)
	// Refused is told what a server said that refused a command. It is text of any
	// length and form, without secrets.
	Refused func(server, said string)
	// Panicked is told of a panic that was caught: what was being done ended as if the
	// server had not answered.
	Panicked func(fault any)
}

// A Client asks memcached servers. It may be used from many goroutines at once.
type Client struct {
	Settings
	servers []*Server
	stop    chan struct{}
	watches sync.WaitGroup
	closing sync.Once
}

// New makes a client; it connects when it is first used.
func New(settings Settings) (*Client, error) {
	if len(settings.Servers) == 0 {
		return nil, errors.New("expected at least one server")
	}
	c := &Client{Settings: settings, stop: make(chan struct{})}
	if c.Observe == nil {
		c.Observe = func(string, string, Result, time.Duration) {}
	}
	if c.Changed == nil {
		c.Changed = func(string, Trouble) {}
	}
	if c.Moved == nil {
		c.Moved = func(string, string, string) {}
	}
	if c.Refused == nil {
		c.Refused = func(string, string) {}
	}
	if c.Panicked == nil {
		c.Panicked = func(any) {}
	}
	for i, name := range settings.Servers {
		c.servers = append(c.servers, newServer(c, name, i))
	}
	return c, nil
}

// ServerOf is the server for items with that hash: see [HashOf].
func (c *Client) ServerOf(hash uint64) *Server { return pick(c.servers, hash) }

// EachServer calls f with every server, in the order of Settings.Servers.
func (c *Client) EachServer(f func(*Server)) {
	for _, s := range c.servers {
		f(s)
	}
}

// Watch watches every server, and follows its name, until Close: without it no memory is
// trusted, and a server that was given up is never used again. It must be called once.
//
// tell is called when a server answers but is not believed yet. It is to write what the
// server has to know, and reports whether it wrote it all. With all that is everything
// that matters, since the server's memory is new; otherwise what came up since and could
// not be written. It is called ten times a second, for each server by a goroutine of its
// own, and ends early when stop is closed.
func (c *Client) Watch(tell func(s *Server, all bool, stop <-chan struct{}) (whole bool)) {
	for _, s := range c.servers {
		w := &watcher{Server: s, prober: newProber(s), tell: tell}
		c.watches.Go(w.run)
		if s.pipe.isNamed() {
			c.watches.Go(s.follow)
		}
	}
}

// Await returns when each server is trusted or was found failing, at the latest after d.
func (c *Client) Await(d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	for _, s := range c.servers {
		select {
		case <-s.tried:
		case <-late.C:
			return
		}
	}
}

// Close stops watching the servers and closes the connections. It may be called more
// than once.
func (c *Client) Close() error {
	c.closing.Do(func() { close(c.stop) })
	c.watches.Wait()
	for _, s := range c.servers {
		s.pipe.close()
	}
	return nil
}
