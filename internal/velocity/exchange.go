package velocity

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"fraudcheck/internal/memcached"
)

// buffers holds what one exchange works with. They are pooled.
type buffers struct {
	shared, local Record
	sealed        []byte
}

// exchange applies a batch of updates of one subject to its shared record: read, merge
// with what this instance knows, apply, write if nothing changed meanwhile; otherwise
// again, until the deadline. With OK the server holds what came of it.
//
// With telling the server may be one that is not trusted yet: see tell.go.
func (m *Memcached) exchange(batch []*Update, deadline time.Time, telling bool) (result memcached.Result) {
	u := batch[0]
	s := m.serverOf(u.key)
	if !telling && !s.Trusted() {
		return memcached.Failed
	}
	slot := s.Acquire(deadline, telling)
	if slot == nil {
		return memcached.Timeout
	}
	b := m.buffers.Get().(*buffers)
	defer func() {
		fault := recover() // what the library chokes on must not end the process
		if fault != nil {
			m.Client.Panicked(fault)
			result = memcached.Failed
		} else {
			m.buffers.Put(b)
		}
		slot.Release(fault != nil)
	}()
	return m.exchangeOn(slot, b, batch, deadline)
}

func (m *Memcached) exchangeOn(slot *memcached.Slot, b *buffers, batch []*Update, deadline time.Time) memcached.Result {
	u := batch[0]
	key := m.itemKey(u.key)
	known := m.Local.recall(u, &b.local)
	changes := slices.ContainsFunc(batch, (*Update).changes)
	lost := false // whether what was sealed last may have been stored
	for try := 0; try == 0 || time.Now().Before(deadline); try++ {
		if try > 1 {
			time.Sleep(rand.N(time.Duration(try) * 200 * time.Microsecond))
		}
		var item memcached.Item
		b.shared.reset()
		// A subject that this instance has never met is more often than not new to all:
		// writing first saves reading.
		if known || try > 0 || !changes {
			var result memcached.Result
			if item, result = m.read(slot, &b.shared, u.key, key); result != memcached.OK && result != memcached.Miss && result != memcached.Fault {
				return result
			}
		}
		if lost && item.Found() && bytes.Equal(item.Value, b.sealed) {
			m.Local.absorb(u, &b.shared)
			return memcached.OK // it was, and what the updates found then holds
		}
		b.shared.merge(&b.local, u.subject)
		for _, u := range batch {
			u.apply(&b.shared)
		}
		if !changes {
			if item.Found() {
				m.Local.absorb(u, &b.shared)
			}
			return memcached.OK
		}
		b.sealed = m.Keys.encode(b.sealed[:0], u.key, &b.shared)
		switch result := slot.Write(key, item, b.sealed, expiry(u, &b.shared)); result {
		case memcached.OK:
			m.Local.absorb(u, &b.shared)
			return memcached.OK
		case memcached.Lost:
			if lost {
				return memcached.Lost // one lost write is explained by a restart; a second is a failure
			}
			lost = true
		case memcached.Miss, memcached.Conflict:
		default:
			return result
		}
	}
	return memcached.Timeout
}

// read gets the record into r. A value that is none is a fault: it counts as nothing, and
// the item is returned to be replaced by what is known.
func (m *Memcached) read(slot *memcached.Slot, r *Record, key Key, itemKey string) (memcached.Item, memcached.Result) {
	return slot.Get(itemKey, func(value []byte) memcached.Result {
		switch err := m.Keys.decode(r, key, value); {
		case errors.Is(err, ErrNewer):
			return memcached.Newer
		case err != nil:
			return memcached.Fault
		}
		return memcached.OK
	})
}

// expiry is when the server may drop u's record, as memcached wants it: seconds
// from now, or beyond 30 days a point in time.
func expiry(u *Update, r *Record) int32 {
	retain := r.retain(u.subject)
	const most = 30 * 24 * 3600
	seconds := int64(retain+ahead)/1000 + 1
	if at := int64(u.now)/1000 + seconds; seconds > most && at <= math.MaxInt32 {
		return int32(at)
	}
	return int32(min(seconds, most))
}
