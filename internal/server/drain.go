package server

import (
	"context"
	"time"

	"fraudcheck/internal/listener"
)

// Drain makes the server unready, answers what is on its way and closes its
// connections. It returns when nothing is in flight any more, at the latest when
// ctx ends, with ctx's error.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.settle(ctx)
	if l := s.listener.Load(); l != nil {
		_ = l.Close() // Shutdown tells the error
		// fasthttp would close those it takes for idle at once, also when a request has
		// just arrived, and those that never sent a byte when they are 5 s old.
		l.CloseUnused(ctx)
	}
	return s.http.ShutdownWithContext(ctx)
}

// settle waits for a moment in which nothing arrives and nothing is in flight. Until
// then every answer asks its caller to close, so that in the end only connections are
// left that nobody uses.
func (s *Server) settle(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok { // the rest is for those who came last
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(listener.LastRequests, time.Until(end)/4)))
		defer cancel()
	}
	tick := time.NewTicker(listener.QuietPeriod)
	defer tick.Stop()
	for served := int64(-1); ; {
		n := s.served.Load()
		if n == served && s.inFlight.Load() == 0 {
			return
		}
		served = n
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
