// Package session issues and verifies what a login gives out: access tokens, refresh
// tokens and browser sessions. Each login is one record in a [Store], which instances may
// share.
//
// # What is issued
//
// Each is a text that begins with [Prefix] and a letter for its kind, then a payload and
// the HMAC-SHA-256 of prefix and payload, in base64url without padding:
//
//	fc_a_  an access token: login, times, client network, user name; good for TTL
//	fc_r_  a refresh token: login and its end; good once
//	fc_s_  a session, the value of a cookie: 32 random bytes; good until it
//	       has not been used for SessionTimeout
//
// While the hash key is changed, a dot and the HMAC under the previous key follow, and
// records are stored under both keys (items.go).
//
// All end with the login, at the latest RefreshTTL after it began.
//
// # Without the store
//
// An access token is believed for its signature while the store does not answer, a
// session for a minute after the store last confirmed it. A refresh, and a login that is
// to have more than an access token, need the store. A revocation holds here at once, and
// elsewhere as soon as the store answers.
//
// # What the store holds
//
// Names of items are keyed hashes and values are encrypted, so a stolen store names no
// user and opens no login. Where a store forgets a login, its session and refresh token
// end.
package session

import (
	"errors"
	"time"

	"fraudcheck/internal/turns"
)

// A Store keeps small values until their time is over: for this process ([Memory])
// or for all instances ([Memcached]). It may lose them at any time.
//
// turn is the request's. A store that is shared takes it for the operation, which fails
// with [ErrAway] where there is none in time.
type Store interface {
	// Get returns the value and its version, which is never 0. It fails with
	// [ErrMissing], or [ErrAway] when the store does not answer.
	Get(key string, now time.Time, turn *turns.Turn) (value []byte, version uint64, err error)
	// Put writes the value where the stored one has that version, or where there is
	// none for version 0. It fails with [ErrConflict] where that is not so, and with
	// [ErrAway], after which the value may have been written.
	Put(key string, value []byte, version uint64, now, until time.Time, turn *turns.Turn) error
	// Patience returns until when a request with that turn waits for another one that asks
	// the same.
	Patience(turn *turns.Turn) time.Time
}

// The failures of a [Store].
var (
	ErrMissing  = errors.New("not stored")
	ErrConflict = errors.New("another version is stored")
	ErrAway     = errors.New("the store does not answer")
)
