package session

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"net"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"fraudcheck/internal/pipeline"
)

// ConnsPerServer is how many connections a Memcached has to each server.
const ConnsPerServer = 1

// atOnce is how many operations on a server may be under way at once.
const atOnce = 64

// pause is how long a server that did not answer is not asked.
const pause = time.Second

// maxKeep is the longest that memcached takes for a duration and not for a date.
const maxKeep = 30 * 24 * time.Hour

// Memcached is a Store that instances share. It asks a server only one thing a
// second while that does not answer: no caller waits for a store that is away.
type Memcached struct {
	servers []*memcachedServer
	timeout time.Duration
}

type memcachedServer struct {
	name   string
	pipe   *pipeline.Pipe
	client *memcache.Client
	slots  chan struct{} // one for each operation that may be under way
	away   atomic.Int64  // ms: not asked until then; 0: it answers
}

// Network and String implement net.Addr, PickServer and Each
// memcache.ServerSelector: a server is the one that its client knows.
func (s *memcachedServer) Network() string { return "pipeline" }
func (s *memcachedServer) String() string  { return s.name }

func (s *memcachedServer) PickServer(string) (net.Addr, error)   { return s, nil }
func (s *memcachedServer) Each(visit func(net.Addr) error) error { return visit(s) }

// NewMemcached makes the store for servers, host:port or /unix/socket; it connects
// when it is first used. An operation waits for a server about as long as the timeout
// at most, and before that as long for its turn where many are under way.
func NewMemcached(servers []string, timeout time.Duration) (*Memcached, error) {
	if len(servers) == 0 {
		return nil, errors.New("expected at least one server")
	}
	m := &Memcached{timeout: timeout}
	for _, name := range servers {
		s := &memcachedServer{name: name, pipe: pipeline.New(name, ConnsPerServer, timeout/2), slots: make(chan struct{}, atOnce)}
		s.client = memcache.NewFromSelector(s)
		s.client.Timeout = timeout / 2 // for a try, of which there may be two
		s.client.MaxIdleConns = atOnce
		s.client.DialContext = func(context.Context, string, string) (net.Conn, error) { return s.pipe.Conn(), nil }
		m.servers = append(m.servers, s)
	}
	return m, nil
}

// serverOf chooses by rendezvous hashing on the configured names: losing one of
// three servers loses its own third.
func (m *Memcached) serverOf(key string) (best *memcachedServer) {
	var most uint64
	for _, s := range m.servers {
		h := fnv.New64a()
		h.Write([]byte(s.name + key))
		if weight := h.Sum64(); best == nil || weight > most {
			best, most = s, weight
		}
	}
	return best
}

// Get implements Store.
func (m *Memcached) Get(key string, now time.Time) (value []byte, version uint64, err error) {
	err = m.ask(key, now, func(client *memcache.Client) error {
		item, err := client.Get(key)
		if err == nil {
			value, version = item.Value, item.CasID
		}
		return err
	})
	return value, version, err
}

// Put implements Store.
func (m *Memcached) Put(key string, value []byte, version uint64, now, until time.Time) error {
	keep := min(max(until.Sub(now), time.Second), maxKeep)
	item := &memcache.Item{Key: key, Value: value, Expiration: int32((keep + time.Second - 1) / time.Second), CasID: version}
	tries := 0
	err := m.ask(key, now, func(client *memcache.Client) error {
		tries++
		if version == 0 {
			return client.Add(item)
		}
		return client.CompareAndSwap(item)
	})
	if err == ErrMissing { // so says memcached when it lost the item
		return ErrConflict
	}
	if err == ErrConflict && tries > 1 { // perhaps with the first try, which had no answer
		if stored, _, err := m.Get(key, now); err == nil && bytes.Equal(stored, value) {
			return nil
		}
	}
	return err
}

// ask has one operation done, twice where a connection was at fault: after a
// restart of the server the kept one is.
func (m *Memcached) ask(key string, now time.Time, do func(*memcache.Client) error) error {
	s := m.serverOf(key)
	if !s.due(toMs(now)) {
		return ErrAway
	}
	full := time.NewTimer(m.timeout)
	defer full.Stop()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-full.C:
		return ErrAway
	}
	err := do(s.client)
	var timeout net.Error
	if !answered(err) && !(errors.As(err, &timeout) && timeout.Timeout()) {
		err = do(s.client)
	}
	if errors.Is(err, pipeline.ErrUnsent) { // which says nothing about the server
		return ErrAway
	}
	if !answered(err) {
		s.away.Store(toMs(now.Add(pause)))
		return ErrAway
	}
	s.away.Store(0)
	switch err {
	case memcache.ErrCacheMiss:
		return ErrMissing
	case memcache.ErrNotStored, memcache.ErrCASConflict:
		return ErrConflict
	}
	return nil
}

// due reports whether the server is to be asked: one that is away, by whoever comes
// first after a while, or after the machine's clock was set back.
func (s *memcachedServer) due(now int64) bool {
	away := s.away.Load()
	if away == 0 {
		return true
	}
	left := away - now
	return (left <= 0 || left > pause.Milliseconds()) && s.away.CompareAndSwap(away, now+pause.Milliseconds())
}

func answered(err error) bool {
	return err == nil || err == memcache.ErrCacheMiss || err == memcache.ErrNotStored || err == memcache.ErrCASConflict
}

// Close closes the connections.
func (m *Memcached) Close() {
	for _, s := range m.servers {
		_ = s.client.Close() // of connections that are none
		s.pipe.Close()
	}
}
