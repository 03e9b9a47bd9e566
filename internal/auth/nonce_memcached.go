package auth

import (
	"encoding/base64"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// NonceConns is how many connections a NonceMemcached has to each server, at most.
const NonceConns = 16

const (
	// nonceKept is for how long a nonce is kept, in seconds: instances' clocks may
	// differ, and a request that one believes no more another still may.
	nonceKept = 240
	// awayFor is how long a server that did not answer is not asked again.
	awayFor = time.Second
)

// NonceMemcached remembers nonces for all instances that have the same servers, in
// any order: each is added to one server, which lets one of them be the first.
//
// A server that does not answer within the budget is left alone for a second, and
// then asked by one call at a time until it answers: its nonces are not known
// meanwhile. What a server forgets, by a restart say, is not known either.
type NonceMemcached struct {
	servers []*nonceServer
	budget  time.Duration
}

type nonceServer struct {
	name   string
	client *memcache.Client
	slots  chan struct{}
	away   atomic.Int64 // until then, Unix nanoseconds; 0: it answers
}

// NewNonceMemcached takes servers as host:port or /unix/socket, and the longest
// that one may take for its answer. It connects when it is first used.
func NewNonceMemcached(servers []string, budget time.Duration) *NonceMemcached {
	m := &NonceMemcached{budget: budget}
	for _, name := range servers {
		client := memcache.NewFromSelector(nonceAddress(name))
		client.Timeout, client.MaxIdleConns = budget, NonceConns
		m.servers = append(m.servers, &nonceServer{name: name, client: client, slots: make(chan struct{}, NonceConns)})
	}
	return m
}

// nonceAddress makes gomemcache dial the name anew for every connection: its own
// list of servers would resolve it once.
type nonceAddress string

func (a nonceAddress) String() string { return string(a) }

func (a nonceAddress) Network() string {
	if strings.HasPrefix(string(a), "/") {
		return "unix"
	}
	return "tcp"
}

// PickServer and Each implement memcache.ServerSelector for one server.
func (a nonceAddress) PickServer(string) (net.Addr, error)   { return a, nil }
func (a nonceAddress) Each(visit func(net.Addr) error) error { return visit(a) }

// Once implements Nonces.
func (m *NonceMemcached) Once(n NonceID, now, _ time.Time) (first, known bool) {
	s := m.pick(n)
	if !s.ask(now) || !s.enter(m.budget) {
		return false, false
	}
	defer func() { <-s.slots }()
	err := s.add("fraudcheck-nonce:" + base64.RawURLEncoding.EncodeToString(n[:]))
	switch {
	case err == nil, errors.Is(err, memcache.ErrNotStored):
		s.away.Store(0)
		return err == nil, true
	}
	s.away.Store(now.Add(awayFor).UnixNano())
	return false, false
}

// add does not believe a connection that was closed, as all of before a restart
// are: it asks once more. Had the first one been heard, the nonce would count as
// used, which is the safe way to be wrong.
func (s *nonceServer) add(key string) (err error) {
	defer func() {
		if fault := recover(); fault != nil { // of the library, over a strange reply
			err = errors.New("no reply of memcached")
		}
	}()
	item := &memcache.Item{Key: key, Value: []byte{}, Expiration: nonceKept}
	err = s.client.Add(item)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		_ = s.client.Close()
		err = s.client.Add(item)
	}
	return err
}

// ask reports whether the server is to be asked: of one that is away, by whoever
// comes first after a while.
func (s *nonceServer) ask(now time.Time) bool {
	away := s.away.Load()
	if away == 0 {
		return true
	}
	left := time.Duration(away - now.UnixNano())
	due := left <= 0 || left > awayFor // the machine's clock was set back
	return due && s.away.CompareAndSwap(away, now.Add(awayFor).UnixNano())
}

func (s *nonceServer) enter(budget time.Duration) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// pick chooses by rendezvous hashing: instances may list the servers in any order,
// and losing one moves no other's nonces.
func (m *NonceMemcached) pick(n NonceID) *nonceServer {
	var best *nonceServer
	var most uint64
	for _, s := range m.servers {
		h := fnv.New64a()
		h.Write([]byte(s.name))
		h.Write(n[:])
		weight := h.Sum64()
		if best == nil || weight > most || weight == most && s.name < best.name {
			best, most = s, weight
		}
	}
	return best
}

// Close closes the connections that are not in use.
func (m *NonceMemcached) Close() error {
	var all []error
	for _, s := range m.servers {
		all = append(all, s.client.Close())
	}
	return errors.Join(all...)
}
