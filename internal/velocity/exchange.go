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
	record Record
	copied Record // decoded from copy
	key    []byte // of the item
	copy   []byte // the encoding of this instance's copy; empty where it has none
	sealed []byte // what was written last
}

// exchange applies a batch of updates of one subject to its shared record: read, merge
// with what this instance knows, apply, write if nothing changed meanwhile; otherwise
// again, until the deadline. With OK the server holds what came of it.
//
// With telling the server may be one that is not trusted yet: see tell.go.
func (m *Memcached) exchange(batch []*Update, deadline time.Time, telling bool) (result memcached.Result) {
	s := m.serverOf(batch[0].key)
	if !telling && !s.Trusted() {
		return memcached.Failed
	}
	slot := acquire(s, deadline, telling)
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

func acquire(s *memcached.Server, deadline time.Time, telling bool) *memcached.Slot {
	if telling {
		return s.AcquireToTell(deadline)
	}
	return s.Acquire(deadline, false)
}

func (m *Memcached) exchangeOn(slot *memcached.Slot, b *buffers, batch []*Update, deadline time.Time) memcached.Result {
	if m.ClockOff != nil && m.ClockOff() {
		for _, u := range batch {
			u.clockOff = true
		}
	}
	u := batch[len(batch)-1]
	b.key = m.appendItemKey(b.key[:0], u.key)
	b.copy = m.Local.recall(u, b.copy[:0])
	known := len(b.copy) > 0
	changes := slices.ContainsFunc(batch, (*Update).changes)
	lost := false // whether what was sealed last may have been stored
	for try := 0; try == 0 || time.Now().Before(deadline); try++ {
		if try > 1 {
			time.Sleep(rand.N(time.Duration(try) * 200 * time.Microsecond))
		}
		var item memcached.Item
		b.record.reset()
		// A subject that this instance has never met is more often than not new to all:
		// writing first saves reading.
		if known || try > 0 || !changes {
			var result memcached.Result
			if item, result = m.read(slot, b, u.key); result != memcached.OK && result != memcached.Miss && result != memcached.Fault {
				return result
			}
			if lost && item.Found() && bytes.Equal(item.Value, b.sealed) { // it was, and what the updates found then holds
				m.Local.keep(u, &b.record, encodingIn(b.sealed), b.copy)
				return memcached.OK
			}
			if known && (result != memcached.OK || !bytes.Equal(encodingIn(item.Value), b.copy)) {
				_ = b.copied.decode(b.copy) // only a fault of this program leads to an error
				b.record.merge(&b.copied, u.subject)
			}
		}
		for _, u := range batch {
			u.apply(&b.record)
		}
		if !slices.ContainsFunc(batch, (*Update).changes) {
			if item.Found() {
				b.sealed = b.record.append(b.sealed[:0])
				m.Local.keep(u, &b.record, b.sealed, b.copy)
			}
			return memcached.OK
		}
		b.sealed = m.Keys.encode(b.sealed[:0], u.key, &b.record)
		switch result := slot.Write(b.key, item.Version, b.sealed, expiry(u, &b.record)); result {
		case memcached.OK:
			m.Local.keep(u, &b.record, encodingIn(b.sealed), b.copy)
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

// read gets the record into b. A value that is none is a fault: it counts as nothing, and
// the item is returned to be replaced by what is known.
func (m *Memcached) read(slot *memcached.Slot, b *buffers, key Key) (memcached.Item, memcached.Result) {
	return slot.Get(b.key, func(value []byte) memcached.Result {
		switch err := m.Keys.decode(&b.record, key, value); {
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
