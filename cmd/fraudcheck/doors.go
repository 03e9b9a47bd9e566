package main

import (
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/server"
)

func (s *service) makeDoors() error {
	ofCallers, ofOperators, err := s.connections()
	if err != nil {
		return err
	}
	limits, metrics, log := s.settings.Limits, s.metrics, s.log
	s.callers = server.New(server.Settings{
		Checker: s.checker,
		Guard:   s.guard,
		Now:     s.clock.Now,
		Log:     log,
		Address: addressForm(s.settings.Log.IP, s.keys.log),
		TagKey:  s.keys.log,
		Events: server.Events{
			Request: metrics.Request, Decision: metrics.Decision, PANLike: metrics.PANLike,
			AcceptFailed: acceptFailed(metrics, log, "callers"), MadeRoom: madeRoom(metrics, log, "callers"),
		},
		InFlight: limits.InFlight, Connections: ofCallers,
		Read: limits.Read, Write: limits.Write, Idle: limits.Idle,
		TLS: s.certificate.config(), CORS: s.cors,
	})
	s.operators = operator.New(operator.Settings{
		Checker: s.checker, Guard: s.guard, Metrics: metrics, Now: s.clock.Now, Ready: s.callers.Ready, Log: log, TagKey: s.keys.log,
		TLS: s.certificate.config(), CORS: s.cors,
		Connections: ofOperators, AcceptFailed: acceptFailed(metrics, log, "operators"), MadeRoom: madeRoom(metrics, log, "operators"),
	})
	return nil
}

// connections is how many connections may be open at once at each door: together as
// many as the process may have files open, less what memcached, logs and snapshots
// need. The operators' share is at most a quarter, so that nobody at that door can
// leave none for checks.
func (s *service) connections() (callers, operators int, err error) {
	const others, least = 64, 32
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, 0, fmt.Errorf("cannot find out how many files may be open: %w", err)
	}
	reserve := others
	if store := s.settings.Store; store.Kind == "memcached" {
		reserve += len(store.Memcached.Servers) * memcached.ConnsPerServer
	}
	if limit.Cur < uint64(reserve+least) {
		return 0, 0, fmt.Errorf("open files (ulimit -n): expected at least %d", reserve+least)
	}
	left, set := int(min(limit.Cur, 1<<20))-reserve, s.settings.Limits.Connections
	operators = min(set.Operators, left/4)
	if callers = left - operators; set.Callers > 0 {
		callers = min(callers, set.Callers)
	}
	return callers, operators, nil
}

// acceptFailed counts accepts that failed, and logs them at most once a minute.
func acceptFailed(metrics *operator.Metrics, log *slog.Logger, door string) func(error) {
	rarely := onceA(time.Minute)
	return func(err error) {
		metrics.AcceptFailed(door)
		if rarely() {
			log.Error("cannot accept connections, trying again", "door", door, "error", err)
		}
	}
}

// madeRoom counts connections closed because there were too many, and logs that at
// most once a minute.
func madeRoom(metrics *operator.Metrics, log *slog.Logger, door string) func() {
	rarely := onceA(time.Minute)
	return func() {
		metrics.MadeRoom(door)
		if rarely() {
			log.Warn("too many connections: the one idle longest is closed for each new one", "door", door)
		}
	}
}

// onceA reports true for the first call, and then for the first after each interval.
// It is for one goroutine.
func onceA(interval time.Duration) func() bool {
	var last time.Time
	return func() bool {
		now := time.Now()
		if !last.IsZero() && now.Sub(last) < interval {
			return false
		}
		last = now
		return true
	}
}
