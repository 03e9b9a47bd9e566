package session

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"fraudcheck/internal/turns"
)

// maxWrites bounds how often a write starts again because another came first.
const maxWrites = 16

// slack is how much longer than it matters a record is kept, because the clocks of
// instances differ.
const slack = time.Minute

// load reads a login's record. A record that is forged, or of another login, is
// missing; its version is returned all the same, to be written over.
func (l *Logins) load(id LoginID, now int64, turn *turns.Turn) (r loginRecord, v versions, err error) {
	values, v, err := l.get("login", id[:], now, turn)
	if err != nil {
		return r, v, err
	}
	err = ErrMissing
	for _, value := range values {
		var one loginRecord
		if value == nil || one.read(value) != nil {
			continue
		}
		if err != nil {
			r, err = one, nil
		} else {
			r = r.newer(&one)
		}
	}
	return r, v, err
}

// save writes a login's record: kept until the login ends, or once it is revoked until
// its last access token expires.
func (l *Logins) save(id LoginID, r *loginRecord, v versions, now int64, turn *turns.Turn) error {
	until := r.Ends
	if r.Revoked {
		until = r.Access
	}
	return l.put("login", id[:], r.append(nil), v, now, until, turn)
}

// lookUp returns what is known of a login: from the store, or from the cache where that
// was asked less than a second ago. Of concurrent requests one asks, the others wait for
// its answer, each no longer than its turn allows. Where the store does not answer, or not
// in time, the view is what it said last, and empty where it never has.
func (l *Logins) lookUp(id LoginID, now int64, turn *turns.Turn) (*knownLogin, *loginView) {
	k := l.known.entry(id)
	if v := k.view.Load(); v.isFresh(now) {
		return k, v
	}
	if !k.await(l.store.Patience(turn)) {
		return k, k.view.Load().unanswered(now)
	}
	defer k.asked()
	before := k.view.Load()
	if before.isFresh(now) {
		return k, before
	}
	v := &loginView{asked: now, confirmed: now}
	var err error
	switch v.record, _, err = l.load(id, now, turn); {
	case err == nil:
		v.found = true
		if v.record.Revoked {
			l.revoked.add(id, v.record.Access, v.record.Access)
		}
	case err != ErrMissing:
		v = before.unanswered(now)
	}
	k.view.Store(v)
	return k, v
}

// cache keeps a record that was just written, unless a request asks for it at this moment:
// a check has a turn here, and must not wait for one that waits for a turn.
func (l *Logins) cache(id LoginID, r *loginRecord, now int64) {
	k := l.known.entry(id)
	if !k.tryAsk() {
		return
	}
	defer k.asked()
	k.view.Store(&loginView{asked: now, confirmed: now, found: true, record: *r})
}

// create writes a new login and revokes the user's oldest ones where there are more
// than perUser. It is on the user's list before it is written, and those are revoked
// before: no login lives that is not counted.
func (l *Logins) create(id LoginID, r *loginRecord, perUser int, now int64, turn *turns.Turn) error {
	var oldest loginList
	err := l.changeList(r.name, now, turn, func(list loginList) loginList {
		list = list.without(id) // a write under one of two hash keys alone put it there
		over := max(0, len(list)-perUser+1)
		oldest = list[:over]
		return append(slices.Clone(list[over:]), loginEntry{ID: id, Ends: r.Ends})
	})
	if err != nil {
		return err
	}
	for _, e := range oldest {
		if err := l.revoke(e.ID, e.Ends, now, turn); err != nil {
			return err
		}
	}
	err = l.save(id, r, versions{}, now, turn)
	if err == ErrConflict { // concurrent logins have revoked this one already
		return nil
	}
	if err == nil {
		l.cache(id, r, now)
	}
	return err
}

// readLists returns what a user's lists hold together. One that is missing or unreadable
// is empty.
func readLists(values [][]byte) (list loginList) {
	for _, value := range values {
		var one loginList
		if value != nil && one.read(value) == nil {
			list = list.with(one)
		}
	}
	return list
}

