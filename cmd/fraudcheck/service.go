package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/logging"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// A service is what runs. It is built once; a reload replaces only the policy in
// force, which is in checker, guard and certificate.
type service struct {
	*policy     // of the start
	keys        *keys
	clock       *velocity.Clock
	memory      *velocity.Memory
	memcached   *memcached.Client // nil with the embedded store
	checker     *velocity.Checker
	guard       *auth.Guard
	certificate certificate
	metrics     *operator.Metrics

	callers         *server.Server
	operators       *server.Server
	callersListen   net.Listener
	operatorsListen net.Listener

	log         *slog.Logger
	closeLog    func()
	logsDropped func() uint64

	open   closers
	failed chan error // why the service cannot go on
}

// newService builds a service from the policy. It listens, but accepts no connection
// before start. closeLog is to be called after everything else.
func newService(p *policy, stderr io.Writer) (s *service, err error) {
	s = &service{policy: p, guard: auth.NewGuard(p.authPolicy), clock: velocity.NewClock(time.Now()), closeLog: func() {}, failed: make(chan error, 3)}
	s.certificate.Store(p.certificate)
	for _, step := range []func() error{
		s.checkSnapshotFile, s.makeKeys, s.makeMemory, s.listen,
		func() error { return s.openLog(stderr) },
		s.makeMetrics, s.openStore, s.openLogins, s.makeDoors, s.loadSnapshot,
	} {
		if err := step(); err != nil {
			s.close()
			s.closeLog()
			return nil, p.config.Locate(err)
		}
	}
	return s, nil
}

// unusable returns the error of a setting whose value is well-formed but cannot be used.
func unusable(key string, problem error) error { return &config.Error{Key: key, Problem: problem} }

func (s *service) makeKeys() (err error) {
	s.keys, err = s.policy.makeKeys()
	return err
}

// makeMemory reserves store.memory.max_bytes of address space, once for the whole run.
func (s *service) makeMemory() (err error) {
	if s.memory, err = velocity.NewMemory(int64(s.settings.Store.Memory.MaxBytes)); err != nil {
		return unusable("store.memory.max_bytes", err)
	}
	return nil
}

// listen takes both addresses, so that a busy one ends the start.
func (s *service) listen() (err error) {
	if s.callersListen, err = net.Listen("tcp", s.settings.Listen); err != nil {
		return unusable("listen", err)
	}
	if s.operatorsListen, err = net.Listen("tcp", s.settings.OperatorListen); err != nil {
		return unusable("operator_listen", err)
	}
	return nil
}

// openLog opens the log and writes its first lines.
func (s *service) openLog(stderr io.Writer) (err error) {
	var file io.WriteCloser
	set := s.settings.Log
	if set.Path != "" {
		if file, err = logging.OpenFile(set.Path, set.Days, time.Now); err != nil {
			return unusable("log.path", err)
		}
	}
	s.log, s.closeLog, s.logsDropped = logging.New(stderr, file, set.Level, set.Format)
	s.introduce()
	return nil
}

// makeMetrics makes every series of the closed sets, at zero.
func (s *service) makeMetrics() error {
	var servers []string
	if s.settings.Store.Kind == "memcached" {
		servers = s.settings.Store.Memcached.Servers
	}
	s.metrics = operator.NewMetrics(s.plan, servers, operator.Sources{
		Memory: s.memory.Stats, LogDropped: s.logsDropped, ClockAhead: s.clock.Ahead,
	})
	s.guard.Observe = s.metrics.Auth
	return nil
}

// now is the time that records and rules go by.
func (s *service) now() velocity.Time { return s.clock.Now(time.Now()) }

// start serves both ports. When one of them cannot go on, failed receives the reason.
func (s *service) start(stdout io.Writer) {
	if s.settings.Store.Memory.SnapshotFile != "" {
		s.open.add(s.keepSnapshots())
	}
	serve := func(serve func(net.Listener) error, at net.Listener) {
		s.failed <- fmt.Errorf("cannot go on listening: %w", cmp.Or(serve(at), net.ErrClosed))
	}
	go serve(s.callers.Serve, s.callersListen)
	go serve(s.operators.Serve, s.operatorsListen)
	s.open.add(watchClock(s.clock, s.log))
	s.announce(stdout)
}

// close closes what was opened, except the log.
func (s *service) close() { s.open.close() }

// closers close what was opened, the last first.
type closers []func()

func (c *closers) add(closer func()) { *c = append(*c, closer) }

func (c *closers) close() {
	for _, closer := range slices.Backward(*c) {
		closer()
	}
	*c = nil
}
