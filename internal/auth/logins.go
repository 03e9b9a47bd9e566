package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth/session"
)

// TokenSettings say for how long what a login issues is good.
type TokenSettings struct {
	TTL            time.Duration // of an access token, at most RefreshTTL
	RefreshTTL     time.Duration // from the login to the end of all that came of it, at most 720 h
	PerUser        int           // logins of one user that live at once; the oldest leaves
	Sliding        bool          // answers carry a fresh access token once half of one is spent
	SessionTimeout time.Duration // of a session that is not used
}

// Logins are what this instance knows and can find out of those who logged in. They
// outlive a reload of the configuration.
//
// One login is one record in the store: its session leads there, and so do its
// tokens. What an instance learns to be revoked it never forgets while it matters,
// whatever becomes of the store; what a store lost is not there any more.
type Logins struct {
	keys    *Keys
	store   session.Store
	known   loginCache
	revoked revocations
	longest atomic.Int64 // ms: the longest life that an access token has had
	listing sync.Mutex   // of a user's logins: those that meet here need not meet in the store
	behind  atomic.Bool  // the store may not have heard of all that is revoked
}

// NewLogins makes them, over a store that they share with other instances or not.
func NewLogins(keys *Keys, store session.Store) *Logins { return &Logins{keys: keys, store: store} }

// tokensLive notes for how long access tokens are good now: they may have been good
// for longer before a reload.
func (l *Logins) tokensLive(ttl time.Duration) {
	for ms, longest := ttl.Milliseconds(), l.longest.Load(); ms > longest && !l.longest.CompareAndSwap(longest, ms); {
		longest = l.longest.Load()
	}
}

// writes bounds how often a write starts anew because another came first.
const writes = 16

// slack is how much longer than it matters a record is kept, for clocks that differ.
const slack = time.Minute

var errRevoked = errors.New("the login was revoked")

// load reads a login's record. One that is forged, or another's, is missing; its
// version is there all the same, to be written over.
func (l *Logins) load(id loginID, now int64) (r loginRecord, version uint64, err error) {
	value, version, err := l.get(l.keys.itemKey("login", id[:]), now)
	if err == nil && r.read(value) != nil {
		return loginRecord{}, version, session.ErrMissing
	}
	return r, version, err
}

func (l *Logins) get(key string, now int64) (value []byte, version uint64, err error) {
	sealed, version, err := l.store.Get(key, fromMs(now))
	if err != nil {
		return nil, 0, err
	}
	if value, err = l.keys.open(key, sealed); err != nil {
		return nil, version, session.ErrMissing
	}
	return value, version, nil
}

func (l *Logins) put(key string, value []byte, version uint64, now, until int64) error {
	return l.store.Put(key, l.keys.seal(key, value), version, fromMs(now), fromMs(until).Add(slack))
}

func (l *Logins) save(id loginID, r *loginRecord, version uint64, now int64) error {
	until := r.Ends
	if r.Revoked {
		until = r.Access
	}
	return l.put(l.keys.itemKey("login", id[:]), r.append(nil), version, now, until)
}

// look returns what is known of a login: from the store where it answers, and from
// here for a second after that. One asks, others wait for the answer.
func (l *Logins) look(id loginID, now int64) (*knownLogin, *loginView) {
	k := l.known.of(id)
	if v := k.view.Load(); v.isFresh(now) {
		return k, v
	}
	k.asking.Lock()
	defer k.asking.Unlock()
	before := k.view.Load()
	if before.isFresh(now) {
		return k, before
	}
	v := &loginView{asked: now, confirmed: now}
	var err error
	switch v.record, _, err = l.load(id, now); {
	case err == nil:
		v.found = true
		if v.record.Revoked {
			l.revoked.add(id, v.record.Access, v.record.Access)
		}
	case err == session.ErrMissing:
	case before != nil:
		v.confirmed, v.found, v.record = before.confirmed, before.found, before.record
	default:
		v.confirmed = 0
	}
	k.view.Store(v)
	return k, v
}

// note keeps what was just written.
func (l *Logins) note(id loginID, r *loginRecord, now int64) {
	k := l.known.of(id)
	k.asking.Lock()
	defer k.asking.Unlock()
	k.view.Store(&loginView{asked: now, confirmed: now, found: true, record: *r})
}

// begin records a new login; the oldest of the user's leave where there are too
// many. It is on the user's list first, and they are revoked: none lives that is
// not counted.
func (l *Logins) begin(id loginID, r *loginRecord, perUser int, now int64) error {
	var leaving loginList
	err := l.changeList(r.name, now, func(list loginList) loginList {
		over := max(0, len(list)-perUser+1)
		leaving = list[:over]
		return append(slices.Clone(list[over:]), loginEntry{ID: id, Ends: r.Ends})
	})
	if err != nil {
		return err
	}
	for _, e := range leaving {
		if err := l.revoke(e.ID, e.Ends, now); err != nil {
			return err
		}
	}
	err = l.save(id, r, 0, now)
	if err == session.ErrConflict { // so many log in that it had to leave already
		return nil
	}
	if err == nil {
		l.note(id, r, now)
	}
	return err
}

