package main

import (
	"fmt"
	"runtime/debug"

	"fraudcheck/internal/velocity"
)

// openStore is the one place that knows the kinds of store. It does not fail
// because a server does not answer.
func (s *service) openStore() error {
	set := s.settings.Store
	if set.Kind == "memory" {
		s.checker = velocity.NewChecker(s.plan, s.keys.records, s.memory)
		return nil
	}
	log := s.log
	shared, err := velocity.NewMemcached(velocity.MemcachedSettings{
		Servers: set.Memcached.Servers, MaxConns: set.Memcached.MaxConns, Budget: set.Budget,
		Keys: s.keys.records, Local: s.memory, Observe: s.metrics.Operation,
		Changed: func(server string, up bool) {
			if up {
				log.Info("memcached is used again", "server", server)
			} else {
				log.Warn("memcached does not answer in time; answers rest on this instance's own knowledge until it does", "server", server)
			}
		},
		Panicked: func(fault any) { // its value may quote what it choked on; type and stack do not
			log.Error("panic in the store", "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		},
	})
	if err != nil {
		return err
	}
	s.checker = velocity.NewChecker(s.plan, s.keys.records, shared)
	shared.Watch(s.checker.Plan, s.now)
	s.open.add(func() { _ = shared.Close() })
	switch set.OnFailure {
	case "allow":
		s.checker.OnFailure(velocity.Allow)
	case "block":
		s.checker.OnFailure(velocity.Block)
	}
	return nil
}
