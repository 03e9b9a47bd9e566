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

// level is that of a request's lines.
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
	q.tag = d.tagOf(q)
	d.line(q, q.Start, requestLine(q.In.Method, path), slog.String("tag", q.tag))
}

// line goes straight to the handler: a Logger would look up the caller's source line,
// and the time, once more for every line.
func (d *Door) line(q *Request, at time.Time, text string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, q.level(), text, 0)
	r.AddAttrs(attrs...)
	_ = d.Log.Handler().Handle(context.Background(), r)
}

func (d *Door) logResponse(q *Request, took time.Duration) {
	if !d.Log.Enabled(context.Background(), q.level()) {
		return
	}
	if q.tag == "" {
		q.tag = d.tagOf(q)
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
	if scheme := q.asks.Scheme(); scheme != "" {
		attrs = append(attrs, slog.String("scheme", scheme))
	}
	if caller := q.asks.Caller(); caller != "" {
		attrs = append(attrs, slog.String("caller", Loggable(caller)))
	}
	q.attrs = attrs
	d.line(q, q.Start.Add(took), "Response:", slog.String("tag", q.tag), slog.Attr{Value: slog.GroupValue(attrs...)})
}

// requestLine is the text of the first line. The most frequent one allocates nothing.
func requestLine(method []byte, path string) string {
	if path == "/v1/check" && string(method) == "POST" {
		return "POST /v1/check"
	}
	return knownMethod(method) + " " + path
}

// knownMethod keeps a word that a request made up out of the log.
func knownMethod(method []byte) string {
	for _, m := range [...]string{"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if m == string(method) {
			return m
		}
	}
	return "(other method)"
}

// tagOf tells the conversations of one login apart; without a login, the requests.
func (d *Door) tagOf(q *Request) string {
	from := d.Guard.From(&q.asks)
	if login, found := d.Guard.Conversation(&q.asks); found {
		return d.tags.Of(from, login[:])
	}
	return d.tags.Of(from, q.ID)
}
