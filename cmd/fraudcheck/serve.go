package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/operator"
	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// errSecondSignal ends a drain that somebody does not want to wait for.
var errSecondSignal = errors.New("stopped by a second signal, with requests in flight")

// serve runs the service until SIGTERM or SIGINT.
func serve(f *flags, stdout, stderr io.Writer) error {
	files := new(watch)
	files.follow(f.Config, defaults()) // before it is read
	p, err := configure(f)
	if err != nil {
		return err
	}
	s := p.settings
	files.follow(f.Config, s)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// Whoever reads the log may go away, and its file may grow too large.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)

	connections, err := p.connections()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	operatorLn, err := net.Listen("tcp", s.OperatorListen)
	if err != nil {
		return fmt.Errorf("operator_listen: %w", err)
	}
	var logFile io.WriteCloser
	if s.Log.Path != "" {
		if logFile, err = newLogFile(s.Log.Path, s.Log.Days, time.Now); err != nil {
			return err
		}
	}
	log, closeLog, dropped := newLogger(stderr, logFile, s.Log.Level, s.Log.Format)
	defer closeLog()
	p.introduce(log)

	clock := velocity.NewClock(time.Now())
	metrics := p.makeMetrics(dropped, clock.Ahead)
	p.guard.Observe = metrics.Auth
	store, err := p.openStore(metrics, log)
	if err != nil {
		return err
	}
	closeLogins, err := p.openLogins(log)
	if err != nil {
		return err
	}
	defer closeLogins()
	checker := velocity.NewChecker(p.plan, p.keys, store)
	if shared, ok := store.(*velocity.Memcached); ok {
		shared.Watch(checker.Plan, func() velocity.Time { return clock.Now(time.Now()) })
		shared.AwaitServers(time.Second) // so that the first answers are not degraded
		defer shared.Close()
	}
	switch s.Store.OnFailure {
	case "allow":
		checker.OnFailure(velocity.Allow)
	case "block":
		checker.OnFailure(velocity.Block)
	}
	callers := server.New(server.Settings{
		Checker:  checker,
		Guard:    p.guard,
		Now:      clock.Now,
		Log:      log,
		Address:  addressForm(s.Log.IP, p.logKey),
		TagKey:   p.logKey,
		Events:   server.Events{Request: metrics.Request, Decision: metrics.Decision, PANLike: metrics.PANLike},
		InFlight: s.Limits.InFlight, Connections: connections,
		Read: s.Limits.Read, Write: s.Limits.Write, Idle: s.Limits.Idle,
		TLS: p.certificate.config(), CORS: p.cors,
	})
	operators := operator.New(operator.Settings{
		Checker: checker, Guard: p.guard, Metrics: metrics, Now: clock.Now, Ready: callers.Ready, Log: log, TagKey: p.logKey,
		TLS: p.certificate.config(), CORS: p.cors,
	})
	if s.Store.Memory.SnapshotFile != "" {
		p.loadSnapshot(clock.Now(time.Now()), log)
		defer p.keepSnapshots(log)()
	}
	failed := make(chan error, 2)
	go func() { failed <- callers.Serve(ln) }()
	go func() { failed <- operators.Serve(operatorLn) }()
	how := s.Store.Kind + ", " + plural(len(s.Rules), "rule")
	if p.certificate != nil {
		how += ", TLS"
	}
	log.Info(fmt.Sprintf("Listening on %s (store %s)", ln.Addr(), how))
	log.Info(fmt.Sprintf("Operators on %s", operatorLn.Addr()))
	if p.madeUser != "" {
		if err := p.printCredential(stdout, ln.Addr()); err != nil {
			return fmt.Errorf("cannot show the credential that was made: %w", err)
		}
	}
	stopWatch := watchClock(clock, log)
	defer stopWatch()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	again := reloader{flags: f, running: p, checker: checker, guard: p.guard, metrics: metrics, log: log, files: files}
	changed := files.changes(ctx)
	for running := true; running; {
		select {
		case err := <-failed:
			return fmt.Errorf("cannot go on listening: %w", err)
		case <-hangup:
			again.reload()
		case <-changed:
			again.reload()
		case sig := <-signals:
			log.Info(fmt.Sprintf("Stopping (%s, within %s)", sig, s.Drain))
			running = false
		}
	}
	if err := p.drain(callers, operators, signals); err != nil {
		log.Error("Stopped: " + err.Error())
		return err
	}
	if s.Store.Memory.SnapshotFile != "" {
		if err := p.saveSnapshot(); err != nil {
			log.Error("store.memory.snapshot_file cannot be written", "error", err)
		}
	}
	kept := p.memory.Stats()
	log.Info(fmt.Sprintf("Stopped (%s in memory, %d forgotten inside their window)", plural(kept.Records, "record"), kept.EvictedInWindow))
	return nil
}

