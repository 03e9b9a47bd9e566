package velocity

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A Result is how an operation on a server ended.
type Result string

// The results.
const (
	OK       Result = "ok"
	Miss     Result = "miss"     // nothing there; for a write, not any more or already
	Conflict Result = "conflict" // changed by another in between
	Fault    Result = "fault"    // a value that no instance with this hash key wrote
	Newer    Result = "newer"    // a value of a newer version, left alone
	Timeout  Result = "timeout"
	Failed   Result = "error"
	Lost     Result = "lost" // a write on a connection that broke: done or not, reading will tell
)

// scratch is the memory of one exchange.
type scratch struct {
	shared, local Record
	sealed        []byte
}

// exchange applies a batch of updates of one subject to its shared record:
// read, merge with what this instance knows, apply, write if nothing changed
// meanwhile; otherwise again. It reports whether the server holds the result.
func (m *Memcached) exchange(batch []*passenger) (shared bool) {
	deadline := latest(batch)
	u := &batch[0].update
	s := pick(m.servers, u.key)
	if s.open.Load() && !u.reseed || !s.enter(deadline) {
		return false
	}
	defer s.leave()
	defer func() {
		if fault := recover(); fault != nil { // what the library chokes on must not end the process
			m.Panicked(fault)
			shared = false
		}
	}()
	x := m.scratch.Get().(*scratch)
	defer m.scratch.Put(x)
	key := m.itemKey(u.key)
	known := m.Local.recall(u, &x.local)
	changes := false
	for _, p := range batch {
		changes = changes || p.update.changes()
	}
	lost := false // whether what was sealed last may have been stored
	for try := 0; time.Now().Before(deadline); try++ {
		if try > 1 {
			time.Sleep(rand.N(time.Duration(try) * 200 * time.Microsecond))
		}
		var item *memcache.Item
		x.shared.reset()
		// A subject this instance has never met is new to all more often than
		// not: writing first saves reading.
		if known || try > 0 || !changes {
			var result Result
			if item, result = m.read(s, &x.shared, u.key, key); result != OK && result != Miss && result != Fault {
				return false
			}
		}
		if lost && item != nil && bytes.Equal(item.Value, x.sealed) {
			m.Local.absorb(u, &x.shared)
			return true // it was, and what the updates found then holds
		}
		x.shared.merge(&x.local, u.subject)
		for _, p := range batch {
			p.update.apply(&x.shared)
		}
		if !changes {
			if item != nil {
				m.Local.absorb(u, &x.shared)
			}
			return true
		}
		x.sealed = m.Keys.seal(x.sealed[:0], u.key, &x.shared)
		switch m.write(s, item, key, x.sealed, expiry(u, &x.shared)) {
		case OK:
			m.Local.absorb(u, &x.shared)
			return true
		case Lost:
			if lost {
				return false // once is a restart
			}
			lost = true
		case Miss, Conflict:
		default:
			return false
		}
	}
	return false
}

func (s *server) enter(deadline time.Time) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (s *server) leave() { <-s.slots }

// read gets the record. A value that is none is a fault: it counts as nothing,
// and the item comes back to be replaced by what is known.
func (m *Memcached) read(s *server, r *Record, key Key, itemKey string) (item *memcache.Item, result Result) {
	result = m.do(s, "get", func() (err error) {
		item, err = s.client.Get(itemKey)
		return err
	}, func() Result {
		switch err := m.Keys.open(r, key, item.Value); {
		case errors.Is(err, ErrNewer):
			return Newer
		case err != nil:
			return Fault
		}
		return OK
	})
	if result != OK && result != Fault {
		item = nil
	}
	return item, result
}

// write puts the sealed record where item was, or where nothing was.
func (m *Memcached) write(s *server, item *memcache.Item, key string, sealed []byte, expires int32) Result {
	stored := func() Result { return OK }
	if item == nil {
		return m.do(s, "add", func() error {
			return s.client.Add(&memcache.Item{Key: key, Value: sealed, Expiration: expires})
		}, stored)
	}
	item.Value, item.Expiration = sealed, expires
	return m.do(s, "cas", func() error { return s.client.CompareAndSwap(item) }, stored)
}

// do runs one operation and tells how it ended; judge looks at an answer that came.
func (m *Memcached) do(s *server, op string, run func() error, judge func() Result) (result Result) {
	start := time.Now()
	err := run()
	broken := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	writes := op == "add" || op == "cas"
	if broken { // as all connections of before a restart are, once
		_ = s.client.Close()
		if !writes {
			err = run()
		}
	}
	var timeout interface{ Timeout() bool }
	var dial *memcache.ConnectTimeoutError
	switch {
	case err == nil:
		result = judge()
	case broken && writes:
		result = Lost
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
		result = Miss
	case errors.Is(err, memcache.ErrCASConflict):
		result = Conflict
	case errors.As(err, &dial), errors.As(err, &timeout) && timeout.Timeout():
		result = Timeout
	default:
		result = Failed
	}
	if s.report(result != Timeout && result != Failed && result != Lost, time.Now()) {
		m.Changed(s.name, false)
	}
	m.Observe(s.name, op, result, time.Since(start))
	return result
}

// expiry is when the server may drop u's record, as memcached wants it: seconds
// from now, or beyond 30 days a point in time. A list that no rule here reads
// matters to an instance with other rules, and so does that the record was
// forgotten: both are kept as long as any window may be.
func expiry(u *Update, r *Record) int32 {
	retain := u.subject.retain
	if r.generation > 0 || slices.ContainsFunc(r.lists, func(l list) bool { return !u.subject.reads(l.key) }) {
		retain = spanOf(MaxWindow)
	}
	const most = 30 * 24 * 3600
	seconds := int64(retain+ahead)/1000 + 1
	if at := int64(u.now)/1000 + seconds; seconds > most && at <= math.MaxInt32 {
		return int32(at)
	}
	return int32(min(seconds, most))
}
