// Package operator is the operators' door: metrics for Prometheus, health for
// whoever routes traffic, and for the analyst what is known of an address or
// another subject, and the means to let it go.
//
// Requests go the same way as at the callers' door, and problems look the same:
// 404, 405, 401, 403, 413, 415, 400. A change that other instances could not be
// told of is made here and answered 503, which says so.
//
// What it refuses on purpose: to count what an analyst looks at, and to take an
// e-mail address or a card in a path.
package operator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// Settings are what a Door works with.
type Settings struct {
	Checker *velocity.Checker
	Guard   *auth.Guard
	Metrics *Metrics
	Now     func(time.Time) velocity.Time
	Ready   func() bool // whether the callers' door may take traffic
	Log     *slog.Logger
	TagKey  []byte      // hashes what tells callers apart in the log
	TLS     *tls.Config // nil: none
	CORS    *wire.CORS

	// Connections are open at once; then the one silent or idle longest makes room; 0
	// for any number.
	Connections int
	// AcceptFailed is told of every accept that failed; MadeRoom of every connection
	// that was closed because there were too many. Both may be nil.
	AcceptFailed func(error)
	MadeRoom     func()
}

// A Door answers operators and analysts.
type Door struct {
	Settings
	tags     *wire.Tags
	http     http.Server
	listener atomic.Pointer[listener.Listener]
}

// New makes a door; Serve opens it.
func New(settings Settings) *Door {
	d := &Door{Settings: settings, tags: wire.NewTags(settings.TagKey)}
	d.http = http.Server{
		Handler:           d,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it may quote a stranger
		ConnState:         noteState,
	}
	d.http.RegisterOnShutdown(func() {
		if l := d.listener.Load(); l != nil {
			l.CloseSilent() // net/http takes them for busy until they are 5 s old
		}
	})
	return d
}

// Serve answers on the listener until Shutdown; it returns nil then.
func (d *Door) Serve(ln net.Listener) error {
	l := listener.New(ln, listener.Settings{Max: d.Connections, TLS: d.TLS, Failed: d.AcceptFailed, MadeRoom: d.MadeRoom})
	d.listener.Store(l)
	if err := d.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown answers what is in flight and closes, at the latest when ctx ends.
func (d *Door) Shutdown(ctx context.Context) error {
	err := d.http.Shutdown(ctx)
	if err != nil {
		_ = d.http.Close()
	}
	return err
}

// noteState tells a connection what net/http does with it.
func noteState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*listener.Conn); ok {
		switch state {
		case http.StateNew:
			c.SetState(listener.StateNew)
		case http.StateActive:
			c.SetState(listener.StateActive)
		case http.StateIdle:
			c.SetState(listener.StateIdle)
		}
	}
}

// A call is one request on its way.
type call struct {
	*http.Request
	caller  *auth.Caller // once authenticated
	w       http.ResponseWriter
	start   time.Time
	id      []byte
	route   *route
	subject string // what stands for {ip} in the path
	asks    auth.Request
	raw     []byte        // the body, once it was read
	unread  *wire.Problem // or why it was not
	status  int
	code    string // of the problem, when there is one

	preflight bool // a browser's question, before it sends a page's request
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w, start: time.Now(), status: http.StatusOK}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	c.asks = auth.Request{
		Header: header{r.Header}, At: c.start, Peer: peer.Addr(), TLS: d.TLS != nil,
		Method: []byte(r.Method), Target: []byte(r.RequestURI), Host: []byte(r.Host),
	}
	if given := []byte(r.Header.Get("X-Request-Id")); wire.Traceable(given) {
		c.id = given
	} else {
		c.id = wire.AppendID(nil, c.start)
	}
	w.Header().Set("X-Request-Id", string(c.id))
	w.Header().Set("Cache-Control", "no-store")
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close") // chunks may hide where the next request begins
	}
	c.asks.ListedOrigin, c.preflight = d.CORS.Allow(r.Method == http.MethodOptions, header{r.Header}, w.Header())
	c.route, c.subject = find(r.URL.Path)
	log := d.Log.With("tag", d.tag(c))
	level := slog.LevelInfo
	if c.route != nil && c.route.probed() {
		level = slog.LevelDebug
	}
	log.Log(r.Context(), level, c.asked())
	defer func() {
		if fault := recover(); fault != nil {
			log.Error("panic in a handler", "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
			c.refuse(wire.Internal)
		}
		log.Log(r.Context(), level, "Response:", "status", c.status, "code", c.code, "took", time.Since(c.start),
			"scheme", c.asks.Scheme(), "caller", wire.Loggable(c.asks.Caller()))
		d.Metrics.Request(c.route.name(), c.status, time.Since(c.start))
	}()
	if p := d.answer(c); p != nil {
		c.refuse(p)
	}
}