// changeList writes a user's list anew, those that have ended left out.
func (l *Logins) changeList(name string, now int64, change func(loginList) loginList) error {
	l.listing.Lock()
	defer l.listing.Unlock()
	key := l.keys.itemKey("user", []byte(name))
	for try := range writes {
		wait(try)
		var list loginList
		value, version, err := l.get(key, now)
		switch {
		case err == nil:
			_ = list.read(value) // one that cannot be read is empty
		case err != session.ErrMissing:
			return err
		}
		list = change(slices.DeleteFunc(list, func(e loginEntry) bool { return e.Ends <= now }))
		until := now
		for _, e := range list {
			until = max(until, e.Ends)
		}
		if err = l.put(key, list.append(nil), version, now, until); err != session.ErrConflict {
			return err
		}
	}
	return session.ErrConflict
}

// leave takes a login off its user's list, that it may not count any more. Where
// that fails it counts until it would have ended.
func (l *Logins) leave(id loginID, name string, now int64) {
	_ = l.changeList(name, now, func(list loginList) loginList {
		return slices.DeleteFunc(list, func(e loginEntry) bool { return e.ID == id })
	})
}

// revoke ends a login here at once, and in the store; of itself it would end then.
// After an error other instances have not heard of it; Keep tells them.
func (l *Logins) revoke(id loginID, ends, now int64) error {
	l.revoked.add(id, now+l.longest.Load(), ends)
	return l.tell(id, now)
}

// tell writes to the store that a login is revoked, if it does not say so.
func (l *Logins) tell(id loginID, now int64) (err error) {
	defer func() {
		if err != nil {
			l.behind.Store(true)
		}
	}()
	for try := range writes {
		wait(try)
		r, version, err := l.load(id, now)
		if err != nil && err != session.ErrMissing {
			return err
		}
		access := max(r.Access, l.revoked.access(id)) // others may have issued tokens too
		if !r.Revoked || r.Access < access {
			gone := loginRecord{loginState: loginState{Revoked: true, Access: access}}
			err = l.save(id, &gone, version, now)
		}
		switch err {
		case nil:
			l.revoked.told(id, access)
			return nil
		case session.ErrConflict:
		default:
			return err
		}
	}
	return session.ErrConflict
}

// wait parts those whose writes met, a little longer each time.
func wait(try int) {
	if try > 0 {
		time.Sleep(rand.N(time.Duration(try) * time.Millisecond))
	}
}

// rotate makes next the refresh token of the login that is good, in place of given.
// One that was given before revokes the login: somebody has a copy of it.
func (l *Logins) rotate(id loginID, given, next [sha256.Size]byte, accept func(*loginRecord) bool, access, now int64) (r loginRecord, err error) {
	for try := range writes {
		wait(try)
		var version uint64
		if r, version, err = l.load(id, now); err != nil {
			return r, err
		}
		switch {
		case r.Revoked:
			l.revoked.add(id, r.Access, r.Access)
			return r, errRevoked
		case r.Refresh == next: // written by the try before, which was not answered
			return r, nil
		case subtle.ConstantTimeCompare(r.Refresh[:], given[:]) != 1:
			_ = l.revoke(id, r.Ends, now)
			return r, errReused
		case !accept(&r):
			return r, errRevoked
		}
		r.Refresh, r.Access = next, max(r.Access, access)
		if err = l.save(id, &r, version, now); err != session.ErrConflict {
			return r, err
		}
	}
	return r, session.ErrConflict
}

var errReused = errors.New("the refresh token was used before")

// touch writes that a session is in use.
func (l *Logins) touch(id loginID, now int64) {
	r, version, err := l.load(id, now)
	if err != nil || r.Revoked {
		return
	}
	r.Used = max(r.Used, now)
	if l.save(id, &r, version, now) == nil {
		l.note(id, &r, now)
	}
}

// Keep tells the store again of what this instance knows to be revoked: all of it
// after the store was away, otherwise a part. It is to be called every second or
// so, where the store is shared.
func (l *Logins) Keep(now time.Time) {
	const part = 64
	n := part
	if l.behind.Swap(false) {
		n = maxRevocations
	}
	for _, id := range l.revoked.some(n, toMs(now)) {
		if l.tell(id, toMs(now)) != nil {
			return // and all of it again
		}
	}
}
