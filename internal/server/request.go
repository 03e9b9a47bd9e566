package server

import (
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/listener"
	"fraudcheck/internal/wire"
)

// What every answer has, as bytes, so that nothing is converted for each.
var (
	requestID    = []byte("X-Request-Id")
	cacheControl = []byte("Cache-Control")
	noStore      = []byte("no-store")
	typeOptions  = []byte("X-Content-Type-Options")
	noSniff      = []byte("nosniff")
)

// fullFor is the second that Retry-After asks for when too many requests are in flight: for
// as long, unless there is room before, the connection is not read. Callers that call
// again at once would otherwise take the processors from the requests that are in flight.
const fullFor = time.Second

// handle answers a request that was read whole; fasthttp calls it.
func (s *Server) handle(ctx *fasthttp.RequestCtx) { s.serve(ctx, nil) }

// serve answers a request that was read whole, or of which unread says why not. Requests
// are pooled: a check allocates no door.Request.
func (s *Server) serve(ctx *fasthttp.RequestCtx, unread *wire.Problem) {
	q := s.requests.Get().(*door.Request)
	readInput(&q.In, ctx)
	q.In.Unread = unread
	s.door.Serve(q)
	if q.Out.Stream != nil {
		s.stream(ctx, q)
		return
	}
	writeOutput(ctx, q)
	if c, ours := ctx.Conn().(*listener.Conn); ours && !q.Out.Close {
		in := &q.In
		line := len(in.Method) + len(" ") + len(in.Target) + len(" ") + len(in.Proto) + len("\r\n")
		c.Answered(line + len(in.Head) + len(in.Body))
		if q.Out.Full {
			c.Pause(fullFor, s.door.HasRoom)
		}
	}
	q.Reset()
	s.requests.Put(q)
}

// readInput fills in a zero Input, field by field, as copying the whole costs more. Its
// slices are fasthttp's, good until the answer is written.
func readInput(in *door.Input, ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	in.Method, in.Target, in.Host, in.Proto = h.Method(), h.RequestURI(), h.Host(), h.Protocol()
	in.ContentType = h.ContentType()
	in.Header, in.Head = header{h}, h.RawHeaders()
	in.Body = ctx.Request.Body()
	if c, ours := ctx.Conn().(*listener.Conn); ours {
		in.Peer = c.Peer
		in.BareLF, in.BadChunks, in.Kept = c.BareLF(), c.BadChunks(), kept(c)
	}
}

// kept returns what the door keeps of the connection.
func kept(c *listener.Conn) *door.Kept {
	k, ok := c.Kept.(*door.Kept)
	if !ok {
		k = new(door.Kept)
		c.Kept = k
	}
	return k
}

// writeOutput hands the answer to fasthttp, which sends it after the handler returns.
func writeOutput(ctx *fasthttp.RequestCtx, q *door.Request) {
	r, out := &ctx.Response, &q.Out
	r.SetStatusCode(out.Status)
	r.Header.SetCanonical(requestID, q.ID)
	r.Header.SetCanonical(cacheControl, noStore)
	r.Header.SetCanonical(typeOptions, noSniff)
	if out.Type != "" {
		r.Header.SetContentType(out.Type)
	}
	for _, f := range out.Fields {
		r.Header.Set(f.Name, f.Value)
	}
	r.SetBody(out.Body)
	if out.Close {
		ctx.SetConnectionClose()
	}
}

// header is the door's view of the header of a request whose head it refuses, as far as
// fasthttp has read it.
type header struct{ *fasthttp.RequestHeader }

// Values implements auth.Header.
func (h header) Values(name string) [][]byte { return h.PeekAll(name) }
