package session

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"
)

// What an instance knows of logins by itself, in ms.
const (
	// freshFor is how long the store's last answer is believed: a login costs at most
	// one read a second, and a logout at another instance is known within a second.
	freshFor = 1000
	// goodAlone is how long a session that is known here is good while the store does
	// not answer.
	goodAlone = 60_000
)

// A loginView is what the store said of a login when it last answered.
type loginView struct {
	asked     int64 // ms; when the store was last asked
	confirmed int64 // ms; when it last answered, 0 for never
	found     bool
	record    loginRecord
}

// local reports whether the last question was not answered: the view is this instance's
// own knowledge.
func (v *loginView) local() bool { return v.asked != v.confirmed }

// unanswered returns the view after a question at now that was not answered. v may be nil.
func (v *loginView) unanswered(now int64) *loginView {
	if v == nil {
		return &loginView{asked: now}
	}
	return &loginView{asked: now, confirmed: v.confirmed, found: v.found, record: v.record}
}

// isFresh takes a question that another request asked a moment after now; a clock set
// back further makes the view stale.
func (v *loginView) isFresh(now int64) bool {
	return v != nil && now-v.asked < freshFor && now-v.asked > -freshFor
}

// A knownLogin is a login's entry in the cache.
type knownLogin struct {
	asking  chan struct{} // full while a request asks the store
	view    atomic.Pointer[loginView]
	used    atomic.Int64 // ms; when its session was last used here
	shown   atomic.Int64 // ms; when an access token of it was last shown here
	written atomic.Int64 // ms; when that was last written to the store, or tried
}

// await waits until no other request asks the store, at most until then, and reports
// whether the store may be asked.
func (k *knownLogin) await(until time.Time) bool {
	if k.tryAsk() {
		return true
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case k.asking <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// tryAsk reports whether no other request asks the store; then the store may be asked.
func (k *knownLogin) tryAsk() bool {
	select {
	case k.asking <- struct{}{}:
		return true
	default:
		return false
	}
}

// asked ends the time in which the store may be asked.
func (k *knownLogin) asked() { <-k.asking }

// maxCached is how many logins are cached at most.
const maxCached = 10_000

// A loginCache holds the logins that were seen lately. Only logins with a valid
// signature get in. When the young generation is full it becomes the old one, and what
// was old is dropped: the store is asked again for it.
type loginCache struct {
	mu         sync.Mutex
	young, old map[LoginID]*knownLogin
}

// entry returns the login's entry, an empty one where there was none. An entry of the old
// generation moves to the young one.
func (c *loginCache) entry(id LoginID) *knownLogin {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.young[id]; k != nil {
		return k
	}
	k := c.old[id]
	if k == nil {
		k = &knownLogin{asking: make(chan struct{}, 1)}
	}
	if c.young == nil || len(c.young) >= maxCached/2 {
		c.young, c.old = make(map[LoginID]*knownLogin), c.young
	}
	c.young[id] = k
	return k
}

// find returns the login's entry where it is; nil where there is none.
func (c *loginCache) find(id LoginID) *knownLogin {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.young[id], c.old[id])
}
