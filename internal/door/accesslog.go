package door

import (
	"context"
	"log/slog"
	"time"

	"fraudcheck/internal/velocity"
)

// A request leaves two lines: what was asked, with the route and never the path as
// sent, and what was answered, with the scheme and the caller's name where the
// credentials were good. Both have the tag of the conversation: the caller's address
// and six characters of a keyed hash. A request that could not be read, or is not
// believed, leaves the second line alone.

// level returns the level of a request's lines: DEBUG for probes, which come every few
// seconds, INFO for all others.
func (q *Request) level() slog.Level {
	if q.resource != nil && q.resource.probe {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// logRequest writes the first line. It comes after routing, so that only known paths
// are written.
func (d *Door) logRequest(q *Request) {
	q.Logged = d.Log.Enabled(context.Background(), q.level())
	if !q.Logged {
		return
	}
	path := "(no such path)"
	if q.resource != nil {
		path = q.resource.path
	}
	q.tag = d.tagFor(q)
	d.line(q, q.Start, requestLine(q.In.Method, path), slog.String("tag", q.tag))
}

// line writes a line with the handler itself: a Logger would look up the caller's source
// line, and the time, once more for every line.
func (d *Door) line(q *Request, at time.Time, text string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, q.level(), text, 0)
	r.AddAttrs(attrs...)
	_ = d.Log.Handler().Handle(context.Background(), r)
}

// logResponse writes the second line: status, what the handler added or the problem's
// code and field, how long the answer took, the scheme and the caller.
func (d *Door) logResponse(q *Request, took time.Duration) {
	if !d.Log.Enabled(context.Background(), q.level()) {
		return
	}
	if q.tag == "" {
		q.tag = d.tagFor(q)
	}
	attrs := append(q.attrs[:0], slog.Int("status", q.Out.Status))
	if q.problem == nil {
		attrs = append(attrs, q.LogAttrs...)
	} else {
		attrs = append(attrs, slog.String("code", q.problem.Code))
		if _, known := velocity.FieldByName(q.problem.Field); known { // what a request named otherwise is not logged
			attrs = append(attrs, slog.String("field", q.problem.Field))
		}
	}
	attrs = append(attrs, slog.Duration("took", took))
	if scheme := q.auth.Scheme(); scheme != "" {
		attrs = append(attrs, slog.String("scheme", scheme))
	}
	if caller := q.auth.Caller(); caller != "" {
		attrs = append(attrs, slog.String("caller", Loggable(caller)))
	}
	q.attrs = attrs
	d.line(q, q.Start.Add(took), "Response:", slog.String("tag", q.tag), slog.Attr{Value: slog.GroupValue(attrs...)})
}

// requestLine returns the text of the first line. The most frequent one allocates
// nothing.
func requestLine(method []byte, path string) string {
	if path == "/v1/check" && string(method) == "POST" {
		return "POST /v1/check"
	}
	return knownMethod(method) + " " + path
}

// knownMethod returns the method, or "(other method)": a word that a request made up
// stays out of the log.
func knownMethod(method []byte) string {
	for _, m := range [...]string{"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if m == string(method) {
			return m
		}
	}
	return "(other method)"
}

// tagFor returns the tag of the request's conversation: of the login it shows, otherwise
// of the request alone.
func (d *Door) tagFor(q *Request) string {
	from := d.Guard.From(&q.auth)
	if login, found := d.Guard.Conversation(&q.auth); found {
		return d.tags.Of(from, login[:])
	}
	return d.tags.Of(from, q.ID)
}