func (d *Door) answer(c *call) *wire.Problem {
	switch {
	case c.route == nil:
		return wire.NotFound
	case c.preflight:
		d.CORS.Preflight(c.route.allow(), c.w.Header())
		c.status = http.StatusNoContent
		c.w.WriteHeader(c.status)
		return nil
	case !c.route.takes(c.Method):
		c.w.Header().Set("Allow", c.route.allow())
		return wire.NoMethod
	case c.route.needs != 0:
		if p := d.authenticate(c); p != nil {
			return p
		}
	}
	if p := wire.RefuseOrigin(&c.asks); p != nil {
		return p
	}
	if c.unread != nil {
		return c.unread
	}
	return c.route.serve(d, c)
}

func (d *Door) authenticate(c *call) *wire.Problem {
	if c.Header["Signature"] != nil { // which speaks of the body
		if c.read(); c.unread != nil && c.unread != wire.TooLarge {
			return c.unread
		}
		c.asks.Body, c.asks.TooLarge = c.raw, c.unread != nil
	}
	c.asks.Needs = c.route.needs
	caller, err := d.Guard.Authenticate(&c.asks)
	if fresh := c.asks.Grant.Fresh; fresh != "" {
		c.w.Header().Set("X-Auth-Token", fresh)
	}
	if err != nil {
		return d.unauthenticated(c, wire.Unauthenticated(&c.asks, err))
	}
	c.caller = caller
	return nil
}

func (d *Door) unauthenticated(c *call, p *wire.Problem) *wire.Problem {
	if p.Status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", d.Guard.Challenge())
	}
	return p
}

// header shows the guard the header of a request.
type header struct{ http.Header }

func (h header) Values(name string) (values [][]byte) {
	for _, v := range h.Header.Values(name) {
		values = append(values, []byte(v))
	}
	return values
}

func (c *call) refuse(p *wire.Problem) {
	c.code = p.Code
	if after := p.RetryAfter(); after != "" {
		c.w.Header().Set("Retry-After", after)
	}
	c.say(p.Status, wire.ProblemType, p.Append(nil, c.id))
}

func (c *call) say(status int, contentType string, body []byte) {
	c.status = status
	c.w.Header().Set("Content-Type", contentType)
	if c.asks.Signed() {
		digest, input, signature := c.asks.SignAnswer(status, body)
		c.w.Header().Set("Content-Digest", digest)
		c.w.Header().Set("Signature-Input", input)
		c.w.Header().Set("Signature", signature)
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // who asked may have gone
}

// asked is the log's first line of a request: the route, not the path, which may
// hold an address.
func (c *call) asked() string {
	method := "(other method)"
	switch c.Method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS":
		method = c.Method
	}
	if c.route == nil {
		return method + " (no such path)"
	}
	return method + " " + c.route.path
}

// tag tells apart the conversations of one login; who has none, its requests.
func (d *Door) tag(c *call) string {
	from := d.Guard.From(&c.asks)
	if login, found := d.Guard.Conversation(&c.asks); found {
		return d.tags.Of(from, login[:])
	}
	return d.tags.Of(from, c.id)
}

// read reads the whole body, once.
func (c *call) read() {
	if c.raw != nil || c.unread != nil {
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, wire.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		c.raw = raw
	case errors.As(err, &tooLarge):
		c.unread = wire.TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.unread = wire.TooSlow
	default:
		c.unread = &wire.Problem{Status: 400, Code: "body_invalid", Detail: "the body did not arrive whole"}
	}
}

// body reads the whole body, and who can read it.
func (c *call) body() (body string, decode wire.Decoder, p *wire.Problem) {
	if c.read(); c.unread != nil {
		return "", nil, c.unread
	}
	decode = wire.DecoderFor([]byte(c.Header.Get("Content-Type")), []byte(c.Header.Get("Content-Encoding")))
	if decode == nil && len(c.raw) > 0 {
		return "", nil, wire.NoMedia
	}
	return string(c.raw), decode, nil
}

func (d *Door) metrics(c *call) *wire.Problem {
	promhttp.HandlerFor(d.Metrics.Registry, promhttp.HandlerOpts{}).ServeHTTP(c.w, c.Request)
	return nil
}

func (d *Door) healthy(c *call) *wire.Problem {
	c.say(http.StatusOK, "application/json", []byte(`{"status":"alive"}`))
	return nil
}

func (d *Door) ready(c *call) *wire.Problem {
	if !d.Ready() {
		return wire.Draining
	}
	c.say(http.StatusOK, "application/json", []byte(`{"status":"ready"}`))
	return nil
}
