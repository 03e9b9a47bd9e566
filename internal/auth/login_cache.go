package auth

import (
	"sync"
	"sync/atomic"
)

// What an instance knows of logins by itself. Times are in ms.
const (
	// fresh is how long what the store said is believed: at most one question per
	// login and second, and a logout elsewhere is heard of within one.
	fresh = 1000
	// honoured is how long a session known here is good while the store is away.
	honoured = 60_000
)

// A loginView is what the store said of a login when it last answered.
type loginView struct {
	asked     int64 // when it was last asked
	confirmed int64 // when it last answered, 0 for never
	found     bool
	record    loginRecord
}

// local reports whether the last question was not answered.
func (v *loginView) local() bool { return v.asked != v.confirmed }

// isFresh tolerates a question asked a moment after now by somebody else; a clock
// set back makes it stale.
func (v *loginView) isFresh(now int64) bool {
	return v != nil && now-v.asked < fresh && now-v.asked > -fresh
}

// A knownLogin is a login's place in the cache.
type knownLogin struct {
	asking  sync.Mutex // held by the one who asks the store
	view    atomic.Pointer[loginView]
	used    atomic.Int64 // when its session was last used here
	touched atomic.Int64 // when that was last written, or tried to be
}

// A loginCache keeps logins that were seen lately, bounded: what is forgotten is
// asked for again. Only what we signed gets in. There are two generations, as in
// tokenCache.
type loginCache struct {
	mu         sync.Mutex
	young, old map[loginID]*knownLogin
}

func (c *loginCache) of(id loginID) *knownLogin {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.young[id]; k != nil {
		return k
	}
	k := c.old[id]
	if k == nil {
		k = new(knownLogin)
	}
	if c.young == nil || len(c.young) >= maxKnown/2 {
		c.young, c.old = make(map[loginID]*knownLogin), c.young
	}
	c.young[id] = k
	return k
}

// revocations are the logins this instance knows to be revoked, each for as long as
// anything of it could be shown.
type revocations struct {
	mu sync.RWMutex
	of map[loginID]revocation
}

// A revocation matters until the last access token of its login has expired; as
// long as the store was not told, until the login would have ended.
type revocation struct{ access, until int64 }

// maxRevocations bounds them; past it what ends soonest of a few is forgotten.
const maxRevocations = 100_000

func (r *revocations) has(id loginID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, found := r.of[id]
	return found
}

// add notes a login that ends then at the latest, access tokens when they expire.
func (r *revocations) add(id loginID, access, ends int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[loginID]revocation)
	}
	known, found := r.of[id]
	if !found && len(r.of) >= maxRevocations {
		r.dropSoonest()
	}
	access = max(access, known.access)
	r.of[id] = revocation{access, max(access, ends, known.until)}
}

// told notes that the store knows, until the last access token has expired.
func (r *revocations) told(id loginID, access int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.of[id]; found {
		r.of[id] = revocation{access, access}
	}
}

func (r *revocations) dropSoonest() {
	const looked = 32
	var soonest loginID
	n := 0
	for id, known := range r.of {
		if n == 0 || known.until < r.of[soonest].until {
			soonest = id
		}
		if n++; n == looked {
			break
		}
	}
	delete(r.of, soonest)
}

// some returns up to n of them, in no order, and forgets what it finds to be over.
func (r *revocations) some(n int, now int64) (ids []loginID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	looked := 0
	for id, known := range r.of {
		if known.until <= now {
			delete(r.of, id)
		} else {
			ids = append(ids, id)
		}
		if looked++; looked == 2*n || len(ids) == n {
			break
		}
	}
	return ids
}

// access is when the last access token of a login expires.
func (r *revocations) access(id loginID) int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[id].access
}
