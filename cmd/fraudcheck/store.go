package main

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

// openStore makes the checker on the store that store.kind names. It is the one place
// that knows the kinds of store. A memcached that does not answer does not stop the
// start: checks are answered from this instance's copies until it does.
func (s *service) openStore() error {
	// on_failure matters only here: an embedded store always answers.
	set := s.settings.Store
	if set.Kind == "memory" {
		s.checker = velocity.NewChecker(s.plan, s.keys.records, s.memory)
		s.checker.ClockOff(s.clock.Off)
		if s.keys.previous != nil {
			s.checker.AlsoUnder(s.keys.previous, s.memory)
		}
		return nil
	}
	if err := s.openMemcached(); err != nil {
		return err
	}
	shared, err := s.openShared(s.memcached, s.keys.records, s.memory)
	if err != nil {
		return err
	}
	s.checker = velocity.NewChecker(s.plan, s.keys.records, shared)
	s.checker.ClockOff(s.clock.Off)
	if s.keys.previous != nil {
		if err := s.openPrevious(); err != nil {
			return err
		}
	}
	shared.Watch(s.checker.Plan, s.now)
	s.memcached.Await(time.Second) // so that the first answers are not degraded
	switch set.OnFailure {
	case "allow":
		s.checker.OnFailure(velocity.Allow)
	case "block":
		s.checker.OnFailure(velocity.Block)
	}
	return nil
}

// openShared makes the store of the records under these keys. local is the copy that
// answers while memcached does not.
func (s *service) openShared(client *memcached.Client, keys *velocity.Keys, local *velocity.Memory) (*velocity.Memcached, error) {
	shared, err := velocity.NewMemcached(velocity.MemcachedSettings{Client: client, Turns: s.turns, Keys: keys, Local: local, ClockOff: s.clock.Off})
	if err == nil {
		s.open.add(func() { _ = shared.Close() })
	}
	return shared, err
}

// openPrevious has the checker keep all records under the previous hash key too. They have
// a client of their own: what a server is told when it lost its memory, and whether it was,
// goes by hash key. What is logged of the other client holds for this one.
func (s *service) openPrevious() error {
	settings := s.clientSettings(s.keys.previous)
	settings.Changed = func(string, memcached.Trouble) {}
	client, err := memcached.New(settings)
	if err != nil {
		return err
	}
	s.open.add(func() { _ = client.Close() })
	shared, err := s.openShared(client, s.keys.previous, s.previous)
	if err != nil {
		return err
	}
	s.checker.AlsoUnder(s.keys.previous, shared)
	shared.Watch(s.checker.Plan, s.now)
	client.Await(time.Second)
	return nil
}

// openMemcached makes the one client of memcached, and the queue of those that ask it,
// which records, logins and nonces share. It fails only on settings, not because a server
// does not answer.
func (s *service) openMemcached() (err error) {
	set, limits := s.settings.Store, s.settings.Limits
	s.turns = turns.New(turns.Settings{
		Turns: set.Memcached.MaxConns, Answer: limits.Answer, Budget: set.Budget,
		Room: limits.InFlight - limits.InFlight/8, // so that waiting alone gets nobody a 503
	})
	if s.memcached, err = memcached.New(s.clientSettings(s.keys.records)); err == nil {
		s.open.add(func() { _ = s.memcached.Close() })
	}
	return err
}

// clientSettings are those of a client for the records under these keys.
func (s *service) clientSettings(keys *velocity.Keys) memcached.Settings {
	log := s.log
	return memcached.Settings{
		Servers: s.settings.Store.Memcached.Servers, Budget: s.turns.Budget,
		Canary: keys.CanaryKey(), Observe: s.metrics.Operation,
		Changed: func(server string, trouble memcached.Trouble) {
			if trouble == memcached.NoTrouble {
				log.Info("memcached is back in use:", "server", server)
			} else {
				log.Warn("memcached is not used, and answers rest on this instance's own knowledge:", "server", server, "because", string(trouble))
			}
		},
		Moved: func(server, from, to string) {
			log.Warn("memcached's name stands for another address, and all connections move there", "server", server, "from", from, "to", to)
		},
		Refused:  logRefusals(log),
		Panicked: func(fault any) { logPanic(log, "panic in the store", fault) },
	}
}

// logRefusals returns what logs the replies of servers that refuse writes, at most a line
// a minute. A reply has no secrets, but may be of any length and form: it is cut and
// quoted.
func logRefusals(log *slog.Logger) func(server, said string) {
	const longest = 100
	var last atomic.Int64
	return func(server, said string) {
		now := time.Now().Unix()
		if before := last.Load(); now-before < 60 || !last.CompareAndSwap(before, now) {
			return
		}
		log.Warn("memcached refuses a record; its subject is judged by this instance's own knowledge", "server", server, "said", strconv.Quote(said[:min(len(said), longest)]))
	}
}
