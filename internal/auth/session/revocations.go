package session

import "sync"

// revocations are the logins that this instance knows to be revoked, each for as long
// as a token or session of it could be shown.
type revocations struct {
	mu sync.RWMutex
	of map[loginID]revocation
}

// A revocation is kept until both times are past; in ms.
type revocation struct {
	access int64 // when the login's last access token expires
	until  int64 // when the login ends, or access once the store has been told
}

// maxRevocations bounds the revocations. One more replaces the one that ends first of
// a few.
const maxRevocations = 100_000

func (r *revocations) has(id loginID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, found := r.of[id]
	return found
}

// add records that a login is revoked which would end at ends, and whose access tokens
// expire at access at the latest.
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

// stored records that the store knows: from now on it matters until access.
func (r *revocations) stored(id loginID, access int64) {
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

// some returns up to n logins, in no order, and drops those that are over.
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

// access is when the last access token of a login expires, in ms.
func (r *revocations) access(id loginID) int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[id].access
}
