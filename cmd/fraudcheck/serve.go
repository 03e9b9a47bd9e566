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
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/server"
	"fraudcheck/internal/velocity"
)

// errSecondSignal ends a drain that somebody does not want to wait for.
var errSecondSignal = errors.New("stopped by a second signal, with requests in flight")

// serve runs the service until SIGTERM or SIGINT.
func serve(f *flags, stdout, stderr io.Writer) error {
	p, err := configure(f)
	if err != nil {
		return err
	}
	s := p.settings
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may go away

	ln, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log, closeLog := newLogger(stderr, s.Log.Level, s.Log.Format)
	defer closeLog()
	p.introduce(log)

	clock := velocity.NewClock(time.Now())
	door := server.New(server.Settings{
		Checker:  velocity.NewChecker(p.plan, p.keys, p.memory),
		Guard:    p.guard,
		Now:      clock.Now,
		Log:      log,
		Address:  addressForm(s.Log.IP, p.logKey),
		TagKey:   p.logKey,
		InFlight: s.Limits.InFlight,
		Read:     s.Limits.Read, Write: s.Limits.Write, Idle: s.Limits.Idle,
	})
	failed := make(chan error, 1)
	go func() { failed <- door.Serve(ln) }()
	log.Info(fmt.Sprintf("Listening on %s (store %s, %s)", ln.Addr(), s.Store.Kind, plural(len(s.Rules), "rule")))
	if p.madeUser != "" {
		if err := p.printCredential(stdout, ln.Addr()); err != nil {
			return fmt.Errorf("cannot show the credential that was made: %w", err)
		}
	}
	stopWatch := watchClock(clock, log)
	defer stopWatch()

	select {
	case err := <-failed:
		return fmt.Errorf("listen: %w", err)
	case sig := <-signals:
		log.Info(fmt.Sprintf("Stopping (%s, within %s)", sig, s.Drain))
	}
	if err := p.drain(door, signals); err != nil {
		log.Error("Stopped: " + err.Error())
		return err
	}
	kept := p.memory.Stats()
	log.Info(fmt.Sprintf("Stopped (%s in memory, %d forgotten inside their window)", plural(kept.Records, "record"), kept.EvictedInWindow))
	return nil
}

// drain lets the door finish, for at most the configured time. Calls still in
// flight then are cut off; that is what the bound means, and no error.
func (p *parts) drain(door *server.Server, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.settings.Drain)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- door.Drain(ctx) }()
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
	_, err := fmt.Fprintf(stdout, `No user is configured. This one was made for this run and is shown only here:

  username  %[1]s
  password  %[2]s

Try it:

  curl -u %[1]s:%[2]s -H 'Content-Type: application/json' \
    -d '{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}' \
    http://%[3]s/v1/check

`, p.madeUser, p.madePass, net.JoinHostPort(host, port))
	return err
}

// addressForm is how log lines show a shopper's address.
func addressForm(form string, key []byte) func(netip.Addr) string {
	switch form {
	case "full":
		return netip.Addr.String
	case "prefix":
		return func(a netip.Addr) string { return velocity.Network(a).String() }
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
			behind := clock.Behind()
			if was := far; behind.Abs() > time.Minute {
				if far = true; !was {
					log.Warn("the machine's clock was set; windows go on by the old one and are drawn after it by 10 ms a second", "seconds", int(behind.Seconds()))
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
