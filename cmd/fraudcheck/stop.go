package main

import (
	"context"
	"errors"
)

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
