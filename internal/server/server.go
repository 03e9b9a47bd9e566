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
	"fraudcheck/internal/listener"
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

	InFlight int // requests served at once; more are refused with 503
	// Connections are open at once; then the one silent or idle longest makes room; 0
	// for any number.
	Connections int
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
	// AcceptFailed is told of every accept that failed; MadeRoom of every connection
	// that was closed because there were too many. Both may be nil.
	AcceptFailed func(error)
	MadeRoom     func()
}

// A Server answers the callers.
type Server struct {
	Settings
	http     fasthttp.Server
	requests sync.Pool // *request
	tags     *wire.Tags
	listener atomic.Pointer[listener.Listener]

	draining atomic.Bool
	inFlight atomic.Int64
	served   atomic.Int64 // requests begun
}

// New makes a server; Serve starts it.
func New(settings Settings) *Server {
	s := &Server{Settings: settings, tags: wire.NewTags(settings.TagKey)}
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
	l := listener.New(ln, listener.Settings{
		Max: s.Connections, TLS: s.TLS, Read: s.Read, Write: s.Write, Idle: s.Idle,
		Failed: s.Events.AcceptFailed, MadeRoom: s.Events.MadeRoom,
	})
	s.listener.Store(l)
	defer l.Sweep()()
	return s.http.Serve(l)
}

// noteState tells a connection what fasthttp does with it.
func noteState(c net.Conn, state fasthttp.ConnState) {
	if c, ok := c.(*listener.Conn); ok {
		switch state {
		case fasthttp.StateNew:
			c.SetState(listener.StateNew)
		case fasthttp.StateActive:
			c.SetState(listener.StateActive)
		case fasthttp.StateIdle:
			c.SetState(listener.StateIdle)
		}
	}
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
	c, ours := ctx.Conn().(*listener.Conn)
	if errors.Is(err, syscall.ECONNRESET) || ours && c.Handshaking() {
		return // nobody could read an answer: a probe, as a rule
	}
	if ours {
		defer c.LingerOnClose()
	}
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
