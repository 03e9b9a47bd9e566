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

// responseBuffer is the http.ResponseWriter that they write to, whole, before the door
// answers.
type responseBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *responseBuffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *responseBuffer) WriteHeader(status int) { b.status = status }

// Write implements http.ResponseWriter.
func (b *responseBuffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// serveHTTP answers with what the handler writes for a GET of that path. It passes on the
// two headers of the request, and the two of the answer, that these handlers use; a 404
// is answered as the door answers every other.
func serveHTTP(h http.Handler, path string, q *door.Request) *wire.Problem {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: string(q.Query)}, Header: http.Header{}}
	for _, name := range []string{"Accept", "Accept-Encoding"} {
		for _, value := range q.In.Header.Values(name) {
			r.Header.Add(name, string(value))
		}
	}
	b := &responseBuffer{header: http.Header{}, status: http.StatusOK}
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

// metrics answers GET /metrics in the text format of Prometheus, or another that Accept
// asks for.
func (a *API) metrics(q *door.Request) *wire.Problem {
	return serveHTTP(promhttp.HandlerFor(a.Metrics.Registry, promhttp.HandlerOpts{}), "/metrics", q)
}

// profiles answers with the list of profiles, as a page.
func (a *API) profiles(q *door.Request) *wire.Problem {
	return serveHTTP(http.HandlerFunc(pprof.Index), "/debug/pprof/", q)
}

// profile answers with one profile of the process, as go tool pprof reads it. One of the
// CPU, or a trace, is taken for as many seconds as the parameter "seconds" says: by
// default 30 and 1.
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
	return serveHTTP(handler, "/debug/pprof/"+q.Segment, q)
}
