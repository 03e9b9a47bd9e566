package session

import "sync"

// revocations are the logins that this instance knows to be revoked, each for as long
// as a token or session of it could be shown.
type revocations struct {
	mu      sync.RWMutex
	byLogin map[LoginID]revocation
}

// A revocation is kept until both times are past; in ms.
type revocation struct {
	access int64 // when the login's last access token expires
	until  int64 // when the login ends, or access once the store has been told
}

// maxRevocations bounds the revocations. One more replaces the one that ends first of a
// few.
const maxRevocations = 100_000

// has reports whether the login is known to be revoked.
func (r *revocations) has(id LoginID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, found := r.byLogin[id]
	return found
}

// add records that a login is revoked which would end at ends, and whose access tokens
// expire at access at the latest.
func (r *revocations) add(id LoginID, access, ends int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byLogin == nil {
		r.byLogin = make(map[LoginID]revocation)
	}
	known, found := r.byLogin[id]
	if !found && len(r.byLogin) >= maxRevocations {
		r.dropSoonest()
	}
	access = max(access, known.access)
	r.byLogin[id] = revocation{access, max(access, ends, known.until)}
}

// markStored records that the store knows: from now on it matters until access.
func (r *revocations) markStored(id LoginID, access int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.byLogin[id]; found {
		r.byLogin[id] = revocation{access, access}
	}
}

// dropSoonest drops, of 32 revocations, the one that ends first. Looking at all would
// cost too much under the lock; the order of a map is random, so any 32 will do.
func (r *revocations) dropSoonest() {
	const looked = 32
	var soonest LoginID
	n := 0
	for id, known := range r.byLogin {
		if n == 0 || known.until < r.byLogin[soonest].until {
			soonest = id
		}
		if n++; n == looked {
			break
		}
	}
	delete(r.byLogin, soonest)
}

// sample returns up to n logins, in no order, and drops those that are over. It looks at
// 2n at most.
func (r *revocations) sample(n int, now int64) (ids []LoginID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	looked := 0
	for id, known := range r.byLogin {
		if known.until <= now {
			delete(r.byLogin, id)
		} else {
			ids = append(ids, id)
		}
		if looked++; looked == 2*n || len(ids) == n {
			break
		}
	}
	return ids
}

// access returns when the last access token of a login expires, in ms; 0 for a login that
// is not revoked.
func (r *revocations) access(id LoginID) int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byLogin[id].access
}
