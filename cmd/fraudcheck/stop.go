package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// The errors of a stop that a further signal ends.
var (
	errRequestsCut = errors.New("stopped by a further signal, with requests in flight")
	errNotWritten  = errors.New("stopped by a further signal, before everything was written")
)

// sameSignal is how soon after another a signal to stop is still the same one. timeout,
// supervisord with stopasgroup and tini -g signal the process and its group; a terminal
// and a wrapper that passes signals on do the same.
const sameSignal = 100 * time.Millisecond

// repeats finds signals that repeat another.
type repeats struct{ last time.Time } // that was no repeat

// isRepeat reports whether the signal of that time repeats the last that was none: one who
// signals without a pause is heard all the same.
func (r *repeats) isRepeat(at time.Time) bool {
	if !r.last.IsZero() && at.Sub(r.last) < sameSignal {
		return true
	}
	r.last = at
	return false
}

// withoutRepeats returns a channel of the signals that repeat none, until ctx ends. It
// reads them at once, whatever the receiver does: the time between two is to be right.
func withoutRepeats(ctx context.Context, signals <-chan os.Signal) <-chan os.Signal {
	once := make(chan os.Signal, cap(signals))
	go func() {
		var r repeats
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-signals:
				if r.isRepeat(time.Now()) {
					continue
				}
				select {
				case once <- sig:
				default: // there are more than a stop can use
				}
			}
		}
	}()
	return once
}

// A stopPhase is how far a stop is.
type stopPhase int32

const (
	draining stopPhase = iota // requests in flight are answered
	writing                   // no request is left; the snapshot and the logs are written
)

// endedBySignal returns the error with which a further signal ends a stop in that phase.
// nil: the stop goes on, since without a request in flight a drain ends by itself.
func endedBySignal(phase stopPhase, inFlight bool) error {
	switch {
	case phase == writing:
		return errNotWritten
	case inFlight:
		return errRequestsCut
	}
	return nil
}

// hasRequestsInFlight reports whether a request is being read or answered.
func (s *service) hasRequestsInFlight() bool {
	return s.callers.HasRequests() || s.operators.HasRequests()
}

// awaitDrain makes the service unready and waits for drain_delay, in which everything is
// answered as before: until a load balancer has noticed, it sends calls, on new
// connections too. A further signal ends the wait. The error is why the service cannot go
// on meanwhile.
func (s *service) awaitDrain(sig os.Signal, stops <-chan os.Signal) error {
	s.callers.SetUnready()
	if s.settings.DrainDelay > 0 {
		s.log.Info(fmt.Sprintf("Unready (%s), answering for another %s; a second signal begins the drain at once", sig, s.settings.DrainDelay))
		delay := time.NewTimer(s.settings.DrainDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case sig = <-stops:
		case err := <-s.failed:
			return err
		}
	}
	s.log.Info(fmt.Sprintf("Stopping (%s, within %s)", sig, s.settings.Drain))
	return nil
}

// stop drains both ports, closes what was opened and saves the last snapshot. A snapshot
// that cannot be written is logged and no error: nothing could be done about it any more.
func (s *service) stop() error {
	if err := s.drain(); err != nil {
		s.close()
		return err
	}
	s.stopPhase.Store(int32(writing))
	s.close() // so that no periodic snapshot replaces the last one
	if s.settings.Store.Memory.SnapshotFile != "" {
		if err := s.saveSnapshot(context.Background()); err != nil {
			s.log.Error("store.memory.snapshot_file cannot be written", "error", err)
		}
	}
	s.log.Info("Stopped (" + memorySummary(s.memory.Stats()) + ")")
	return nil
}

// drain lets the callers' port finish, for at most the configured time, and only
// then closes the operators': a stop can be watched. Calls still in flight at the
// end are cut off; that is what the bound means, and no error.
func (s *service) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.Drain)
	defer cancel()
	err := errors.Join(s.callers.Drain(ctx), s.operators.Drain(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
