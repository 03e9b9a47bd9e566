package operator

import (
	"bytes"
	"net/http"
	"net/http/pprof"
	"net/url"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

// Metrics and profiles come from handlers of net/http. They write into memory, in the
// goroutine of the request: the adaptor of fasthttp would start one for each scrape.

// buffer is the http.ResponseWriter that they write to.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *buffer) WriteHeader(status int) { b.status = status }

// Write implements http.ResponseWriter.
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// serve answers with what the handler writes for a GET of that path.
func serve(h http.Handler, path string, q *door.Request) *wire.Problem {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: string(q.Query)}, Header: http.Header{}}
	for _, name := range []string{"Accept", "Accept-Encoding"} {
		for _, value := range q.In.Header.Values(name) {
			r.Header.Add(name, string(value))
		}
	}
	b := &buffer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(b, r)
	for _, name := range []string{"Content-Encoding", "Content-Disposition"} { // the door sets all others
		if value := b.header.Get(name); value != "" {
			q.Out.Set(name, value)
		}
	}
	if b.status == http.StatusNotFound {
		return wire.NotFound
	}
	q.Answer(b.status, b.header.Get("Content-Type"), b.body.Bytes())
	return nil
}

func (a *API) metrics(q *door.Request) *wire.Problem {
	return serve(promhttp.HandlerFor(a.Metrics.Registry, promhttp.HandlerOpts{}), "/metrics", q)
}

// profiles answers with the list of profiles, as a page.
func (a *API) profiles(q *door.Request) *wire.Problem {
	return serve(http.HandlerFunc(pprof.Index), "/debug/pprof/", q)
}

// profile answers with one profile of the process, as go tool pprof reads it. One of
// the CPU, or a trace, is taken for as long as the parameter "seconds" says.
func (a *API) profile(q *door.Request) *wire.Problem {
	handler := http.HandlerFunc(pprof.Index)
	switch q.Segment {
	case "cmdline":
		handler = pprof.Cmdline
	case "profile":
		handler = pprof.Profile
	case "symbol":
		handler = pprof.Symbol
	case "trace":
		handler = pprof.Trace
	}
	return serve(handler, "/debug/pprof/"+q.Segment, q)
}
