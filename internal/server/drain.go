package server

import (
	"context"
	"time"

	"fraudcheck/internal/listener"
)

// SetUnready makes /readyz answer 503, while everything is answered as before: see
// [door.Door.SetUnready].
func (s *Server) SetUnready() { s.door.SetUnready() }

// Drain makes the door unready, answers what is on its way and closes the connections. It
// returns when nothing is in flight any more, at the latest when ctx ends, with its
// error. A connection that is made at that moment is not reset: its request is answered,
// or the connection refused.
//
// The order matters: first every answer says "Connection: close", while new connections
// are still taken; then the socket closes; then unused connections do.
func (s *Server) Drain(ctx context.Context) error {
	s.door.Drain()
	s.awaitQuiet(ctx)
	if l := s.stopListening(); l != nil {
		_ = l.Close() // Shutdown tells the error
		// fasthttp would close those it takes for idle at once, also when a request has
		// just arrived, and those that never sent a byte when they are 5 s old.
		l.CloseUnused(ctx)
	}
	return s.http.ShutdownWithContext(ctx)
}

// awaitQuiet waits for a QuietPeriod in which nothing arrives and nothing is in flight.
// Until then every answer asks its caller to close, so that in the end only unused
// connections are left. Under load that lasts it gives up before ctx ends, by a quarter
// of the time and at most LastRequests, which is left for the last requests.
func (s *Server) awaitQuiet(ctx context.Context) {
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

// HasRequests reports whether a request is being read or answered.
func (s *Server) HasRequests() bool {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	_, inFlight := s.door.Load()
	return inFlight > 0 || l != nil && l.HasActive()
}
