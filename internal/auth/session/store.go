// Package session issues and verifies what a login gives out: access tokens, refresh
// tokens and browser sessions. Each login is one record in a [Store], which instances
// may share.
package session

import (
	"errors"
	"time"
)

// A Store keeps small values until their time is over: for this process ([Memory])
// or for all instances ([Memcached]). It may lose them at any time.
//
// waited is how long the request has waited for the store so far: an operation waits no
// longer than what that leaves of the store's budget.
type Store interface {
	// Get returns the value and its version, which is never 0. It fails with
	// [ErrMissing], or [ErrAway] when the store does not answer.
	Get(key string, now time.Time, waited time.Duration) (value []byte, version uint64, err error)
	// Put writes the value where the stored one has that version, or where there is
	// none for version 0. It fails with [ErrConflict] where that is not so, and with
	// [ErrAway], after which the value may have been written.
	Put(key string, value []byte, version uint64, now, until time.Time, waited time.Duration) error
}

// The failures of a [Store].
var (
	ErrMissing  = errors.New("not stored")
	ErrConflict = errors.New("another version is stored")
	ErrAway     = errors.New("the store does not answer")
)
