package server

import (
	"context"
	"time"

	"fraudcheck/internal/listener"
)

// Drain makes the door unready, answers what is on its way and closes the connections.
// It returns when nothing is in flight any more, at the latest when ctx ends, with its
// error. Nobody who connects at that moment is reset: the request is answered, or the
// connection refused.
func (s *Server) Drain(ctx context.Context) error {
	s.door.Drain()
	s.settle(ctx)
	if l := s.stopListening(); l != nil {
		_ = l.Close() // Shutdown tells the error
		// fasthttp would close those it takes for idle at once, also when a request has
		// just arrived, and those that never sent a byte when they are 5 s old.
		l.CloseUnused(ctx)
	}
	return s.http.ShutdownWithContext(ctx)
}

// settle waits for a QuietPeriod in which nothing arrives and nothing is in flight.
// Until then every answer asks its caller to close, so that in the end only unused
// connections are left.
func (s *Server) settle(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok { // the rest is for the last requests
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(listener.LastRequests, time.Until(end)/4)))
		defer cancel()
	}
	tick := time.NewTicker(listener.QuietPeriod)
	defer tick.Stop()
	for before := int64(-1); ; {
		begun, inFlight := s.door.Load()
		if begun == before && inFlight == 0 {
			return
		}
		before = begun
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
