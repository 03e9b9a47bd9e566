package velocity

import (
	"encoding/binary"
	"hash/fnv"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A server is one memcached with connections of its own, so that the trouble of
// one is not the trouble of another.
type server struct {
	name   string // as configured: host:port or /unix/socket
	weight uint64 // of the name, see pick
	client *memcache.Client
	slots  chan struct{} // one for each operation that may be under way
	breaker
}

// address makes gomemcache dial the configured name anew for every connection:
// its own server list would resolve it once, at start, or never.
type address string

func (a address) String() string { return string(a) }

func (a address) Network() string {
	if strings.HasPrefix(string(a), "/") {
		return "unix"
	}
	return "tcp"
}

// PickServer and Each implement memcache.ServerSelector for one server.
func (a address) PickServer(string) (net.Addr, error)   { return a, nil }
func (a address) Each(visit func(net.Addr) error) error { return visit(a) }

func newServer(name string, maxConns int, timeout time.Duration) *server {
	client := memcache.NewFromSelector(address(name))
	client.Timeout = timeout
	client.MaxIdleConns = maxConns
	client.DialContext = dialReplies
	h := fnv.New64a()
	h.Write([]byte(name))
	return &server{name: name, weight: mix(h.Sum64()), client: client, slots: make(chan struct{}, maxConns)}
}

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
