// Package server serves a door over HTTP/1.1 with fasthttp, the same at both ports: it
// reads a request, gives it to the door and writes the answer; it bounds connections,
// sizes and time, and drains.
//
// # One library
//
// Both ports use one HTTP library, so they agree on where a request ends, and a fault that
// is mended at one is mended at the other.
//
// # Bounds
//
// Request line and header together have at most 8 KiB (431 header_too_large), a body at
// most [wire.MaxBody] (413). A request that does not arrive within [Settings].Read gets
// 408, or is closed without an answer where it has not begun. A head that fasthttp gives
// up is answered by the door all the same, so that it is logged and counted like every
// other.
//
// # Stop
//
// [Server.Drain] makes the door unready, waits for what is in flight, and closes
// connections that have no request: see package listener.
package server

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/wire"
)

// maxHeader bounds request line and header section together, in bytes. It is the size of
// fasthttp's read buffer of a connection.
const maxHeader = 8 << 10

// maxChunks bounds a body in chunks that is read to the end to be refused, in bytes: see
// allowChunks.
const maxChunks = 64 << 10

// Settings of a Server.
type Settings struct {
	// Connections is how many may be open at once; then the one silent or idle longest
	// makes room for the next. 0: any number.
	Connections int
	// Read bounds the time for a whole request to arrive, Write for its answer to
	// leave, Idle between two requests of a connection.
	Read, Write, Idle time.Duration

	TLS *tls.Config // nil: none
}

// A Server serves a door.
type Server struct {
	Settings
	door     *door.Door
	http     fasthttp.Server
	requests sync.Pool // *door.Request

	mu       sync.Mutex
	listener *listener.Listener // once Serve was called
	stopped  bool               // Drain has closed the listener, or would have
}

// New makes a server of the door; Serve starts it.
func New(d *door.Door, settings Settings) *Server {
	s := &Server{Settings: settings, door: d}
	s.requests.New = func() any { return new(door.Request) }
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleUnread,
		HeaderReceived:               s.allowChunks,
		ExpectHandler:                s.checkExpectation,
		ReadBufferSize:               maxHeader,
		MaxRequestBodySize:           wire.MaxBody,
		Concurrency:                  max(settings.Connections, fasthttp.DefaultConcurrency),
		DisablePreParseMultipartForm: true,
		LazyRequestTime:              true, // the door reads the clock
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		ConnState:                    noteState,
		Logger:                       discardLogger{},
	}
	return s
}

// discardLogger drops fasthttp's own log lines: they may quote a request, and what
// matters of them is answered and logged by the door.
type discardLogger struct{}

func (discardLogger) Printf(string, ...any) {}

// Serve answers on the socket until Drain, and closes it; it returns nil then. It is
// called once.
func (s *Server) Serve(socket net.Listener) error {
	l := listener.New(socket, listener.Settings{
		Max: s.Connections, TLS: s.TLS, Read: s.Read, Write: s.Write, Idle: s.Idle,
		Failed: s.door.Events.AcceptFailed, MadeRoom: s.door.Events.MadeRoom, TLSFailed: s.noteTLSFailure,
	})
	if !s.listen(l) {
		return socket.Close()
	}
	defer l.Sweep()()
	return s.http.Serve(l)
}

// listen notes what Serve listens on. It reports false when Drain was called first: then
// Serve is not to begin.
func (s *Server) listen(l *listener.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	return !s.stopped
}

// stopListening returns what Serve listens on, nil where it was not called yet. A Serve
// that comes later ends at once.
func (s *Server) stopListening() *listener.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	return s.listener
}

// noteState tells a connection what fasthttp does with it: fasthttp calls it in the
// goroutine that reads.
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
