package server

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// A route is a path, what may be done with it, and who may.
type route struct {
	path  string
	get   bool       // GET and HEAD, without a body; otherwise POST
	needs auth.Roles // none: open to everybody, and never refused for load
	serve func(*Server, *request) *wire.Problem
}

var routes = [...]route{
	{path: "/v1/check", needs: auth.Checker, serve: (*Server).check},
	{path: "/v1/outcomes", needs: auth.Checker, serve: (*Server).outcome},
	{path: "/healthz", get: true, serve: (*Server).healthy},
	{path: "/readyz", get: true, serve: (*Server).ready},
}

// Routes are the paths of this door, for the metrics.
func Routes() (paths []string) {
	for i := range routes {
		paths = append(paths, routes[i].path)
	}
	return paths
}

func routeOf(path []byte) *route {
	for i := range routes {
		if routes[i].path == string(path) {
			return &routes[i]
		}
	}
	return nil
}

func (r *route) takes(ctx *fasthttp.RequestCtx) bool {
	if r.get {
		return ctx.IsGet() || ctx.IsHead()
	}
	return ctx.IsPost()
}

func (r *route) allow() string {
	if r.get {
		return "GET, HEAD"
	}
	return "POST"
}

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) { s.serve(ctx, nil) }

// serve answers a request that was read whole, or of which unread says why not.
func (s *Server) serve(ctx *fasthttp.RequestCtx, unread *wire.Problem) {
	s.served.Add(1)
	inFlight := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	q := s.requests.Get().(*request)
	q.begin(ctx, time.Now())
	defer s.end(q)
	if p := s.answer(q, unread, inFlight); p != nil {
		q.refuse(p)
	}
}

// answer takes the request through all rooms; what it returns was refused.
func (s *Server) answer(q *request, unread *wire.Problem, inFlight int64) *wire.Problem {
	if unread != nil && unread != wire.TooLarge {
		return unread // there is no request to route
	}
	q.route = routeOf(q.ctx.URI().PathOriginal())
	s.logRequest(q)
	r := q.route
	if r == nil {
		return wire.NotFound
	}
	if !r.takes(q.ctx) {
		q.ctx.Response.Header.Set(fasthttp.HeaderAllow, r.allow())
		return wire.NoMethod
	}
	tooLarge := unread != nil || len(q.ctx.PostBody()) > wire.MaxBody
	if r.needs != 0 {
		if inFlight > int64(s.InFlight) {
			return crowded
		}
		if p := s.authenticate(q, r.needs, tooLarge); p != nil {
			return p
		}
	}
	if tooLarge {
		return wire.TooLarge
	}
	if r.get && len(q.ctx.PostBody()) > 0 {
		return wire.NotEmpty
	}
	return r.serve(s, q)
}

func (s *Server) authenticate(q *request, needs auth.Roles, tooLarge bool) *wire.Problem {
	h := &q.ctx.Request.Header
	q.asks = auth.Request{
		Header: header{h}, Method: h.Method(), Target: h.RequestURI(), Host: h.Host(), TLS: q.ctx.IsTLS(),
		Body: q.ctx.PostBody(), TooLarge: tooLarge,
	}
	caller, err := s.Guard.Authenticate(&q.asks)
	if err != nil {
		q.ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, s.Guard.Challenge())
		return wire.Unauthenticated(err)
	}
	if !caller.Roles.Permit(needs) {
		return wire.NoRole
	}
	return nil
}

// end closes what serve began, also when the handler panicked: a fault of ours
// costs one answer, not the process.
func (s *Server) end(q *request) {
	if fault := recover(); fault != nil {
		if q.tag == "" {
			q.tag = s.tagOf(q)
		}
		// The value may quote what it choked on; its type and the stack do not.
		s.Log.Error("panic in a handler", "tag", q.tag, "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		q.ctx.Response.ResetBody()
		q.refuse(wire.Internal)
	}
	if s.draining.Load() || q.ctx.Request.Header.ContentLength() == -1 {
		// A chunked body may hide where the next request begins.
		q.ctx.SetConnectionClose()
	}
	q.sign()
	s.logResponse(q)
	route := "none"
	if q.route != nil {
		route = q.route.path
	}
	s.Events.Request(route, q.ctx.Response.StatusCode(), time.Since(q.start))
	q.ctx = nil
	s.requests.Put(q)
}

func (s *Server) healthy(q *request) *wire.Problem {
	return q.say(`{"status":"alive"}`)
}

func (s *Server) ready(q *request) *wire.Problem {
	if s.draining.Load() {
		return wire.Draining
	}
	return q.say(`{"status":"ready"}`)
}

func (q *request) say(json string) *wire.Problem {
	q.ctx.Response.Header.SetContentType("application/json")
	q.ctx.Response.SetBodyString(json)
	return nil
}
