package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/logging"
	"fraudcheck/internal/memcached"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/server"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

// A service is what runs. It is built once, in the order of newService; a reload replaces
// only the policy in force, which is in checker, guard and certificate.
type service struct {
	*policy     // of the start; a reload leaves it
	keys        *keys
	clock       *velocity.Clock
	memory      *velocity.Memory
	previous    *velocity.Memory  // copies of the records under the previous hash key; nil without memcached or that key
	memcached   *memcached.Client // nil with the embedded store
	turns       *turns.Queue      // of those that ask it; nil with the embedded store
	checker     *velocity.Checker
	guard       *auth.Guard
	certificate certificate
	metrics     *operator.Metrics
	watchers    []event.Watcher // of what happens at this instance
	traffic     *recent.Traffic
	minutes     *recent.Minutes
	topShare    topShare
	decisions   *decisionlog.Log // nil without decision_log.path
	since       time.Time
	instance    string       // the name of this one
	peers       *peers.Peers // nil without operator_peers
	ring        *recent.Ring // nil with decisions.keep: 0

	// The servers and what they listen on; listening comes first, see newService.
	callers         *server.Server
	operators       *server.Server
	callersListen   net.Listener
	operatorsListen net.Listener

	log         *slog.Logger
	closeLog    func()        // writes the lines that still wait
	logsDropped func() uint64 // lines that found the queue full

	open      closers      // in the order of opening
	failed    chan error   // why the service cannot go on; room for every sender
	stopPhase atomic.Int32 // a stopPhase
}

