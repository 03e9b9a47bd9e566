package operator

import (
	"bytes"
	"net/http"
	"net/http/pprof"
	"net/url"

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

// requestOf is the request as these handlers read it: a GET of that path, with the query
// and the two headers that they use.
func requestOf(path string, q *door.Request) *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: string(q.Query)}, Header: http.Header{}}
	for _, name := range []string{"Accept", "Accept-Encoding"} {
		for _, value := range q.In.Header.Values(name) {
			r.Header.Add(name, string(value))
		}
	}
	return r
}

// respond returns what the handler writes.
func respond(h http.Handler, r *http.Request) *responseBuffer {
	b := &responseBuffer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(b, r)
	return b
}

// answer answers with what was written, and the two headers that these handlers use; a
// 404 is answered as the door answers every other.
func (b *responseBuffer) answer(q *door.Request) *wire.Problem {
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

// profiles answers with the list of profiles, as a page.
func (a *API) profiles(q *door.Request) *wire.Problem {
	return respond(http.HandlerFunc(pprof.Index), requestOf("/debug/pprof/", q)).answer(q)
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
	return respond(handler, requestOf("/debug/pprof/"+q.Segment, q)).answer(q)
}
