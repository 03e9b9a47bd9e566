package velocity

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"net"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"fraudcheck/internal/pipeline"
)

// ConnsPerServer is how many connections a Memcached has to each server: all
// operations on it share them.
const ConnsPerServer = 2

// dialTimeout bounds resolving a name and connecting. No check waits for it: one that
// comes meanwhile is answered when its own time is over.
const dialTimeout = 3 * time.Second

// A server is one memcached with connections of its own, so that the trouble of
// one is not the trouble of another.
type server struct {
	name    string // as configured: host:port or /unix/socket
	weight  uint64 // of the name, see pick
	timeout time.Duration
	pipe    *pipeline.Pipe
	slots   chan struct{} // one for each operation that may be under way
	lanes   sync.Pool     // *lane
	breaker
	backlog backlog

	doubt   chan struct{} // wakes the watch: the canary was not found
	tried   chan struct{} // closed when the watch has found it usable, or failing
	trying  sync.Once
	mu      sync.Mutex
	trouble Trouble // that Changed was told of
}

// usable reports whether the server is asked: it answers, and its memory is trusted.
func (s *server) usable() bool { return !s.open.Load() && s.pipe.Trusted() }

// A lane is what one operation at a time needs: a client with one connection of
// its own, and memory.
type lane struct {
	client   *memcache.Client
	conn     *pipeline.Conn
	deadline time.Time // of what is under way
	telling  bool      // a server that is not used yet: see exchange

	shared, local Record
	sealed        []byte
	item          memcache.Item
}

func newServer(name, canary string, maxConns int, timeout time.Duration) *server {
	h := fnv.New64a()
	h.Write([]byte(name))
	s := &server{
		name: name, weight: mix(h.Sum64()), timeout: timeout,
		pipe: pipeline.New(name, ConnsPerServer, dialTimeout), slots: make(chan struct{}, maxConns),
		doubt: make(chan struct{}, 1), tried: make(chan struct{}),
	}
	s.pipe.Guard(canary, s.look)
	s.lanes.New = func() any { return s.newLane() }
	return s
}

// look has the watch look at the server at once.
func (s *server) look() {
	select {
	case s.doubt <- struct{}{}:
	default: // it was told already
	}
}

func (s *server) newLane() *lane {
	l := new(lane)
	l.client = memcache.NewFromSelector(s)
	l.client.Timeout = s.timeout
	l.client.MaxIdleConns = 1
	l.client.DialContext = func(context.Context, string, string) (net.Conn, error) {
		l.conn = s.pipe.Conn()
		l.conn.Until(l.deadline)
		return l.conn, nil
	}
	return l
}

// until bounds the lane's operations from now on.
func (l *lane) until(deadline time.Time) {
	l.deadline = deadline
	if l.conn != nil {
		l.conn.Until(deadline)
	}
}

// enter waits for a lane until the deadline; it returns nil when none was free.
func (s *server) enter(deadline time.Time) *lane {
	select {
	case s.slots <- struct{}{}:
	default:
		alarm := setAlarm(deadline)
		defer endAlarm(alarm)
		select {
		case s.slots <- struct{}{}:
		case <-alarm.C:
			return nil
		}
	}
	l := s.lanes.Get().(*lane)
	l.until(deadline)
	return l
}

// leave gives the lane back, nil for one that is of no more use.
func (s *server) leave(l *lane) {
	if l != nil {
		s.lanes.Put(l)
	}
	<-s.slots
}

// A server is the one address that its clients know. Network and String implement
// net.Addr, PickServer and Each memcache.ServerSelector.
func (s *server) Network() string { return "pipeline" }
func (s *server) String() string  { return s.name }

func (s *server) PickServer(string) (net.Addr, error)   { return s, nil }
func (s *server) Each(visit func(net.Addr) error) error { return visit(s) }

// pick chooses by rendezvous hashing on the configured names: the order of the
// list does not matter, and losing one of three servers moves only its own third.
func pick(servers []*server, key Key) *server {
	of := binary.LittleEndian.Uint64(key[:])
	best := servers[0]
	for _, s := range servers[1:] {
		if a, b := mix(s.weight^of), mix(best.weight^of); a > b || a == b && s.name < best.name {
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
