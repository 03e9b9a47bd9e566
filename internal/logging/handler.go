// Package logging writes the program's log: one line for each event, in a form for
// people (canister) or as JSON, to standard error and to a file for each day.
//
// The form for people has columns for time (UTC), level and tag; the tag names the
// conversation that a line belongs to, or is "main":
//
//	2026-11-21 09:38:31,022 INFO     [main]              Listening on 127.0.0.1:8080
//	2026-11-21 09:38:33,217 INFO     [10.0.0.5-VJ8zq5]   Response: 200 block (1ms)
//
// JSON has the keys time, level, message and tag, then the attributes; durations end in
// _ms. In both forms an event is one line whatever its text: control characters and
// line separators are escaped.
//
// In the form for people an attribute shows its value; one whose key ends in "=" shows
// the key too, as in request=01JD. JSON leaves the "=" out.
//
// A caller that logs never waits for a writer: lines go through a bounded queue for each
// writer, and those that find it full are dropped and counted. Logging a line allocates
// nothing in the form for people. Lines of [LevelAudit] are the exception: they are
// written at every level but DISABLED, are never dropped, and wait until they are written,
// for at most a second.
package logging

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// LevelCritical is for what ends the program.
	LevelCritical = slog.LevelError + 4
	// LevelAudit is for changes that an operator made. Lines show it as INFO.
	LevelAudit = slog.Level(100)
)

const (
	// TagKey is the attribute that names the conversation that a line belongs to.
	TagKey     = "tag"
	defaultTag = "main" // of a line without that attribute

	// maxPooled is the capacity in bytes of the largest line buffer that is kept.
	maxPooled = 16 << 10

	// failureInterval is the least time between two lines that say that the file cannot
	// be written.
	failureInterval = time.Minute
)

// New returns a logger of the given level (DISABLED, DEBUG, INFO, WARNING, ERROR or
// CRITICAL) and format (canister or json). Lines go to stderr and to file through a
// queue each, so that a writer that blocks does not silence the other. file may be
// nil, and is closed with the logger.
//
// close writes the queued lines and stops; it gives each writer that blocks one second.
// dropped returns the number of lines that a queue had no room for since the start.
func New(stderr io.Writer, file io.WriteCloser, level, format string) (logger *slog.Logger, close func(), dropped func() uint64) {
	form := appendCanister
	if format == "json" {
		form = appendJSON
	}
	report := func(dst []byte, dropped uint64, last time.Time) []byte {
		return form(dst, nil, Line{At: last, Level: slog.LevelWarn, Tag: defaultTag, Text: "log lines dropped", Attrs: []slog.Attr{slog.Uint64("count", dropped)}})
	}
	all := queues{newQueue(stderr, nil, report, nil)}
	if file != nil {
		var last time.Time
		failed := func(err error) { // called by one goroutine
			if now := time.Now(); now.Sub(last) >= failureInterval {
				last = now
				failure := Line{At: now, Level: slog.LevelWarn, Tag: defaultTag, Text: "log file cannot be written", Attrs: []slog.Attr{slog.Any("error", err)}}
				all[0].put(form(nil, nil, failure), 1, now)
			}
		}
		all = append(all, newQueue(file, file, report, failed))
	}
	if level == "DISABLED" {
		return slog.New(slog.DiscardHandler), all.close, all.dropped
	}
	h := &handler{queues: all, form: form, level: levelOf(level), tag: defaultTag}
	return slog.New(h), all.close, all.dropped
}

// A form appends one line to dst, newline included; with are attributes that stand before
// the line's own.
type form func(dst []byte, with []slog.Attr, l Line) []byte

// handler is the slog.Handler that formats events and queues the lines.
type handler struct {
	queues queues
	form   form
	level  slog.Level
	tag    string
	with   []slog.Attr
}

// A scratch holds the memory of lines that are written together.
type scratch struct {
	text  []byte
	attrs []slog.Attr
}

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 512)} }}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle formats the event and queues it. The tag may be an attribute of the event or of
// the logger; the event's goes first.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	s := scratches.Get().(*scratch)
	l := Line{At: r.Time, Level: r.Level, Text: r.Message, Attrs: s.attrs[:0]}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == TagKey {
			l.Tag = tagOr(a, l.Tag)
		} else {
			l.Attrs = append(l.Attrs, a)
		}
		return true
	})
	h.write(s, l)
	clear(l.Attrs)
	s.attrs = l.Attrs
	scratches.Put(s)
	return nil
}

// write formats the lines and queues them together; those below the handler's level are
// left out. Lines of LevelAudit come alone.
func (h *handler) write(s *scratch, lines ...Line) {
	b, n := s.text[:0], 0
	for _, l := range lines {
		if l.Level >= h.level {
			l.Tag = cmp.Or(l.Tag, h.tag)
			b, n = h.form(b, h.with, l), n+1
		}
	}
	switch {
	case n == 0:
	case lines[0].Level == LevelAudit:
		h.queues.putSurely(b)
	default:
		h.queues.put(b, n, lines[0].At)
	}
	if cap(b) <= maxPooled {
		s.text = b
	}
}

// WithAttrs returns a handler that adds the attributes to each line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.with = slices.Clip(h.with) // loggers derived from one parent must not share its spare capacity
	for _, a := range attrs {
		if a.Key == TagKey {
			c.tag = tagOr(a, c.tag)
			continue
		}
		c.with = append(c.with, a)
	}
	return &c
}

// WithGroup ignores the name: lines are flat.
func (h *handler) WithGroup(string) slog.Handler { return h }

// tagOr returns the value of a when it is a tag that is not empty, otherwise tag.
func tagOr(a slog.Attr, tag string) string {
	if a.Key != TagKey {
		return tag
	}
	if s := a.Value.Resolve().String(); s != "" {
		return s
	}
	return tag
}

// levelOf returns the level of that name in the settings.
func levelOf(name string) slog.Level {
	switch name {
	case "DEBUG":
		return slog.LevelDebug
	case "WARNING":
		return slog.LevelWarn
	case "ERROR":
		return slog.LevelError
	case "CRITICAL":
		return LevelCritical
	}
	return slog.LevelInfo
}

// levelName is how lines show the level: by the names of the settings, which are not
// those of slog.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < LevelCritical:
		return "ERROR"
	case l == LevelAudit:
		return "INFO"
	}
	return "CRITICAL"
}
