package memcached

import (
	"context"
	"hash/fnv"
	"net"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

const (
	// ConnsPerServer is how many connections a client has to each server: all operations
	// on it share them.
	ConnsPerServer = 2

	// dialTimeout bounds resolving a name and connecting. No operation waits for it: one
	// that comes meanwhile ends with its own deadline.
	dialTimeout = 3 * time.Second
)

// A Server is one memcached. It has connections and a breaker of its own, so that the
// trouble of one is not the trouble of another.
type Server struct {
	client *Client
	name   string // as configured: host:port or /unix/socket
	index  int
	weight uint64 // of the name, see pick
	pipe   *pipe
	breaker
	slots chan struct{} // one for each operation that may be under way
	pool  sync.Pool     // *Slot

	doubt     chan struct{} // wakes the watch: the trusted canary was not found
	tried     chan struct{} // closed when the watch has found the server trusted or failing
	closeOnce sync.Once     // of tried
	troubleMu sync.Mutex
	trouble   Trouble // that Changed was told of
}

func newServer(c *Client, name string, index int) *Server {
	h := fnv.New64a()
	h.Write([]byte(name))
	s := &Server{
		client: c, name: name, index: index, weight: mix(h.Sum64()),
		pipe: newPipe(name, ConnsPerServer, dialTimeout), slots: make(chan struct{}, c.MaxConns),
		doubt: make(chan struct{}, 1), tried: make(chan struct{}),
	}
	s.pipe.guard(c.Canary, s.look)
	s.pipe.panicked = c.Panicked
	s.pool.New = func() any { return s.newSlot() }
	return s
}

// Index is the server's place in Settings.Servers.
func (s *Server) Index() int { return s.index }

// Answers reports whether the server is worth asking: its breaker is closed.
func (s *Server) Answers() bool { return !s.open.Load() }

// Trusted reports whether the server answers and its memory is trusted.
func (s *Server) Trusted() bool { return !s.open.Load() && s.pipe.isTrusted() }

// look has the watch look at the server at once.
func (s *Server) look() {
	select {
	case s.doubt <- struct{}{}:
	default: // it was told already
	}
}

// A Slot lets one goroutine do one operation at a time on a server, until a deadline.
type Slot struct {
	server   *Server
	client   *memcache.Client // with one connection of its own
	conn     *conn
	deadline time.Time
	any      bool // replies of a memory that is not trusted will do
	item     memcache.Item
}

func (s *Server) newSlot() *Slot {
	x := &Slot{server: s}
	x.client = memcache.NewFromSelector((*onlyServer)(s))
	x.client.Timeout = longestWait
	x.client.MaxIdleConns = 1
	x.client.DialContext = func(context.Context, string, string) (net.Conn, error) {
		x.conn = s.pipe.conn()
		x.conn.until(x.deadline)
		return x.conn, nil
	}
	return x
}

// longestWait is for the library: a slot's deadline is earlier.
const longestWait = time.Hour

// Acquire waits for a slot until the deadline, which bounds the slot's operations too.
// It returns nil when none was free.
//
// With anyMemory the operations do not end as [Doubted]: for values that are worth the
// same whatever the server forgot, and for telling it what it has to know.
func (s *Server) Acquire(deadline time.Time, anyMemory bool) *Slot {
	select {
	case s.slots <- struct{}{}:
	default:
		t := SetTimer(deadline)
		defer EndTimer(t)
		select {
		case s.slots <- struct{}{}:
		case <-t.C:
			return nil
		}
	}
	x := s.pool.Get().(*Slot)
	x.any = anyMemory
	x.until(deadline)
	return x
}

// Release gives the slot back. broken says that an operation panicked, which leaves
// the slot in an unknown state.
func (x *Slot) Release(broken bool) {
	if !broken {
		x.server.pool.Put(x)
	}
	<-x.server.slots
}

// until bounds the operations from now on.
func (x *Slot) until(deadline time.Time) {
	x.deadline = deadline
	if x.conn != nil {
		x.conn.until(deadline)
	}
}

// onlyServer is the one server that a slot's client knows. Network and String implement
// net.Addr, PickServer and Each memcache.ServerSelector.
type onlyServer Server

// Network implements net.Addr.
func (s *onlyServer) Network() string { return "pipe" }
func (s *onlyServer) String() string  { return s.name }

// PickServer implements memcache.ServerSelector.
func (s *onlyServer) PickServer(string) (net.Addr, error) { return s, nil }

// Each implements memcache.ServerSelector.
func (s *onlyServer) Each(visit func(net.Addr) error) error { return visit(s) }

// HashOf is the hash of an item's key by which its server is chosen, for keys that have
// no hash of their own.
func HashOf(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return mix(h.Sum64())
}

// pick chooses by rendezvous hashing on the configured names: the order of the list does
// not matter, and losing one of three servers moves only its own third.
func pick(servers []*Server, hash uint64) *Server {
	best := servers[0]
	for _, s := range servers[1:] {
		if a, b := mix(s.weight^hash), mix(best.weight^hash); a > b || a == b && s.name < best.name {
			best = s
		}
	}
	return best
}

// mix spreads every bit of x over all of the result (the finalizer of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