// changeList writes a user's list again, without the logins that have ended. A concurrent
// change by another instance makes it start again with what is stored then. It fails with
// ErrAway, or with ErrConflict after maxWrites.
func (l *Logins) changeList(name string, now int64, turn *turns.Turn, change func(loginList) loginList) error {
	l.listMu.Lock()
	defer l.listMu.Unlock()
	for try := range maxWrites {
		backOff(try)
		values, v, err := l.get("user", []byte(name), now, turn)
		if err != nil {
			return err
		}
		list := readLists(values[:])
		list = change(slices.DeleteFunc(list, func(e loginEntry) bool { return e.Ends <= now }))
		until := now
		for _, e := range list {
			until = max(until, e.Ends)
		}
		if err = l.put("user", []byte(name), list.append(nil), v, now, until, turn); err != ErrConflict {
			return err
		}
	}
	return ErrConflict
}

// removeFromList takes a login off its user's list. Where that fails it counts until it would
// have ended.
func (l *Logins) removeFromList(id LoginID, name string, now int64, turn *turns.Turn) {
	_ = l.changeList(name, now, turn, func(list loginList) loginList { return list.without(id) })
}

// revoke ends a login here at once, and in the store; otherwise it would end at ends.
// After an error other instances do not know of it; [Logins.StoreRevocations] tells
// them.
func (l *Logins) revoke(id LoginID, ends, now int64, turn *turns.Turn) error {
	l.revoked.add(id, now+l.longestTTL.Load(), ends)
	return l.storeRevocation(id, now, turn)
}

// storeRevocation writes to the store that a login is revoked, unless it says so under
// both hash keys.
func (l *Logins) storeRevocation(id LoginID, now int64, turn *turns.Turn) (err error) {
	defer func() {
		if err != nil {
			l.unsynced.Store(true)
		}
	}()
	for try := range maxWrites {
		backOff(try)
		r, v, err := l.load(id, now, turn)
		if err != nil && err != ErrMissing {
			return err
		}
		access := max(r.Access, l.revoked.access(id)) // other instances may have issued tokens too
		if !r.Revoked || r.Access < access || v.differ {
			revoked := loginRecord{loginState: loginState{Revoked: true, Access: access}}
			err = l.save(id, &revoked, v, now, turn)
		}
		switch err {
		case nil:
			l.revoked.markStored(id, access)
			return nil
		case ErrConflict:
		default:
			return err
		}
	}
	return ErrConflict
}

// backOff separates writes that met: it sleeps a random time, of up to 1 ms more with
// each try.
func backOff(try int) {
	if try > 0 {
		time.Sleep(rand.N(time.Duration(try) * time.Millisecond))
	}
}

// errRevoked is what rotate returns for a login that has ended.
var errRevoked = errors.New("the login was revoked")

// rotate makes next the refresh token of the login that is good, in place of given. Both
// are SHA-256 of the text. access is when the new access token expires, now and it in ms;
// accept may refuse the login, with the error that rotate returns then. A given token
// that was used before revokes the login: somebody has a copy of it.
func (l *Logins) rotate(id LoginID, given, next [sha256.Size]byte, accept func(*loginRecord) error, access, now int64, turn *turns.Turn) (r loginRecord, err error) {
	for try := range maxWrites {
		backOff(try)
		var v versions
		if r, v, err = l.load(id, now, turn); err != nil {
			return r, err
		}
		written := r.Refresh == next // by the try before: it was not answered, or reached one of two hash keys
		switch {
		case r.Revoked:
			l.revoked.add(id, r.Access, r.Access)
			return r, errRevoked
		case written && !v.differ:
			return r, nil
		case !written && subtle.ConstantTimeCompare(r.Refresh[:], given[:]) != 1:
			_ = l.revoke(id, r.Ends, now, turn)
			return r, ErrReused
		}
		if err := accept(&r); err != nil {
			return r, err
		}
		r.Refresh, r.Access = next, max(r.Access+1, access) // later than before: see newer
		if err = l.save(id, &r, v, now, turn); err != ErrConflict {
			return r, err
		}
	}
	return r, ErrConflict
}

// storeUse writes that a session is in use. A failure costs only that other instances do
// not know; the next use tries again.
func (l *Logins) storeUse(id LoginID, now int64, turn *turns.Turn) {
	r, v, err := l.load(id, now, turn)
	if err != nil || r.Revoked {
		return
	}
	r.Used = max(r.Used, now)
	if l.save(id, &r, v, now, turn) == nil {
		l.cache(id, &r, now)
	}
}
