package server

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// A request leaves two lines: what was asked, with the route and never the path
// as sent, and what was answered, and to whom: the scheme and the caller's name,
// where the credentials were good. Their tag is the caller's address and six
// characters of a keyed hash, so that one conversation can be followed.

// logRequest comes after routing, so that only known paths are written.
func (s *Server) logRequest(q *request) {
	if !s.Log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	path := "(no such path)"
	if q.route != nil {
		path = q.route.path
	}
	q.tag = s.tagOf(q)
	s.line(q.start, asked(q.ctx.Method(), path), slog.String("tag", q.tag))
}

// line goes straight to the handler: a Logger would look up who called it, and what
// time it is, once more for every line.
func (s *Server) line(at time.Time, text string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, slog.LevelInfo, text, 0)
	r.AddAttrs(attrs...)
	_ = s.Log.Handler().Handle(context.Background(), r)
}

func (s *Server) logResponse(q *request, took time.Duration) {
	if !s.Log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	if q.tag == "" {
		q.tag = s.tagOf(q)
	}
	attrs := append(q.attrs[:0], slog.Int("status", q.ctx.Response.StatusCode()))
	switch {
	case q.judged:
		attrs = append(attrs, slog.String("decision", q.decision.Outcome.String()),
			slog.String("address", s.Address(q.attempt.Address)), slog.String("rules", reached(&q.decision)))
		if q.decision.Degraded {
			attrs = append(attrs, slog.String("knowledge", "degraded"))
		}
	case q.problem != nil:
		attrs = append(attrs, slog.String("code", q.problem.Code))
		if _, ours := velocity.FieldByName(q.problem.Field); ours { // a stranger's word stays out
			attrs = append(attrs, slog.String("field", q.problem.Field))
		}
	}
	attrs = append(attrs, slog.Duration("took", took))
	if scheme := q.asks.Scheme(); scheme != "" {
		attrs = append(attrs, slog.String("scheme", scheme))
	}
	if caller := q.asks.Caller(); caller != "" {
		attrs = append(attrs, slog.String("caller", wire.Loggable(caller)))
	}
	q.attrs = attrs
	s.line(q.start.Add(took), "Response:", slog.String("tag", q.tag), slog.Attr{Value: slog.GroupValue(attrs...)})
}

// reached lists the reasons; those that are rules with the count and what it is over.
func reached(d *velocity.Decision) string {
	var b []byte
	for _, reason := range d.Reasons {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, reason...)
		for i := range d.Rules {
			r := &d.Rules[i]
			if r.Rule.Name != reason {
				continue
			}
			over := r.Rule.BlockOver
			if r.Outcome == velocity.Review {
				over = r.Rule.ReviewOver
			}
			b = strconv.AppendInt(append(b, '='), int64(r.Count), 10)
			b = strconv.AppendInt(append(b, '>'), int64(over), 10)
		}
	}
	return string(b)
}

// asked is what a request asked for. What callers ask for, all the time, needs no
// new text.
func asked(method []byte, path string) string {
	if path == checkPath && string(method) == "POST" {
		return "POST " + checkPath
	}
	return knownMethod(method) + " " + path
}

// knownMethod keeps a stranger's word out of the log.
func knownMethod(method []byte) string {
	for _, m := range [...]string{"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if m == string(method) {
			return m
		}
	}
	return "(other method)"
}

// tagOf tells apart the conversations of one login; who has none, its requests.
func (s *Server) tagOf(q *request) string {
	from := s.Guard.From(&q.asks)
	if login, found := s.Guard.Conversation(&q.asks); found {
		return s.tags.Of(from, login[:])
	}
	return s.tags.Of(from, q.id)
}
