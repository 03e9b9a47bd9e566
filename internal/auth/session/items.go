package session

import (
	"bytes"

	"fraudcheck/internal/turns"
)

// An item is stored under the hash key, and while there is a previous one under that too:
// so instances that have only one of the two keys share it with those that have both. What
// is read under both is combined; what is written is written where nothing changed since
// it was read, the previous key first, because instances that have not changed yet write
// there.

// versions are those of an item under the hash key and under the previous one; 0 for none.
type versions struct {
	own, previous uint64
	// differ says that the values under the two keys are not the same: the item was
	// written under one of them only.
	differ bool
}

// get reads and decrypts an item, under the hash key and under the previous one: nil where
// it is missing. So is a value that does not decrypt; its version is returned all the same,
// to be written over. It fails with ErrAway.
func (l *Logins) get(kind string, id []byte, now int64, turn *turns.Turn) (values [2][]byte, v versions, err error) {
	if values[0], v.own, err = l.getUnder(l.keys, kind, id, now, turn); err != nil || l.keys.previous == nil {
		return values, v, err
	}
	values[1], v.previous, err = l.getUnder(l.keys.previous, kind, id, now, turn)
	v.differ = !bytes.Equal(values[0], values[1])
	return values, v, err
}

func (l *Logins) getUnder(keys *Keys, kind string, id []byte, now int64, turn *turns.Turn) (value []byte, version uint64, err error) {
	key := keys.itemKey(kind, id)
	encrypted, version, err := l.store.Get(key, fromMs(now), turn)
	switch {
	case err == ErrMissing:
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	value, _ = keys.decrypt(key, encrypted) // nil where it cannot be
	return value, version, nil
}

// put encrypts and writes an item under both keys, to be kept slack longer than until.
func (l *Logins) put(kind string, id, value []byte, v versions, now, until int64, turn *turns.Turn) error {
	if l.keys.previous != nil {
		if err := l.putUnder(l.keys.previous, kind, id, value, v.previous, now, until, turn); err != nil {
			return err
		}
	}
	return l.putUnder(l.keys, kind, id, value, v.own, now, until, turn)
}

func (l *Logins) putUnder(keys *Keys, kind string, id, value []byte, version uint64, now, until int64, turn *turns.Turn) error {
	key := keys.itemKey(kind, id)
	return l.store.Put(key, keys.encrypt(key, value), version, fromMs(now), fromMs(until).Add(slack), turn)
}