// connections is how many callers may be connected at once: as many as the process
// may have files open, less what memcached, the operators, logs and snapshots need.
func (p *parts) connections() (int, error) {
	const others, least = 64, 16
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("cannot find out how many files may be open: %w", err)
	}
	reserve := others
	if s := p.settings.Store; s.Kind == "memcached" {
		reserve += len(s.Memcached.Servers) * (velocity.ConnsPerServer + auth.ConnsPerServer)
	}
	if limit.Cur < uint64(reserve+least) {
		return 0, fmt.Errorf("open files (ulimit -n): expected at least %d", reserve+least)
	}
	return int(min(limit.Cur, 1<<20)) - reserve, nil
}

func (p *parts) makeMetrics(dropped func() uint64, ahead func() time.Duration) *operator.Metrics {
	routes := append([]string{"none"}, server.Routes()...)
	for _, route := range operator.Routes() {
		if !slices.Contains(routes, route) {
			routes = append(routes, route)
		}
	}
	var servers []string
	if p.settings.Store.Kind == "memcached" {
		servers = p.settings.Store.Memcached.Servers
	}
	return operator.NewMetrics(p.plan, routes, servers, operator.Sources{
		Memory: p.memory.Stats, LogDropped: dropped, ClockAhead: ahead,
	})
}

// openStore is the one place that knows the kinds of store. It does not fail
// because a server does not answer.
func (p *parts) openStore(metrics *operator.Metrics, log *slog.Logger) (velocity.Store, error) {
	s := p.settings.Store
	if s.Kind == "memory" {
		return p.memory, nil
	}
	return velocity.NewMemcached(velocity.MemcachedSettings{
		Servers: s.Memcached.Servers, MaxConns: s.Memcached.MaxConns, Budget: s.Budget,
		Keys: p.keys, Local: p.memory, Observe: metrics.Operation,
		Changed: func(server string, trouble velocity.Trouble) {
			if trouble == velocity.NoTrouble {
				log.Info("memcached is used again", "server", server)
			} else {
				log.Warn("memcached is not used; answers rest on this instance's own knowledge until it is", "server", server, "because", "it "+string(trouble))
			}
		},
		Refused: logRefusals(log),
		Panicked: func(fault any) { // its value may quote what it choked on; type and stack do not
			log.Error("panic in the store", "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		},
	})
}

// logRefusals logs what servers say that refuse writes, a line a minute at most. It has no
// secrets, but is of any length and form.
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

// drain lets the callers' door finish, for at most the configured time, and only
// then closes the operators': a stop can be watched. Calls still in flight at the
// end are cut off; that is what the bound means, and no error.
func (p *parts) drain(callers *server.Server, operators *operator.Door, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.settings.Drain)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- errors.Join(callers.Drain(ctx), operators.Shutdown(ctx)) }()
	select {
	case err := <-done:
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		return err
	case <-signals:
		return errSecondSignal
	}
}

// introduce logs what runs, secrets hidden, and what may be unwise about it.
func (p *parts) introduce(log *slog.Logger) {
	log.Info(version())
	text, err := yaml.Marshal(p.settings)
	if err != nil {
		log.Error("cannot print the configuration", "error", err)
	}
	for line := range strings.Lines(string(text)) {
		log.Info("Configuration: " + strings.TrimRight(line, "\n"))
	}
	for _, w := range p.warnings {
		log.Warn("Configuration: " + w)
	}
}

// printCredential shows the credential this once, with a command to try it.
func (p *parts) printCredential(stdout io.Writer, addr net.Addr) error {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if p.certificate != nil {
		scheme = "https"
	}
	_, err := fmt.Fprintf(stdout, `No user is configured. This one was made for this run and is shown only here:

  username  %[1]s
  password  %[2]s

Try it:

  curl -u %[1]s:%[2]s -H 'Content-Type: application/json' \
    -d '{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}' \
    %[4]s://%[3]s/v1/check

`, p.madeUser, p.madePass, net.JoinHostPort(host, port), scheme)
	return err
}

// addressForm is how log lines show a shopper's address.
func addressForm(form string, key []byte) func(netip.Addr) string {
	switch form {
	case "full":
		return netip.Addr.String
	case "prefix":
		return func(a netip.Addr) string {
			var text [64]byte
			return string(velocity.Network(a).AppendTo(text[:0]))
		}
	case "hash":
		return hashedAddress(key)
	}
	return func(netip.Addr) string { return "" }
}

// watchClock says so when the machine's clock and ours come to differ.
func watchClock(clock *velocity.Clock, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for far := false; ; {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				clock.Now(now)
			}
			ahead := clock.Ahead()
			if was := far; ahead.Abs() > time.Minute {
				if far = true; !was {
					log.Warn("the machine's clock was set; windows go on by the old one and are drawn after it by 10 ms a second", "seconds", int(ahead.Seconds()))
				}
			} else {
				far = false
			}
		}
	}()
	return cancel
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
