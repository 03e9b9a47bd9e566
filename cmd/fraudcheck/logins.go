package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fraudcheck/internal/auth/session"
)

// openLogins gives the guard what tokens and sessions rest on: memcached where the
// records are there too, so that a logout is heard of by all instances. Then it also
// writes the revocations that this instance knows to the store once a second, since a
// server may have lost them.
func (s *service) openLogins() error {
	if s.memcached == nil {
		s.guard.Logins = session.NewLogins(s.keys.logins, session.NewMemory())
		return nil
	}
	shared := session.NewMemcached(s.memcached, s.turns)
	logins := session.NewLogins(s.keys.logins, shared)
	s.guard.Logins, s.guard.SharedNonces = logins, shared
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		every(ctx, time.Second, func(now time.Time) { storeRevocations(logins, now, s.log) })
	})
	// The last write must be over before the store below is closed.
	s.open.add(func() {
		cancel()
		running.Wait()
	})
	return nil
}

// storeRevocations tells the store which logins have ended. A panic must not end the
// process, nor the goroutine.
func storeRevocations(logins *session.Logins, now time.Time, log *slog.Logger) {
	defer func() {
		if fault := recover(); fault != nil {
			logPanic(log, "panic in the store of logins", fault)
		}
	}()
	logins.StoreRevocations(now)
}