// newService builds a service from the policy. It listens, but accepts no connection
// before start, so a busy port ends the start before anything was answered. closeLog is
// to be called after everything else. After an error, which is a *config.Error where a
// setting is at fault, everything is closed again.
func newService(p *policy, stderr io.Writer) (s *service, err error) {
	// failed has room for both ports and the credential: no sender may wait for a
	// receiver.
	s = &service{policy: p, guard: auth.NewGuard(p.authPolicy), clock: velocity.NewClock(time.Now()), since: time.Now(), closeLog: func() {}, failed: make(chan error, 3)}
	s.certificate.Store(p.certificate)
	for _, step := range []func() error{
		s.checkSnapshotFile, s.checkSocketFolder, s.makeKeys, s.makeMemory, s.listen, s.nameInstance,
		func() error { return s.openLog(stderr) },
		s.makeMetrics, s.openStore, s.openLogins, s.openDecisionLog, s.openPeers, s.makeRing, s.makeDoors, s.loadSnapshot,
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

// makeKeys derives the keys of the policy.
func (s *service) makeKeys() (err error) {
	s.keys, err = s.policy.makeKeys()
	return err
}

// makeMemory reserves store.memory.max_bytes of address space, once for the whole run.
// The records of the embedded store are there, or this instance's copies of those in
// memcached.
func (s *service) makeMemory() (err error) {
	size := int64(s.settings.Store.Memory.MaxBytes)
	if s.keys.previous != nil && s.settings.Store.Kind == "memcached" {
		size = max(size/2, velocity.MinMemoryBytes)
		if s.previous, err = velocity.NewMemory(size); err != nil {
			return unusable("store.memory.max_bytes", err)
		}
	}
	if s.memory, err = velocity.NewMemory(size); err != nil {
		return unusable("store.memory.max_bytes", err)
	}
	return nil
}

// listen takes both addresses, so that a busy one ends the start.
func (s *service) listen() (err error) {
	if path, ok := strings.CutPrefix(s.settings.Listen, config.UnixPrefix); ok {
		s.callersListen, err = listener.ListenUnix(path)
	} else {
		s.callersListen, err = net.Listen("tcp", s.settings.Listen)
	}
	if err != nil {
		return s.cannotListen("listen", err)
	}
	// Where the start fails: no file of a socket is to be left.
	s.open.add(func() { _ = s.callersListen.Close() })
	if s.operatorsListen, err = net.Listen("tcp", s.settings.OperatorListen); err != nil {
		return s.cannotListen("operator_listen", err)
	}
	return nil
}

// cannotListen returns the error of an address that cannot be used.
func (s *service) cannotListen(key string, err error) error {
	if !s.config.IsSet(key) {
		err = fmt.Errorf("%w; this is the default: give another one with --%s, or in the configuration", err, strings.ReplaceAll(key, "_", "-"))
	}
	return unusable(key, err)
}

// openLog opens the log and writes its first lines. Lines before that, of errors at the
// start, go to standard error as text.
func (s *service) openLog(stderr io.Writer) (err error) {
	var file io.WriteCloser
	var shared bool
	set := s.settings.Log
	if set.Path != "" {
		if file, shared, err = logging.OpenFile(set.Path, "log", set.Days, int64(set.MaxBytes), time.Now); err != nil {
			return unusable("log.path", err)
		}
	}
	s.log, s.closeLog, s.logsDropped = logging.New(stderr, file, set.Level, set.Format)
	s.logConfiguration()
	if shared {
		s.log.Warn("log.path: " + sharedFolder)
	}
	return nil
}

// sharedFolder is what is wrong with a folder of logs; an instance that is about to stop may
// still write there.
const sharedFolder = "another instance writes to this folder, and each should have one of its own: here their lines are mixed"

// makeMetrics makes every series of the closed sets, at zero.
func (s *service) makeMetrics() error {
	var servers []string
	if s.settings.Store.Kind == "memcached" {
		servers = s.settings.Store.Memcached.Servers
	}
	s.metrics = operator.NewMetrics(s.plan, servers, operator.Sources{
		Memory: s.memoryStats, LogDropped: s.logsDropped, ClockAhead: s.clock.Ahead,
		DecisionLogDropped: func() uint64 { return s.decisions.Dropped() }, // it is opened later
		Waits:              func() turns.Waits { return s.turns.Waits() },  // the queue is made later
	})
	s.traffic = recent.NewTraffic()
	s.minutes = recent.NewMinutes(s.traffic, s.metrics.Counts, s.now())
	s.topShare.limit(s.settings)
	s.metrics.RegisterTraffic(s.topShare.share,
		func() float64 { return s.traffic.Addresses(s.now()) }, func() float64 { return s.traffic.Cards(s.now()) })
	if s.policy.certificate != nil {
		s.metrics.RegisterTLS(listener.TLSReasons, s.certificate.expiry)
	}
	// The guard was made before the metrics, which need the log's counters.
	s.guard.Observe = s.metrics.Auth
	return nil
}

// makeRing makes the ring of the last decisions.
func (s *service) makeRing() error {
	if keep := s.settings.Decisions.Keep; keep > 0 {
		s.ring = recent.NewRing(recent.RingSettings{
			Keep: keep, Rules: len(s.settings.Rules), Instance: s.instance, Start: s.now(),
		})
	}
	return nil
}

// memoryStats says what is kept and was evicted, under both hash keys.
func (s *service) memoryStats() velocity.MemoryStats {
	stats := s.memory.Stats()
	if s.previous != nil {
		stats.Add(s.previous.Stats())
	}
	return stats
}

// now is the time that records and rules go by.
func (s *service) now() velocity.Time { return s.clock.Now(time.Now()) }

// start serves both ports. When one of them cannot go on, failed receives the reason.
func (s *service) start(stdout io.Writer) {
	if s.settings.Store.Memory.SnapshotFile != "" {
		s.open.add(s.startSnapshots())
	}
	// Serve returns nil only after Drain, when nobody reads failed any more.
	serve := func(serve func(net.Listener) error, at net.Listener) {
		s.failed <- fmt.Errorf("cannot go on listening: %w", cmp.Or(serve(at), net.ErrClosed))
	}
	go serve(s.callers.Serve, s.callersListen)
	go serve(s.operators.Serve, s.operatorsListen)
	s.open.add(watchClock(s.clock, s.log))
	s.open.add(s.certificate.watch(s.log))
	s.open.add(s.watchTraffic())
	s.announce(stdout)
}

// close closes what was opened, except the log.
func (s *service) close() { s.open.close() }

// closers are the functions that close what was opened, called the last first.
type closers []func()

// add adds a function to be called before all that were added earlier.
func (c *closers) add(closer func()) { *c = append(*c, closer) }

func (c *closers) close() {
	for _, closer := range slices.Backward(*c) {
		closer()
	}
	*c = nil
}
