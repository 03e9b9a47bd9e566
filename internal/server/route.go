package server

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/account"
	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// A route is a path, what may be done with it, and who may.
type route struct {
	path  string
	get   bool       // GET and HEAD, without a body; otherwise POST
	needs auth.Roles // none: open to everybody
	serve func(*Server, *request) *wire.Problem
}

const checkPath = "/v1/check"

var routes = [...]route{
	{path: checkPath, needs: auth.Checker, serve: (*Server).check},
	{path: "/v1/outcomes", needs: auth.Checker, serve: (*Server).outcome},
	{path: account.Login, serve: (*Server).account},
	{path: account.Refresh, serve: (*Server).account},
	{path: account.Logout, serve: (*Server).account},
	{path: account.Me, get: true, needs: auth.Anyone, serve: (*Server).account},
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

// probed routes are never refused for load, nor logged at INFO.
func (r *route) probed() bool { return r.get && r.needs == 0 }

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
	q.asks.TLS = s.TLS != nil
	q.asks.ListedOrigin, q.preflight = s.CORS.Allow(ctx.IsOptions(), header{&ctx.Request.Header}, &ctx.Response.Header)
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
	if q.preflight {
		s.CORS.Preflight(r.allow(), &q.ctx.Response.Header)
		q.ctx.SetStatusCode(fasthttp.StatusNoContent)
		return nil
	}
	if !r.takes(q.ctx) {
		q.ctx.Response.Header.Set(fasthttp.HeaderAllow, r.allow())
		return wire.NoMethod
	}
	if !r.probed() && inFlight > int64(s.InFlight) {
		return crowded
	}
	tooLarge := unread != nil || len(q.ctx.PostBody()) > wire.MaxBody
	if r.needs != 0 {
		q.asks.Needs, q.asks.Body, q.asks.TooLarge = r.needs, q.ctx.PostBody(), tooLarge
		if p := s.authenticate(q); p != nil {
			return p
		}
	}
	if p := wire.RefuseOrigin(&q.asks); p != nil {
		return p
	}
	if tooLarge {
		return wire.TooLarge
	}
	if r.get && len(q.ctx.PostBody()) > 0 {
		return wire.NotEmpty
	}
	return r.serve(s, q)
}

func (s *Server) authenticate(q *request) *wire.Problem {
	caller, err := s.Guard.Authenticate(&q.asks)
	if fresh := q.asks.Grant.Fresh; fresh != "" {
		q.ctx.Response.Header.Set("X-Auth-Token", fresh)
	}
	if err != nil {
		return s.unauthenticated(q, wire.Unauthenticated(&q.asks, err))
	}
	q.caller = caller
	return nil
}

func (s *Server) unauthenticated(q *request, p *wire.Problem) *wire.Problem {
	if p.Status == fasthttp.StatusUnauthorized {
		q.ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, s.Guard.Challenge())
	}
	return p
}

// account answers the routes at which callers log in and out.
func (s *Server) account(q *request) *wire.Problem {
	h := &q.ctx.Request.Header
	a, p := account.Serve(q.route.path, &account.Call{
		Guard: s.Guard, Asks: &q.asks, Caller: q.caller, Body: string(q.ctx.PostBody()),
		ContentType: h.ContentType(), ContentEncoding: h.Peek(fasthttp.HeaderContentEncoding),
	})
	r := &q.ctx.Response
	if a.Cookie != "" {
		r.Header.Add(fasthttp.HeaderSetCookie, a.Cookie)
	}
	if p != nil {
		return s.unauthenticated(q, p)
	}
	r.SetStatusCode(a.Status)
	if a.Body != nil {
		r.Header.SetContentType("application/json")
		r.SetBody(a.Body)
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
	took := time.Since(q.start)
	s.logResponse(q, took)
	route := "none"
	if q.route != nil {
		route = q.route.path
	}
	s.Events.Request(route, q.ctx.Response.StatusCode(), took)
	if q.judged {
		s.Events.Decision(&q.decision, took)
	}
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
