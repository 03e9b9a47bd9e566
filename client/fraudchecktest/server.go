// Package fraudchecktest has a fake fraudcheck service for the tests of a shop: it answers
// as a script says, and fails as services and networks do.
//
//	s := fraudchecktest.New()
//	defer s.Close()
//	s.Script(fraudchecktest.Reply{Decision: "block"}, fraudchecktest.Reply{Fault: fraudchecktest.Hang})
//	shop := newShop(s.URL) // any user and password will do
package fraudchecktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// A Server is a fake service on a free port of the loopback. Its methods may be called
// from many goroutines at once.
type Server struct {
	URL  string
	addr string

	mu       sync.Mutex
	ln       net.Listener // nil while connections are refused
	conns    map[net.Conn]struct{}
	script   []Reply
	standing Reply // once the script has ended
	handler  http.Handler
	requests []Request
	over     chan struct{} // closed by Close: faults that last end
	ending   sync.Once
	running  sync.WaitGroup
}

// A Request is what a client sent.
type Request struct {
	Path          string         // /v1/check or /v1/outcomes
	Authorization string         // the header
	Fields        map[string]any // of the JSON object; nil if it was none
	Reused        bool           // its connection had carried a request before
}

// AttemptID returns the field attempt_id.
func (r Request) AttemptID() string {
	id, _ := r.Fields["attempt_id"].(string)
	return id
}

// New starts a server that answers every check with allow and takes every outcome. It
// panics when it cannot listen.
func New() *Server {
	s := &Server{conns: map[net.Conn]struct{}{}, over: make(chan struct{}), addr: "127.0.0.1:0"}
	s.Accept()
	s.URL = "http://" + s.addr
	return s
}

// Script says how the next requests are answered, one reply each, after those of earlier
// calls. Then Standing holds.
func (s *Server) Script(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Standing says how requests are answered when the script has ended.
func (s *Server) Standing(r Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = r
}

// Forward lets the handler answer in place of Decision, Status and Body of replies, for
// instance a reverse proxy to a real service. Delay and Fault hold as before; the handler
// has answered when a fault begins.
func (s *Server) Forward(to http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = to
}

// Requests returns what came until now, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Refuse makes the port refuse connections, and ends those that there are.
func (s *Server) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln != nil {
		_ = s.ln.Close()
		s.ln = nil
	}
	for c := range s.conns {
		_ = c.Close()
	}
}

// Accept ends Refuse. It panics when the port was taken meanwhile.
func (s *Server) Accept() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln != nil {
		return
	}
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		panic("fraudchecktest: " + err.Error())
	}
	s.ln, s.addr = ln, ln.Addr().String()
	s.running.Add(1)
	go s.accept(ln)
}

// CloseIdle closes every connection without a word, as a service does with those that
// were idle too long. Clients find out when they send the next request.
func (s *Server) CloseIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Close ends the server and all connections.
func (s *Server) Close() {
	s.Refuse()
	s.ending.Do(func() { close(s.over) })
	s.running.Wait()
}

func (s *Server) accept(ln net.Listener) {
	defer s.running.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.ln != ln { // refused meanwhile
			_ = c.Close()
		} else {
			s.conns[c] = struct{}{}
			s.running.Add(1)
			go s.serve(c)
		}
		s.mu.Unlock()
	}
}

// serve answers the requests of a connection.
func (s *Server) serve(c net.Conn) {
	defer s.running.Done()
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	in := bufio.NewReader(c)
	for n := 0; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		reply, handler := s.note(r, body, n > 0)
		if !s.answer(c, reply, answerOf(reply, handler, r, body)) {
			return
		}
	}
}

// note keeps the request and returns how to answer it.
func (s *Server) note(r *http.Request, body []byte, reused bool) (Reply, http.Handler) {
	q := Request{Path: r.URL.Path, Authorization: r.Header.Get("Authorization"), Reused: reused}
	_ = json.Unmarshal(body, &q.Fields)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	if len(s.script) == 0 {
		return s.standing, s.handler
	}
	reply := s.script[0]
	s.script = s.script[1:]
	return reply, s.handler
}

// answerOf returns the whole answer, as it would go over the wire without a fault.
func answerOf(reply Reply, handler http.Handler, r *http.Request, body []byte) []byte {
	w := httptest.NewRecorder()
	if handler != nil && reply.Status == 0 && reply.Body == "" {
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	} else {
		reply.write(w, r.URL.Path, body)
	}
	answer := w.Result()
	answer.ContentLength = int64(w.Body.Len())
	wire := bytes.Buffer{}
	_ = answer.Write(&wire) // to memory
	return wire.Bytes()
}
