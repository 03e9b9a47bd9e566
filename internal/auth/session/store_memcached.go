package session

import (
	"bytes"
	"time"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
)

// maxKeep is the longest that memcached takes for a duration and not for a date.
const maxKeep = 30 * 24 * time.Hour

// Memcached is a [Store] that instances share. Its values are worth the same whatever a
// server has forgotten: a login that is not there any more has ended.
type Memcached struct {
	client *memcached.Client
	turns  *turns.Queue
}

// NewMemcached makes a store on the client's servers. Each operation takes a turn of the
// queue, and lasts as long as that says.
func NewMemcached(client *memcached.Client, queue *turns.Queue) *Memcached {
	return &Memcached{client: client, turns: queue}
}

// Get implements Store.
func (m *Memcached) Get(key string, _ time.Time, turn *turns.Turn) (value []byte, version uint64, err error) {
	err = m.ask(key, turn, func(slot *memcached.Slot) error {
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
func (m *Memcached) Put(key string, value []byte, version uint64, now, until time.Time, turn *turns.Turn) error {
	keep := min(max(until.Sub(now), time.Second), maxKeep)
	w := write{key: []byte(key), value: value, version: version, expires: int32((keep + time.Second - 1) / time.Second)}
	return m.ask(key, turn, w.on)
}

// Patience implements Store.
func (m *Memcached) Patience(turn *turns.Turn) time.Time { return m.turns.Patience(turn) }

// anyValue accepts every value: what is wrong with one is found when it is decrypted.
func anyValue([]byte) memcached.Result { return memcached.OK }

// ask does operations on the key's server, with the turn and as long as that lasts. It is
// ErrAway, at once, where the server is not used, or where there is no turn in time; a
// panic in do is ErrAway too.
func (m *Memcached) ask(key string, turn *turns.Turn, do func(*memcached.Slot) error) (err error) {
	s := m.client.ServerOf(memcached.HashOf(key))
	if !s.Answers() {
		return ErrAway
	}
	until, ok := m.turns.Take(turn)
	if !ok {
		return ErrAway
	}
	defer turn.Yield()
	slot := s.Acquire(until, true)
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
