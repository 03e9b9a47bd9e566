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
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// maxHeader is how long request line and headers may be together, in bytes.
const maxHeader = 8 << 10

// maxChunks is how long a body in chunks may grow before it is given up, in bytes.
const maxChunks = 64 << 10

// Settings are what a Server works with. Without Events nobody is told.
type Settings struct {
	Checker *velocity.Checker
	Guard   *auth.Guard
	Now     func(time.Time) velocity.Time // the instance's time at a reading of the clock
	Log     *slog.Logger
	// Address is how the shopper's address is shown in the log; empty for not at all.
	Address func(netip.Addr) string
	// TagKey hashes what tells callers apart in the log.
	TagKey []byte

	Events Events

	InFlight    int // requests served at once; more are refused with 503
	Connections int // open at once, more are closed at once; 0 for any number
	// Read bounds the time for a whole request to arrive, Write for its answer to
	// leave, Idle between two requests of a connection.
	Read, Write, Idle time.Duration

	TLS  *tls.Config // nil: none
	CORS *wire.CORS
}

// Events are told what happens, for the metrics. They are called on the request's
// path: they neither wait nor keep what they are given.
type Events struct {
	// Request is told of every answer; route is "none" where there is none.
	Request func(route string, status int, took time.Duration)
	// Decision is told of every check.
	Decision func(d *velocity.Decision, took time.Duration)
	// PANLike is told that somebody sent what looks like a card number.
	PANLike func()
}

// A Server answers the callers.
type Server struct {
	Settings
	http     fasthttp.Server
	requests sync.Pool // *request
	tags     *wire.Tags
	listener atomic.Pointer[listener]
	open     sync.Map // *conn

	draining atomic.Bool
	inFlight atomic.Int64
	served   atomic.Int64  // requests begun
	tick     *atomic.Int64 // see patrol; apart from what every request changes
}

// New makes a server; Serve starts it.
func New(settings Settings) *Server {
	s := &Server{Settings: settings, tags: wire.NewTags(settings.TagKey), tick: new(atomic.Int64)}
	s.requests.New = func() any { return new(request) }
	if s.Events.Request == nil {
		s.Events = Events{
			Request:  func(string, int, time.Duration) {},
			Decision: func(*velocity.Decision, time.Duration) {},
			PANLike:  func() {},
		}
	}
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleUnread,
		HeaderReceived:               s.allowChunks,
		ReadBufferSize:               maxHeader,
		MaxRequestBodySize:           wire.MaxBody,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		ConnState:                    noteState,
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
	l := &listener{Listener: ln, open: &s.open, tick: s.tick, full: s.full, tls: s.TLS}
	s.listener.Store(l)
	defer s.patrol()()
	return s.http.Serve(l)
}

// full reports whether there are as many connections as there may be: file
// descriptors are needed for more than callers.
func (s *Server) full() bool {
	return s.Connections > 0 && int(s.http.GetOpenConnectionsCount()) >= s.Connections
}

// Ready reports whether the server may take traffic.
func (s *Server) Ready() bool { return !s.draining.Load() }

// allowChunks lets chunks grow beyond what is taken: fasthttp forgets the header of
// those it gives up, and who sent them, and to where, is to be judged first.
func (s *Server) allowChunks(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if h.ContentLength() == -1 {
		c.MaxRequestBodySize = maxChunks
	}
	return c
}

// handleUnread answers what fasthttp gave up reading.
func (s *Server) handleUnread(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, syscall.ECONNRESET) || handshaking(ctx.Conn()) {
		return // nobody is there, or nobody who could read an answer: a probe, as a rule
	}
	defer lingerOnClose(ctx.Conn())
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		if len(ctx.Request.Header.Host()) == 0 {
			s.serve(ctx, chunksTooLarge) // the header is forgotten
			return
		}
		// The header was read: who may not be here at all is told that first.
		s.serve(ctx, wire.TooLarge)
	case errors.As(err, &small):
		s.serve(ctx, headerTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		s.serve(ctx, wire.TooSlow)
	default:
		s.serve(ctx, notHTTP)
	}
}
