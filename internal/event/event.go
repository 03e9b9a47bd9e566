// Package event is what happened at this instance, as those get it who watch it: what keeps
// the last decisions in memory, what logs them, what estimates shares.
package event

import (
	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
)

// A Kind says what happened.
type Kind uint8

// The kinds of events.
const (
	Check      Kind = iota // a check was decided
	Outcome                // an issuer's answer was taken
	Forget                 // an analyst had a subject forgotten
	Override               // an analyst set an override on an IP address, or removed it
	Reload                 // the configuration was reloaded
	LoginEnded             // an operator ended a login
)

// An Event is one thing that happened. What it points to, and its texts, are the request's
// memory, good until the watcher returns.
type Event struct {
	Kind      Kind
	Time      velocity.Time         // of the request, by the instance's clock
	Attempt   *velocity.Attempt     // of a forget or an override: the subject alone; of a reload or the end of a login nil
	Decision  *velocity.Decision    // of a check; otherwise nil
	Answer    velocity.IssuerAnswer // of an outcome, as it was told: it may have been too late to count
	AttemptID string                // as the shop sent it, or as it was made here
	RequestID []byte
	Caller    *auth.Caller // nil for a reload
	// What is, of a forget, the kind of the subject ("ip", "email", ...); of an override
	// "allow", "block" or "remove"; of a reload what asked for it, "SIGHUP" or "file"; of a
	// login that was ended the characters that end the tag of its log lines.
	What  string
	Until velocity.Time // when an override that was set ends; otherwise 0

	// Short ids of the card, 0 where it is not known, and of the attempt_id.
	ShortCard, ShortAttempt velocity.ShortID

	subject [16]byte // see Subject
	hash    uint64
	hashed  bool
}

// A Watcher is called for every event, on the request's path where there is a request: once
// what happened stands, and before it is answered; from many goroutines at once. It neither waits nor keeps what it is given.
type Watcher func(*Event)
