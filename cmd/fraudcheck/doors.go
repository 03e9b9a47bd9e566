package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"fraudcheck/internal/callers"
	"fraudcheck/internal/console"
	"fraudcheck/internal/door"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// makeDoors makes the servers of both ports. They differ in their routes, and in that the
// operators' is ready when the callers' is: a probe at either port tells whether checks
// are answered.
func (s *service) makeDoors() error {
	ofCallers, ofOperators, err := s.connections()
	if err != nil {
		return err
	}
	forCallers, forOperators := s.doorSettings("callers"), s.doorSettings("operators")
	address := addressForm(s.settings.Log.IP, s.keys.log)
	callersAPI := &callers.API{Checker: s.checker, Now: s.clock.Now, Address: address, AcceptNoIP: s.settings.AcceptNoIP, Events: forCallers.Events,
		ShortIDs: s.keys.short}
	operatorsAPI := &operator.API{Checker: s.checker, Guard: s.guard, Metrics: s.metrics, Now: s.clock.Now, Address: address, Profiles: s.settings.Debug.PProf, Peers: s.peers, Self: s.self(),
		Minutes: s.minutes, Ring: s.ring, Instance: s.instance, ShortIDs: s.keys.short, CursorKey: s.keys.cursors}
	callersAPI.Watchers = append(callersAPI.Watchers, recent.Together(s.ring, s.traffic).Watch, suspects(s.log, address))
	if s.decisions != nil {
		callersAPI.Watchers = append(callersAPI.Watchers, s.decisions.Watch)
	}
	s.watchBlocked(callersAPI, operatorsAPI)
	forCallers.Elsewhere, forCallers.OtherPort = operatorsAPI.Routes(), "operators' port (operator_listen)"
	forOperators.Elsewhere, forOperators.OtherPort = callersAPI.Routes(), "callers' port (listen)"
	s.watchers, operatorsAPI.Watchers = callersAPI.Watchers, callersAPI.Watchers
	if s.memcached != nil {
		operatorsAPI.LocalFor = velocity.LocalFor
	}
	callersDoor := door.New(forCallers, callersAPI.Routes()...)
	s.callers = s.serverOf(callersDoor, ofCallers)

	forOperators.Ready = callersDoor.IsReady
	operatorsDoor := door.New(forOperators, append(operatorsAPI.Routes(), console.Routes()...)...)
	s.operators = s.serverOf(operatorsDoor, ofOperators)

	s.metrics.AddRoutes(callersDoor.Paths())
	s.metrics.AddRoutes(operatorsDoor.Paths())
	return nil
}

// doorSettings returns the settings that both doors share; port is "callers" or
// "operators", for the metrics.
func (s *service) doorSettings(port string) door.Settings {
	return door.Settings{
		Guard: s.guard, CORS: s.cors, TLS: s.policy.certificate != nil, Log: s.log, TagKey: s.keys.log, InFlight: s.settings.Limits.InFlight,
		Instance: s.peers.Header(),
		Events: door.Events{
			Request: s.metrics.Request, Decision: decided(s.metrics, s.traffic, s.log), Outcome: s.metrics.Outcome, NoIP: s.metrics.NoIP, PANLike: s.metrics.PANLike,
			AcceptFailed: acceptFailed(s.metrics, s.log, port), MadeRoom: madeRoom(s.metrics, s.log, port),
			TLSFailed: tlsFailed(s.metrics, s.log, port),
		},
	}
}

// serverOf makes the server of a door, with at most that many connections.
func (s *service) serverOf(d *door.Door, connections int) *server.Server {
	limits := s.settings.Limits
	return server.New(d, server.Settings{
		Connections: connections, Read: limits.Read, Write: limits.Write, Idle: limits.Idle, TLS: s.certificate.config(),
	})
}

// connections returns how many connections may be open at once at each port: together as
// many as the process may have files open, less what memcached, logs and snapshots need.
// The operators' share is at most a quarter, so that no load at that port can leave none
// for checks. It fails where fewer than 32 would be left for both.
func (s *service) connections() (callers, operators int, err error) {
	// others is for logs, snapshots, the configuration's files, listeners, connections that
	// are being closed (listener.MaxClosing at each port) and what Go itself has open; least is the fewest connections with which a start makes sense.
	const others, least = 64, 32
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, 0, fmt.Errorf("cannot find out how many files may be open: %w", err)
	}
	reserve := others
	if store := s.settings.Store; store.Kind == "memcached" {
		reserve += len(store.Memcached.Servers) * memcached.ConnsPerServer
		if s.previous != nil { // it has a client of its own
			reserve += len(store.Memcached.Servers) * memcached.ConnsPerServer
		}
	}
	if limit.Cur < uint64(reserve+least) {
		return 0, 0, fmt.Errorf("open files (ulimit -n): expected at least %d", reserve+least)
	}
	// Limits can be "unlimited", far more than an int counts or a map should hold.
	left, set := int(min(limit.Cur, 1<<20))-reserve, s.settings.Limits.Connections
	operators = min(set.Operators, left/4)
	if callers = left - operators; set.Callers > 0 {
		callers = min(callers, set.Callers)
	}
	return callers, operators, nil
}

// decided returns what counts decisions and how long they took, and warns at most once a
// minute of checks without a card that no rule bounds.
func decided(metrics *operator.Metrics, traffic *recent.Traffic, log *slog.Logger) func(*velocity.Decision, time.Duration) {
	rarely := atMostEvery(time.Minute)
	return func(d *velocity.Decision, took time.Duration) {
		traffic.Took(took)
		metrics.Decision(d, took)
		if d.UnboundedLater && rarely() {
			log.Warn("callers send card: later, and no enforced rule counts attempts of their subjects: any number of such checks pass before their cards are told")
		}
	}
}

// acceptFailed returns what counts accepts that failed at the port, and logs them at most
// once a minute.
func acceptFailed(metrics *operator.Metrics, log *slog.Logger, port string) func(error) {
	rarely := atMostEvery(time.Minute)
	return func(err error) {
		metrics.AcceptFailed(port)
		if rarely() {
			log.Error("cannot accept connections, trying again", "port", port, "error", err)
		}
	}
}

// madeRoom returns what counts connections closed because there were too many, and logs
// that at most once a minute.
func madeRoom(metrics *operator.Metrics, log *slog.Logger, port string) func() {
	rarely := atMostEvery(time.Minute)
	return func() {
		metrics.MadeRoom(port)
		if rarely() {
			log.Warn("too many connections: the one idle longest is closed for each new one", "port", port)
		}
	}
}

// tlsFailed returns what counts TLS handshakes that failed at the port, and logs of each
// reason one a minute: a misconfigured caller is found, and a scanner fills no log.
func tlsFailed(metrics *operator.Metrics, log *slog.Logger, port string) func(string, netip.Addr, error) {
	rarely := make(map[string]func() bool)
	for _, reason := range listener.TLSReasons {
		rarely[reason] = atMostEvery(time.Minute)
	}
	return func(reason string, from netip.Addr, err error) {
		metrics.TLSFailed(port, reason)
		if rarely[reason]() {
			by := "unix"
			if from.IsValid() {
				by = from.Unmap().String()
			}
			log.Warn("TLS: a handshake failed", "port", port, "reason", reason, "from", by, "error", err)
		}
	}
}

// atMostEvery returns a function that is true for the first call, and then for the first
// after each interval. It is safe for concurrent use.
func atMostEvery(interval time.Duration) func() bool {
	var mu sync.Mutex
	var last time.Time
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if !last.IsZero() && now.Sub(last) < interval {
			return false
		}
		last = now
		return true
	}
}
