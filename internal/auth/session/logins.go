package session

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"fraudcheck/internal/turns"
)

// Settings say for how long what a login issues is good.
type Settings struct {
	TTL            time.Duration // of an access token, at most RefreshTTL; 0: there are no logins
	RefreshTTL     time.Duration // from the login to the end of all that it issued, at most 720 h
	PerUser        int           // logins of one user at a time; one more ends the oldest
	Sliding        bool          // answers carry a fresh access token once half of one is spent
	SessionTimeout time.Duration // until a session that is not used ends
}

// A User is what a login needs to know of one.
type User struct {
	Name     string
	Password PasswordVersion
	BindIP   bool // what a login issues is good only from the [ClientNetwork] that logged in
}

// A PasswordVersion tells one configured password from the next: what was issued for
// another is refused. It leaves the process only encrypted.
type PasswordVersion [8]byte

// A Policy is the settings in force and the users that may log in. It must not change
// once it is in use.
type Policy struct {
	Settings
	Users map[string]*User // by name
}

// The failures, beside [ErrAway].
var (
	ErrInvalid = errors.New("not valid")
	ErrExpired = errors.New("expired")
	// ErrReused is a refresh token that was used before; its login is revoked.
	ErrReused = errors.New("the refresh token was used before")
	// ErrNoAddress is a login of a user with BindIP from no known address.
	ErrNoAddress = errors.New("the client's address is not known")
)

// Logins are what this instance knows and can look up of logins. They outlive a reload
// of the configuration.
//
// One login is one record in the store: its session and its tokens lead there. A
// revocation that this instance knows is not forgotten while it matters, whatever
// happens to the store; a login that the store lost is not there any more.
type Logins struct {
	keys       *Keys
	store      Store
	known      loginCache
	revoked    revocations
	longestTTL atomic.Int64 // ms: the longest that an access token has been good for
	listMu     sync.Mutex   // of changes to users' lists: those that meet here do not meet in the store
	unsynced   atomic.Bool  // the store may not know all revocations
}

// NewLogins makes the logins of a store, which other instances may share.
func NewLogins(keys *Keys, store Store) *Logins { return &Logins{keys: keys, store: store} }

// noteTTL notes for how long access tokens are good; before a reload they may have been
// good for longer, and a revocation must outlast the longest.
func (l *Logins) noteTTL(p *Policy) {
	for ms, longest := p.TTL.Milliseconds(), l.longestTTL.Load(); ms > longest && !l.longestTTL.CompareAndSwap(longest, ms); {
		longest = l.longestTTL.Load()
	}
}

// StoreRevocations writes to the store again what this instance knows to be revoked:
// all of it after the store did not answer, otherwise a part. It is to be called about
// once a second where the store is shared.
func (l *Logins) StoreRevocations(now time.Time) {
	const part = 64
	n := part
	if l.unsynced.Swap(false) {
		n = maxRevocations
	}
	turn := &turns.Turn{Class: turns.Write}
	for _, id := range l.revoked.sample(n, toMs(now)) {
		if l.storeRevocation(id, toMs(now), turn) != nil {
			return // and all of it again
		}
	}
}
