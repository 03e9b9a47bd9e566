package memcached

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A prober asks a server for its canary, ten times a second, and writes it: through
// gomemcache, on a conn. It has no slot, so a probe does not wait for requests, nor they
// for it, and takes replies of any memory.
type prober struct {
	server *Server
	client *memcache.Client
	conn   *conn
	until  time.Time // bounds the probe under way
}

func newProber(s *Server) *prober {
	p := &prober{server: s}
	p.client = memcache.NewFromSelector((*onlyServer)(s))
	p.client.Timeout = time.Hour // until is earlier
	p.client.MaxIdleConns = 1
	p.client.DialContext = func(context.Context, string, string) (net.Conn, error) {
		p.conn = s.pipe.conn()
		p.conn.until(p.until)
		return p.conn, nil
	}
	return p
}

// read returns the canary.
func (p *prober) read() (item *memcache.Item, result Result) {
	result = p.do(func() (err error) {
		item, err = p.client.Get(p.server.client.Canary)
		return err
	})
	if result != OK {
		item = &memcache.Item{Key: p.server.client.Canary}
	}
	return item, result
}

// add writes the canary where there is none.
func (p *prober) add(item *memcache.Item) Result {
	return p.do(func() error { return p.client.Add(item) })
}

// replace writes the canary if it is still the one that was read.
func (p *prober) replace(item *memcache.Item) Result {
	return p.do(func() error { return p.client.CompareAndSwap(item) })
}

// do runs one operation, again when its connection broke.
func (p *prober) do(run func() error) Result {
	p.until = time.Now().Add(p.server.client.Budget)
	if p.conn != nil {
		p.conn.until(p.until)
	}
	op := beginOperation(opProbe, p.until)
	err := run()
	if isBroken(err) {
		err = run() // on a new connection: the one it was on is gone
	}
	switch {
	case err == nil:
		op.result = OK
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
		op.result = Miss
	case errors.Is(err, memcache.ErrCASConflict):
		op.result = Conflict
	default:
		op.err = err
		if p.conn != nil && p.conn.answered { // gomemcache has closed it all the same
			op.refused = p.conn.call.reply.refused()
		}
	}
	return p.server.end(&op)
}

// onlyServer is the one server that a prober's client knows. Network and String implement
// net.Addr, PickServer and Each memcache.ServerSelector.
type onlyServer Server

// Network implements net.Addr.
func (s *onlyServer) Network() string { return "pipe" }
func (s *onlyServer) String() string  { return s.name }

// PickServer implements memcache.ServerSelector.
func (s *onlyServer) PickServer(string) (net.Addr, error) { return s, nil }

// Each implements memcache.ServerSelector.
func (s *onlyServer) Each(visit func(net.Addr) error) error { return visit(s) }
