package memcached

import (
	"hash/fnv"
	"sync"
	"time"
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
	pool sync.Pool // *Slot

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
		pipe:  newPipe(name, ConnsPerServer, dialTimeout),
		doubt: make(chan struct{}, 1), tried: make(chan struct{}),
	}
	s.pipe.guard(c.Canary, s.look)
	s.pipe.panicked, s.pipe.patience = c.Panicked, c.Budget*9/10
	s.pool.New = func() any { return &Slot{server: s, call: newCall()} }
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
	call     *call
	deadline time.Time
	any      bool // replies of a memory that is not trusted will do
	telling  bool // see AcquireToTell
}

// Acquire returns a slot whose operations the deadline bounds. How many there are at once
// is for the caller to bound.
//
// With anyMemory the operations do not end as [Doubted]: for values that are worth the
// same whatever the server forgot.
func (s *Server) Acquire(deadline time.Time, anyMemory bool) *Slot {
	x := s.pool.Get().(*Slot)
	x.any, x.deadline, x.telling = anyMemory, deadline, false
	return x
}

// AcquireToTell returns a slot for telling the server what it has to know before it is
// believed, which no caller waits for. The server has the whole budget for each
// operation, and while it is this process that is late the operation waits on, until the
// limit. They do not end as [Doubted].
func (s *Server) AcquireToTell(limit time.Time) *Slot {
	x := s.Acquire(limit, true)
	x.telling = true
	return x
}

// Release gives the slot back. broken says that an operation panicked, which leaves
// the slot in an unknown state.
func (x *Slot) Release(broken bool) {
	if !broken {
		x.server.pool.Put(x)
	}
}

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
