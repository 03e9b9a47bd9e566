package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// A manager tells the service manager that started the process, systemd for one, how it
// fares, over the socket that NOTIFY_SOCKET names (sd_notify(3)). Without that variable it
// says nothing.
type manager struct {
	log      *slog.Logger
	alive    func(context.Context) error // asks both ports
	watchdog time.Duration               // within which it wants to hear that the process is alive; 0: it does not

	mu    sync.Mutex
	phase phase
}

// A phase is what the manager was told last.
type phase int

const (
	starting phase = iota
	serving
	stopping
)

const (
	// startInterval is the time between two questions to ports that do not answer yet.
	startInterval = 50 * time.Millisecond
	// aliveTimeout is how long both ports may take to answer at the start.
	aliveTimeout = 5 * time.Second
	// closing is how much longer than drain_delay and drain a stop may take: the last
	// snapshot is written after them.
	closing = time.Minute
)

// newManager returns the manager of a service that is about to start.
func newManager(s *service) *manager {
	m := &manager{log: s.log, alive: s.alive}
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		s.log.Warn("the service manager's watchdog is not heeded", "error", err)
	}
	return m
}

// run says READY=1 once both ports have answered, and from then on WATCHDOG=1 each time
// that they answer again, until ctx ends. It asks four times in the watchdog's time, so
// that one slow answer is no reason to end the process.
func (m *manager) run(ctx context.Context) {
	for m.ask(ctx, aliveTimeout) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(startInterval):
		}
	}
	m.enter(serving, daemon.SdNotifyReady)
	if m.watchdog == 0 {
		return
	}
	every(ctx, m.watchdog/4, func(time.Time) {
		// A stop closes the ports one after the other; its bound is that of tellStopping.
		if !m.isStopping() {
			if err := m.ask(ctx, m.watchdog/4); err != nil {
				m.log.Error("A port does not answer; the service manager's watchdog is not told", "error", err)
				return
			}
		}
		m.say(daemon.SdNotifyWatchdog)
	})
}

// ask asks both ports once.
func (m *manager) ask(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return m.alive(ctx)
}

// reloading says that a reload has begun, and returns the function that says what came of
// it. The time is that of CLOCK_MONOTONIC in microseconds, which Type=notify-reload needs
// to tell this reload from an earlier one. Before the service is ready and while it stops
// a reload is not told: READY=1 would mean something else then.
func (m *manager) reloading() (done func(ok bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != serving {
		return func(bool) {}
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		m.log.Warn("cannot read the monotonic clock", "error", err)
	}
	m.say(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
	return func(ok bool) {
		status := "Configuration reloaded"
		if !ok {
			status = "Configuration refused, see the log; what was in force before stays"
		}
		m.enter(serving, daemon.SdNotifyReady+"\nSTATUS="+status)
	}
}

// tellStopping says that a stop has begun and how long it may take, so that the unit need
// not repeat drain_delay and drain.
func (m *manager) tellStopping(delay, drain time.Duration) {
	m.enter(stopping, fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=Stopping", daemon.SdNotifyStopping, (delay+drain+closing).Microseconds()))
}

// enter begins the phase and says so, unless a later one has begun.
func (m *manager) enter(next phase, state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if next >= m.phase {
		m.phase = next
		m.say(state)
	}
}

func (m *manager) isStopping() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phase == stopping
}

// say sends the state, one assignment a line. What cannot be sent is logged: systemd ends
// a service that it does not hear from.
func (m *manager) say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("the service manager cannot be told", "error", err)
	}
}

// alive asks both ports for /healthz over a connection of its own, and returns why one of
// them did not answer 200.
func (s *service) alive(ctx context.Context) error {
	for _, at := range []net.Addr{s.callersListen.Addr(), s.operatorsListen.Addr()} {
		var secure *tls.Config
		if s.policy.certificate != nil {
			// It asks itself: there is nobody to be told from.
			secure = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
		}
		status, err := askPort(ctx, at.Network(), at.String(), secure, "/healthz")
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s: %d", at, status)
		}
	}
	return nil
}
