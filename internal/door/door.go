// Package door is the one path that a request takes through either port of this service:
// framing, route, request id, CORS, authentication, origin, size, handler, signature, log
// line and metrics. It also answers the routes that both ports have: login, refresh,
// logout, me, health and readiness.
//
// It knows no HTTP library: a listener reads an [Input], gives it to [Door.Serve] and
// writes the [Output].
//
// # Order
//
// A request that is refused gets a problem (RFC 9457), judged in this order: faults of
// framing (400, 501, 505), 404, 405, 503 when too many are in flight, 401, 403, 413, and
// what the handler finds: 415, 400. So a caller that is not known learns nothing of what
// a route expects.
//
// # Routes
//
// To add a route, add a line to the table of the port ([Route]) and write its handler. A
// handler reads the request, and either sets the answer and returns nil, or returns the
// problem. A panic in it is answered 500 and logged, and costs no other request.
//
// # Refusals
//
// A GET must not have a body. After a request whose end is not certain the connection is
// closed, so that no second request can hide in it. A page of another origin, unless it
// is listed, cannot change anything with credentials that its browser adds by itself.
// What a request holds is neither logged nor returned.
package door

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// Settings of a Door.
type Settings struct {
	Guard  *auth.Guard
	CORS   *CORS // nil: for no origin
	TLS    bool  // whether the port speaks TLS
	Log    *slog.Logger
	TagKey []byte // hashes what tells callers apart in the log

	// RefusalLines is how many refused requests of one route and code are logged in a
	// second; what is beyond is counted, and one line says how many. 0 for 10.
	RefusalLines int

	// Instance is what this instance calls itself to others of this service, in the
	// proof.InstanceHeader of its answers to them.
	Instance string
	// InFlight requests are served at once; more are refused with 503, except those
	// that are open to everybody and change nothing. 0 for any number.
	InFlight int
	// Elsewhere are the routes of the service's other port, and its name, for those who ask
	// at the wrong one.
	Elsewhere []Route
	OtherPort string
	// Ready says whether the service may take traffic; nil: until SetUnready or Drain.
	Ready  func() bool
	Events Events
}

// Events tell the metrics what happens. They are called on the request's path: they
// neither wait nor keep what they are given. Those that are nil are not called.
type Events struct {
	// Request is called for every answer; route is "none" where there is none.
	Request func(route string, status int, took time.Duration)
	// Decision is called for every check, with the time from its request to its answer.
	Decision func(d *velocity.Decision, took time.Duration)
	// Outcome is called for every issuer's answer that was taken; with velocity.LateAnswer
	// where it was too old to count.
	Outcome func(velocity.IssuerAnswer)
	// NoIP is called for every check without an IP address, with one of velocity.NoIPReasons.
	NoIP func(reason string)
	// PANLike is called when a field looks like a card number.
	PANLike func()
	// AcceptFailed is called for every connection that could not be accepted.
	AcceptFailed func(error)
	// TLSFailed is called for every TLS handshake that failed; reason is one of
	// listener.TLSReasons, from the connection's other end.
	TLSFailed func(reason string, from netip.Addr, err error)
	// MadeRoom is called for every connection closed because there were too many.
	MadeRoom func()
}

// A Door answers requests. It is safe for concurrent use.
type Door struct {
	Settings
	resources []resource
	elsewhere []resource // of the other port
	tags      *Tags
	refusals  refusals

	unready  atomic.Bool
	draining atomic.Bool
	inFlight atomic.Int64 // requests begun and not answered
	served   atomic.Int64 // requests begun
}

// New makes a door with these routes and those that every door has. Two routes must not
// have the same path and method.
func New(settings Settings, routes ...Route) *Door {
	d := &Door{Settings: settings, tags: NewTags(settings.TagKey)}
	d.refusals.most, d.refusals.more = cmp.Or(settings.RefusalLines, 10), d.logHidden
	if d.Events.Request == nil {
		d.Events.Request = func(string, int, time.Duration) {}
	}
	d.resources, d.elsewhere = compile(append(routes, d.common()...)), compile(d.Elsewhere)
	return d
}

const logoutPath = "/v1/logout"

// common returns the routes of every door.
func (d *Door) common() []Route {
	return []Route{
		{Methods: "POST", Path: "/v1/login", Turn: turns.LookUp, Handle: d.login},
		{Methods: "POST", Path: "/v1/refresh", Turn: turns.LookUp, Handle: d.refresh},
		{Methods: "POST", Path: logoutPath, Turn: turns.Change, Handle: d.logout},
		{Methods: "GET, HEAD", Path: "/v1/me", Needs: auth.Anyone, Turn: turns.LookUp, Handle: d.me},
		{Methods: "GET, HEAD", Path: "/healthz", Handle: d.health},
		{Methods: "GET, HEAD", Path: "/readyz", Handle: d.ready},
	}
}

// SetUnready makes /readyz answer 503. Requests are answered as before.
func (d *Door) SetUnready() { d.unready.Store(true) }

// Drain makes the door unready, and every answer from now on asks its caller to close the
// connection. Requests are answered as before.
func (d *Door) Drain() {
	d.SetUnready()
	d.draining.Store(true)
}

// Load returns the number of requests begun so far, and of those not answered yet.
func (d *Door) Load() (begun, inFlight int64) { return d.served.Load(), d.inFlight.Load() }

