// Package server serves a door over HTTP/1.1 with fasthttp, the same at both ports:
// it reads a request, gives it to the door and writes the answer; it bounds
// connections and time, and drains.
//
// Both ports use one HTTP library, so they agree on where a request ends, and a fault
// that is mended at one is mended at the other.
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

// maxHeader bounds request line and header section together, in bytes.
const maxHeader = 8 << 10

// maxChunks bounds a body in chunks that is read to the end to be refused, in bytes.
const maxChunks = 64 << 10

// Settings of a Server.
type Settings struct {
	// Connections are open at once; then the one silent or idle longest makes room; 0
	// for any number.
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

// New makes a server; Serve starts it.
func New(d *door.Door, settings Settings) *Server {
	s := &Server{Settings: settings, door: d}
	s.requests.New = func() any { return new(door.Request) }
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleUnread,
		HeaderReceived:               s.allowChunks,
		ExpectHandler:                s.judgeExpectation,
		ReadBufferSize:               maxHeader,
		MaxRequestBodySize:           wire.MaxBody,
		Concurrency:                  max(settings.Connections, fasthttp.DefaultConcurrency),
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

// quiet drops fasthttp's own log lines: they may quote a request, and what matters of
// them is answered and logged by the door.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers on the socket until Drain; it returns nil then.
func (s *Server) Serve(socket net.Listener) error {
	l := listener.New(socket, listener.Settings{
		Max: s.Connections, TLS: s.TLS, Read: s.Read, Write: s.Write, Idle: s.Idle,
		Failed: s.door.Events.AcceptFailed, MadeRoom: s.door.Events.MadeRoom,
	})
	if !s.listen(l) {
		return socket.Close()
	}
	defer l.Sweep()()
	return s.http.Serve(l)
}

// listen notes what Serve listens on, and reports false when Drain was faster.
func (s *Server) listen(l *listener.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	return !s.stopped
}

// stopListening returns what Serve listens on, nil where it was not called yet.
func (s *Server) stopListening() *listener.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	return s.listener
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
