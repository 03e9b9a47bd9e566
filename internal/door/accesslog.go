package door

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"fraudcheck/internal/logging"
	"fraudcheck/internal/velocity"
)

// A request leaves two lines, one after the other, once it is answered: what was asked,
// with the route and never the path as sent, and what was answered, with the scheme and
// the caller's name where the credentials were good, and the request id. Both have the
// tag of the conversation, which is known only then: the caller's address and six
// characters of a keyed hash of its login, token or name. A request that could not be
// read, or is not believed, leaves the second line alone.
//
// Of refused requests only some leave lines: see refusals.

// level returns the level of a request's lines. A refusal of a caller that is known is a
// fault of an integration; one of a stranger is not. Probes come every few seconds.
func (q *Request) level() slog.Level {
	switch status := q.Out.Status; {
	case q.resource != nil && q.resource.probe:
		return slog.LevelDebug
	case status >= 500:
		return slog.LevelError
	case status >= 400 && q.auth.Caller() != "":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// logRequest writes the lines of a request that was answered.
func (d *Door) logRequest(q *Request, took time.Duration) {
	level, end := q.level(), q.Start.Add(took)
	if !d.Log.Enabled(context.Background(), level) {
		return
	}
	if p := q.problem; p != nil && !d.refusals.shows(refusal{q.route(), p.Status, p.Code}, level, end) {
		return
	}
	tag := d.tag(q)
	q.text = append(append(q.text[:0], q.ID...), q.attempt...)
	ids := string(q.text) // one allocation for both

	attrs := append(q.attrs[:0], slog.Int("status", q.Out.Status))
	if q.problem == nil {
		attrs = append(attrs, q.LogAttrs...)
	} else {
		attrs = append(attrs, slog.String("code", q.problem.Code))
		// Known, or a name without a digit: others may hold the end of a card's number.
		if name := q.problem.Field; name != "" && (isField(name) || !strings.ContainsAny(name, "0123456789")) {
			attrs = append(attrs, slog.String("field", q.problem.Field))
		}
	}
	attrs = append(attrs, slog.Duration("took", took))
	if scheme := q.auth.Scheme(); scheme != "" {
		attrs = append(attrs, slog.String("scheme", scheme))
	}
	if caller := q.auth.Caller(); caller != "" {
		attrs = append(attrs, slog.String("caller", d.tags.Name(caller)))
	}
	attrs = append(attrs, slog.String("request=", ids[:len(q.ID)]))
	if len(q.attempt) > 0 {
		attrs = append(attrs, slog.String("attempt=", ids[len(q.ID):]))
	}
	if reason := q.auth.Reason(); reason != "" {
		attrs = append(attrs, slog.String("reason=", reason))
	}
	q.attrs = attrs
	response := logging.Line{At: end, Level: level, Tag: tag, Text: "Response:", Attrs: attrs}
	if !q.routed {
		logging.Write(d.Log, response)
		return
	}
	logging.Write(d.Log, logging.Line{At: q.Start, Level: level, Tag: tag, Text: requestLine(q.In.Method, q.route())}, response)
}

// logHidden writes how many refused requests of a kind left no lines in the last second.
func (d *Door) logHidden(of refusal, level slog.Level, hidden int) {
	logging.Write(d.Log, logging.Line{At: time.Now(), Level: level, Text: "Refused requests not shown:", Attrs: []slog.Attr{
		slog.String("route", of.route), slog.Int("status", of.status), slog.String("code", of.code), slog.Int("more=", hidden)}})
}

// Audit writes the audit line of a change that the caller makes: what it does and to
// whom, and further attributes. It returns once the line is written, or after a second,
// and is to be called before the change is answered.
func (q *Request) Audit(what, object string, more ...slog.Attr) {
	if !q.door.Log.Enabled(context.Background(), logging.LevelAudit) {
		return
	}
	attrs := append([]slog.Attr{slog.String("what", what), slog.String("object", object), slog.String("by=", q.door.tags.Name(q.auth.Caller()))}, more...)
	logging.Write(q.door.Log, logging.Line{At: time.Now(), Level: logging.LevelAudit, Tag: q.door.tag(q),
		Text: "Audit:", Attrs: append(attrs, slog.String("request=", string(q.ID)))})
}

// Name returns the form of a user's name that is logged: see [Tags.Name].
func (q *Request) Name(user string) string { return q.door.tags.Name(user) }

// route returns the path of the request's route, as the routes' tables have it.
func (q *Request) route() string {
	if q.resource == nil {
		return "(no such path)"
	}
	return q.resource.path
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

// tag returns the tag of the request's conversation; of the request alone where nobody is
// known.
func (d *Door) tag(q *Request) string {
	from := d.Guard.From(&q.auth)
	q.conversation = q.auth.AppendConversation(q.conversation[:0])
	if len(q.conversation) > 0 {
		return q.In.Kept.tagOf(d.tags, from, q.conversation)
	}
	q.conversation = append(append(q.conversation, "request "...), q.ID...)
	return string(d.tags.AppendTag(nil, from, q.conversation))
}

func isField(name string) bool {
	_, known := velocity.FieldByName(name)
	return known
}

// ConversationTag returns the six characters that end the tag of a conversation's log
// lines: see [auth.Request.AppendConversation].
func (q *Request) ConversationTag(conversation []byte) string {
	return string(q.door.tags.appendConversation(nil, conversation))
}

// ShortID returns eight letters and digits that stand for a text of that kind in the log,
// the same on every instance.
func (q *Request) ShortID(kind, text string) string {
	return string(q.door.tags.AppendShortID(nil, kind, text))
}
