package session

import (
	"bytes"
	"time"

	"fraudcheck/internal/memcached"
)

// maxKeep is the longest that memcached takes for a duration and not for a date.
const maxKeep = 30 * 24 * time.Hour

// Memcached is a [Store] that instances share. Its values are worth the same whatever a
// server has forgotten: a login that is not there any more has ended.
type Memcached struct {
	client *memcached.Client
	budget time.Duration
}

// NewMemcached makes a store on the client's servers. budget is the longest that all
// operations of one request wait.
func NewMemcached(client *memcached.Client, budget time.Duration) *Memcached {
	return &Memcached{client: client, budget: budget}
}

// Get implements Store.
func (m *Memcached) Get(key string, _ time.Time, waited time.Duration) (value []byte, version uint64, err error) {
	err = m.ask(key, waited, func(slot *memcached.Slot) error {
		item, result := slot.Get([]byte(key), anyValue)
		value, version = bytes.Clone(item.Value), item.Version
		switch result {
		case memcached.OK:
			return nil
		case memcached.Miss:
			return ErrMissing
		}
		return ErrAway
	})
	return value, version, err
}

// Put implements Store.
func (m *Memcached) Put(key string, value []byte, version uint64, now, until time.Time, waited time.Duration) error {
	keep := min(max(until.Sub(now), time.Second), maxKeep)
	w := write{key: []byte(key), value: value, version: version, expires: int32((keep + time.Second - 1) / time.Second)}
	return m.ask(key, waited, w.on)
}

// anyValue accepts every value: what is wrong with one is found when it is decrypted.
func anyValue([]byte) memcached.Result { return memcached.OK }

// ask does operations on the key's server, within what is left of the budget. It is
// ErrAway, at once, where nothing is left or the server is not used; a panic in do is
// ErrAway too.
func (m *Memcached) ask(key string, waited time.Duration, do func(*memcached.Slot) error) (err error) {
	left := m.budget - waited
	s := m.client.ServerOf(memcached.HashOf(key))
	if left <= 0 || !s.Answers() {
		return ErrAway
	}
	slot := s.Acquire(time.Now().Add(left), true)
	if slot == nil {
		return ErrAway
	}
	defer func() {
		fault := recover()
		if slot.Release(fault != nil); fault != nil {
			m.client.Panicked(fault)
			err = ErrAway
		}
	}()
	return do(slot)
}

// A write puts a value where that version is, or none for version 0.
type write struct {
	key     []byte
	value   []byte
	version uint64
	expires int32 // seconds
}

// on carries the write out. One whose reply was lost is looked for, and done again when
// the stored value is still the one that it was to replace.
func (w *write) on(slot *memcached.Slot) error {
	for range 2 {
		switch slot.Write(w.key, w.version, w.value, w.expires) {
		case memcached.OK:
			return nil
		case memcached.Miss, memcached.Conflict:
			return ErrConflict
		case memcached.Lost:
		default:
			return ErrAway
		}
		stored, result := slot.Get(w.key, anyValue)
		switch {
		case result != memcached.OK && result != memcached.Miss:
			return ErrAway
		case stored.Found() && bytes.Equal(stored.Value, w.value):
			return nil
		case stored.Version != w.version:
			return ErrConflict
		}
	}
	return ErrAway
}
