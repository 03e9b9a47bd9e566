package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// errFurtherSignal ends a stop that takes too long.
var errFurtherSignal = errors.New("stopped by a further signal, with requests in flight")

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