// HasRoom reports whether a connection that was refused because too many requests were in
// flight may be read again: an eighth of the places is free.
func (d *Door) HasRoom() bool {
	limit := int64(d.InFlight)
	return d.inFlight.Load() < limit-limit/8
}

// IsReady reports whether the service may take traffic; /readyz answers with it.
func (d *Door) IsReady() bool {
	if d.Ready != nil {
		return d.Ready()
	}
	return !d.unready.Load()
}

// Serve answers the request: q.In is what was read of it, and q.Out is the answer when it
// returns. It always returns, also after a panic of a handler.
func (d *Door) Serve(q *Request) {
	d.served.Add(1)
	inFlight := d.inFlight.Add(1)
	defer d.inFlight.Add(-1)
	q.begin(time.Now(), d.TLS || d.Guard.OverTLS(q.In.Peer))
	q.door, q.Logged = d, d.Log.Enabled(context.Background(), slog.LevelInfo)
	defer d.end(q)
	q.auth.ListedOrigin, q.preflight = d.CORS.Allow(string(q.In.Method) == "OPTIONS", q.In.Header, &q.Out)
	if p := d.answer(q, inFlight); p != nil {
		// The lines of a refused logout have the tag of the login that it shows.
		if q.route() == logoutPath && p.Status < 500 {
			d.Guard.NoteShown(&q.auth)
		}
		q.refuse(p)
	}
}

// answer takes the request through all steps, and returns why it was refused.
func (d *Door) answer(q *Request, inFlight int64) *wire.Problem {
	if !q.isRead() {
		return q.In.Unread // there is no request to route
	}
	path, query, ok := splitTarget(q.In.Target, q.In.Host)
	if q.badHead != nil || !ok {
		q.Out.Close = true
		return cmp.Or(q.badHead, badTarget)
	}
	q.Query = query
	q.resource, q.Segment = d.find(path)
	q.routed = true
	if q.resource == nil {
		return d.notFound(path)
	}
	if q.preflight {
		d.CORS.Preflight(q.resource.allow, &q.Out)
		q.Out.Status = 204
		return nil
	}
	r := q.resource.route(q.In.Method)
	if r == nil {
		q.Out.Set("Allow", q.resource.allow)
		return wire.MethodNotAllowed(q.resource.allow)
	}
	if d.InFlight > 0 && inFlight > int64(d.InFlight) && !q.resource.probe {
		q.Out.Full = true
		return tooManyInFlight
	}
	tooLarge := q.In.Unread != nil || len(q.In.Body) > wire.MaxBody
	q.Turn.Class = r.Turn
	if r.Needs != 0 {
		q.auth.Needs, q.auth.ForPeers, q.auth.Body, q.auth.TooLarge = r.Needs, r.Peers, q.In.Body, tooLarge
		if p := d.authenticate(q); p != nil {
			return p
		}
	}
	if q.In.fromPage {
		if p := refuseOrigin(&q.auth); p != nil {
			return p
		}
	}
	if tooLarge {
		return wire.TooLarge
	}
	if len(q.In.Body) > 0 && q.takesNoBody() {
		return wire.BodyNotAllowed
	}
	return r.Handle(q)
}

// authenticate finds the caller, or returns why the request is refused. A fresh access
// token is handed out whatever becomes of the request.
func (d *Door) authenticate(q *Request) *wire.Problem {
	caller, err := d.Guard.Authenticate(&q.auth)
	if fresh := q.auth.Grant.Fresh; fresh != "" {
		q.Out.Set("X-Auth-Token", fresh)
	}
	if err != nil {
		return d.unauthenticated(q, err)
	}
	if q.Caller = caller; caller.IsPeer() {
		q.Out.Set(proof.InstanceHeader, d.Instance)
	}
	return nil
}

// end completes what Serve began, in this order: its turn, the answer after a panic,
// whether the connection closes, the signature, the log line, the metrics. The time that is logged
// and counted ends here: the library's writing is not in it.
func (d *Door) end(q *Request) {
	fault := recover()
	q.Turn.Release()
	if q.Out.Stream != nil && !q.streaming && fault == nil {
		q.Out.Close = true
		return // Stream completes it
	}
	if fault != nil {
		// The value may quote a request; its type and the stack do not.
		d.Log.Error("panic in a handler", "tag", d.tag(q), "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
		q.Out.Stream = nil
		q.refuse(wire.Internal)
	}
	if d.draining.Load() || q.In.mustClose() {
		q.Out.Close = true
	}
	if !q.streaming {
		q.sign()
	}
	took := time.Since(q.Start)
	d.logRequest(q, took)
	path := "none"
	if q.resource != nil {
		path = q.resource.path
	}
	d.Events.Request(path, q.Out.Status, took)
	if q.Decision != nil && d.Events.Decision != nil {
		d.Events.Decision(q.Decision, took)
	}
}

// health answers /healthz: the process is alive, also while it drains.
func (d *Door) health(q *Request) *wire.Problem {
	q.Answer(200, wire.JSON, alive)
	return nil
}

// ready answers /readyz: 200, or 503 while the service must not get traffic.
func (d *Door) ready(q *Request) *wire.Problem {
	if !d.IsReady() {
		return wire.Draining
	}
	q.Answer(200, wire.JSON, ready)
	return nil
}

var (
	alive = []byte(`{"status":"alive"}`)
	ready = []byte(`{"status":"ready"}`)

	tooManyInFlight = &wire.Problem{Status: 503, Code: "overloaded", Detail: "too many requests in flight, try again"}
)
