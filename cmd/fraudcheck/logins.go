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
func (p *parts) openLogins(log *slog.Logger) (closeLogins func(), err error) {
	s := p.settings.Store
	if s.Kind == "memory" {
		p.guard.Logins = session.NewLogins(p.tokens, session.NewMemory())
		return func() {}, nil
	}
	shared, err := session.NewMemcached(s.Memcached.Servers, s.Budget)
	if err != nil {
		return nil, err
	}
	logins := session.NewLogins(p.tokens, shared)
	p.guard.Logins, p.guard.SharedNonces = logins, shared
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
				keep(logins, now, log)
			}
		}
	})
	return func() {
		cancel()
		keeping.Wait()
		shared.Close()
	}, nil
}

func keep(logins *session.Logins, now time.Time, log *slog.Logger) {
	defer func() {
		if fault := recover(); fault != nil { // its value may quote what it choked on
			log.Error("panic in the store of logins", "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		}
	}()
	logins.StoreRevocations(now)
}
