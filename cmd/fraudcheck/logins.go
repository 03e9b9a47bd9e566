package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"fraudcheck/internal/auth/session"
)

// openLogins gives the guard what tokens and sessions rest on: memcached where the
// records are there too, so that a logout is heard of by all instances.
func (s *service) openLogins() error {
	if s.memcached == nil {
		s.guard.Logins = session.NewLogins(s.keys.logins, session.NewMemory())
		return nil
	}
	shared := session.NewMemcached(s.memcached, s.settings.Store.Budget)
	logins := session.NewLogins(s.keys.logins, shared)
	s.guard.Logins, s.guard.SharedNonces = logins, shared
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				keep(logins, now, s.log)
			}
		}
	})
	s.open.add(func() {
		cancel()
		keeping.Wait()
	})
	return nil
}

func keep(logins *session.Logins, now time.Time, log *slog.Logger) {
	defer func() {
		if fault := recover(); fault != nil { // its value may quote what it choked on
			log.Error("panic in the store of logins", "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		}
	}()
	logins.StoreRevocations(now)
}
