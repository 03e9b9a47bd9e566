package auth

import (
	"errors"
	"hash/fnv"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// MemcachedConns is how many connections a Memcached keeps to each server, which is
// how many operations may be under way at once.
const MemcachedConns = 16

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
	client *memcache.Client
	slots  chan struct{} // one for each operation that may be under way
	away   atomic.Int64  // ms: not asked until then; 0: it answers
}

// memcachedAddress makes gomemcache dial the configured name anew for every
// connection.
type memcachedAddress string

func (a memcachedAddress) String() string { return string(a) }

func (a memcachedAddress) Network() string {
	if strings.HasPrefix(string(a), "/") {
		return "unix"
	}
	return "tcp"
}

// PickServer and Each implement memcache.ServerSelector for one server.
func (a memcachedAddress) PickServer(string) (net.Addr, error)   { return a, nil }
func (a memcachedAddress) Each(visit func(net.Addr) error) error { return visit(a) }

// NewMemcached makes the store for servers, host:port or /unix/socket; it connects
// when it is first used. No operation takes much longer than the timeout.
func NewMemcached(servers []string, timeout time.Duration) (*Memcached, error) {
	if len(servers) == 0 {
		return nil, errors.New("expected at least one server")
	}
	m := &Memcached{timeout: timeout}
	for _, name := range servers {
		client := memcache.NewFromSelector(memcachedAddress(name))
		client.Timeout = timeout / 2 // for the dial, and again for the exchange
		client.MaxIdleConns = MemcachedConns
		m.servers = append(m.servers, &memcachedServer{name: name, client: client, slots: make(chan struct{}, MemcachedConns)})
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
	err := m.ask(key, now, func(client *memcache.Client) error {
		if version == 0 {
			return client.Add(item)
		}
		return client.CompareAndSwap(item)
	})
	if err == errMissing { // so says memcached when it lost the item
		return errConflict
	}
	return err
}

// ask has one operation done, twice where a connection was at fault: after a
// restart of the server every kept one is.
func (m *Memcached) ask(key string, now time.Time, do func(*memcache.Client) error) error {
	s := m.serverOf(key)
	if away := s.away.Load(); away != 0 && (toMs(now) < away || !s.away.CompareAndSwap(away, toMs(now.Add(pause)))) {
		return errAway
	}
	full := time.NewTimer(m.timeout)
	defer full.Stop()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-full.C:
		return errAway
	}
	err := do(s.client)
	var timeout net.Error
	if !answered(err) && !(errors.As(err, &timeout) && timeout.Timeout()) {
		_ = s.client.Close() // the others are no better
		err = do(s.client)
	}
	if !answered(err) {
		s.away.Store(toMs(now.Add(pause)))
		return errAway
	}
	s.away.Store(0)
	switch err {
	case memcache.ErrCacheMiss:
		return errMissing
	case memcache.ErrNotStored, memcache.ErrCASConflict:
		return errConflict
	}
	return nil
}

func answered(err error) bool {
	return err == nil || err == memcache.ErrCacheMiss || err == memcache.ErrNotStored || err == memcache.ErrCASConflict
}

// Close closes the connections that are not in use.
func (m *Memcached) Close() error {
	var all []error
	for _, s := range m.servers {
		all = append(all, s.client.Close())
	}
	return errors.Join(all...)
}
