// Package server is the callers' door: it reads a request, asks who sends it,
// has the attempt checked, and answers.
//
// Every request goes one way, see [Server.handle]: its route, its caller, its
// body, its fields, the check. The first that fails answers with a problem
// (RFC 9457), in that order: 404, 405, 401, 403, 413, 415, 400. A request that
// passes them all gets 200 and a decision, whatever the decision is.
//
// What it refuses on purpose: an address from a header in place of the field
// "ip", a field given twice or unknown, anything after the JSON object, a body
// on a GET, and to say in an error what a field held.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
)

// Limits of what a request may hold, in bytes.
const (
	maxBody   = 8 << 10
	maxHeader = 8 << 10
)

// Settings are what a Server works with.
type Settings struct {
	Checker *velocity.Checker
	Guard   *auth.Guard
	Now     func(time.Time) velocity.Time // the instance's time at a reading of the clock
	Log     *slog.Logger
	// Address is how the shopper's address is shown in the log; empty for not at all.
	Address func(netip.Addr) string
	// TagKey hashes what tells callers apart in the log.
	TagKey []byte

	InFlight int // requests served at once; more are refused with 503
	// Read bounds the time for a whole request to arrive, Write for its answer to
	// leave, Idle between two requests of a connection.
	Read, Write, Idle time.Duration
}

// A Server answers the callers.
type Server struct {
	Settings
	http     fasthttp.Server
	requests sync.Pool // *request
	taggers  sync.Pool // *tagger

	draining atomic.Bool
	inFlight atomic.Int64
	served   atomic.Int64 // requests begun
}

// New makes a server; Serve starts it.
func New(settings Settings) *Server {
	s := &Server{Settings: settings}
	s.requests.New = func() any { return new(request) }
	s.taggers.New = func() any { return newTagger(s.TagKey) }
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleUnread,
		ReadTimeout:                  s.Read,
		WriteTimeout:                 s.Write,
		IdleTimeout:                  s.Idle,
		ReadBufferSize:               maxHeader,
		MaxRequestBodySize:           maxBody,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		Logger:                       quiet{},
	}
	return s
}

// quiet drops fasthttp's own log lines: they may hold what a stranger sent, and
// what matters of them is answered, and logged, by us.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers on the listener until Drain; it returns nil then.
func (s *Server) Serve(ln net.Listener) error {
	return s.http.Serve(&listener{Listener: ln})
}

// Drain makes the server unready, answers what is on its way and closes its
// connections. It returns when nothing is in flight any more, at the latest when
// ctx ends, with ctx's error.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.http.ShutdownWithContext(ctx)
}

// settle waits for a moment in which nothing arrives and nothing is in flight:
// fasthttp closes idle connections at once, and a request just sent on one would
// be lost. Until then every answer asks its caller to close.
func (s *Server) settle(ctx context.Context) error {
	const quiet = 100 * time.Millisecond
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for served := int64(-1); s.http.GetOpenConnectionsCount() > 0; {
		if n := s.served.Load(); n == served && s.inFlight.Load() == 0 {
			return nil
		} else {
			served = n
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// handleUnread answers what fasthttp gave up reading.
func (s *Server) handleUnread(ctx *fasthttp.RequestCtx, err error) {
	defer lingerOnClose(ctx.Conn())
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		// The header was read: who may not be here at all is told that first.
		s.serve(ctx, tooLarge)
	case errors.As(err, &small):
		s.serve(ctx, headerTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		s.serve(ctx, tooSlow)
	default:
		s.serve(ctx, notHTTP)
	}
}
