// Package event is what happened at this instance, as those get it who watch it: what keeps
// the last decisions in memory, what logs them, what estimates shares.
package event

import (
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
)

// A Kind says what happened.
type Kind uint8

// The kinds of events.
const (
	Check   Kind = iota // a check was decided
	Outcome             // an issuer's answer was taken
)

// An Event is one thing that happened. What it points to, and its texts, are the request's
// memory, good until the watcher returns.
type Event struct {
	Kind      Kind
	Time      velocity.Time // of the request, by the instance's clock
	Attempt   *velocity.Attempt
	Decision  *velocity.Decision    // of a check; otherwise nil
	Answer    velocity.IssuerAnswer // of an outcome, as it was told: it may have been too late to count
	AttemptID string                // as the shop sent it, or as it was made here
	RequestID []byte
	Caller    *auth.Caller
	Took      time.Duration // of a check, from the request to the decision

	// Short ids of the card, 0 where it is not known, and of the attempt_id.
	ShortCard, ShortAttempt velocity.ShortID
}

// A Watcher is called for every event on the request's path, before the request is
// answered, from many goroutines at once. It neither waits nor keeps what it is given.
type Watcher func(*Event)
