package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// levelCritical is for what ends the program.
const levelCritical = slog.LevelError + 4

const (
	logTagKey     = "tag"  // the attribute that says who speaks
	logDefaultTag = "main" // the speaker of a line without one

	// A buffer that one long line made larger than this is not kept.
	logMaxPooled = 16 << 10
)

// newLogger builds the program's logger. Lines go to stderr and to file, which may
// be nil and is closed with the logger, through a bounded queue each: one that is
// stuck does not silence the other. close writes what is queued and stops, within
// one second should a writer be stuck; dropped says how many lines a queue had no
// room for so far.
func newLogger(stderr io.Writer, file io.WriteCloser, level, format string) (logger *slog.Logger, close func(), dropped func() uint64) {
	form := appendCanister
	if format == "json" {
		form = appendJSON
	}
	report := func(dst []byte, dropped uint64, last time.Time) []byte {
		r := slog.NewRecord(last, slog.LevelWarn, "log lines dropped", 0)
		r.AddAttrs(slog.Uint64("count", dropped))
		return form(dst, logDefaultTag, nil, r)
	}
	queues := logQueues{newLogQueue(stderr, nil, report)}
	if file != nil {
		queues = append(queues, newLogQueue(file, file, report))
	}
	if level == "DISABLED" {
		return slog.New(slog.DiscardHandler), queues.close, queues.dropped
	}
	h := &logHandler{queues: queues, form: form, level: logLevel(level), tag: logDefaultTag}
	return slog.New(h), queues.close, queues.dropped
}

// A logForm appends one event to dst as one line, newline included. The tag
// has been found already: attributes of that key are not to be printed again.
type logForm func(dst []byte, tag string, with []slog.Attr, r slog.Record) []byte

// logHandler turns events into lines of one form and queues them.
type logHandler struct {
	queues logQueues
	form   logForm
	level  slog.Level
	tag    string
	with   []slog.Attr
}

// logBuffers holds pointers, as a slice put in a pool would itself be allocated.
var logBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	tag := h.tag
	r.Attrs(func(a slog.Attr) bool {
		tag = tagOr(a, tag)
		return true
	})
	b := logBuffers.Get().(*[]byte)
	*b = h.form((*b)[:0], tag, h.with, r)
	h.queues.put(*b, r.Time)
	if cap(*b) <= logMaxPooled {
		logBuffers.Put(b)
	}
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.with = slices.Clip(h.with) // siblings must not share the room behind it
	for _, a := range attrs {
		if a.Key == logTagKey {
			c.tag = tagOr(a, c.tag)
			continue
		}
		c.with = append(c.with, a)
	}
	return &c
}

// WithGroup ignores the name: lines are flat.
func (h *logHandler) WithGroup(string) slog.Handler { return h }

// tagOr returns the tag a carries, or otherwise tag.
func tagOr(a slog.Attr, tag string) string {
	if a.Key != logTagKey {
		return tag
	}
	if s := a.Value.Resolve().String(); s != "" {
		return s
	}
	return tag
}

func logLevel(name string) slog.Level {
	switch name {
	case "DEBUG":
		return slog.LevelDebug
	case "WARNING":
		return slog.LevelWarn
	case "ERROR":
		return slog.LevelError
	case "CRITICAL":
		return levelCritical
	}
	return slog.LevelInfo
}

func logLevelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < levelCritical:
		return "ERROR"
	}
	return "CRITICAL"
}

// jsonEncoder is slog's handler over a buffer of its own, so that concurrent
// callers do not wait for the lock of a shared one.
type jsonEncoder struct {
	line    bytes.Buffer
	handler slog.Handler
}

var jsonEncoders = sync.Pool{New: func() any {
	e := &jsonEncoder{}
	e.handler = slog.NewJSONHandler(&e.line, &slog.HandlerOptions{ReplaceAttr: jsonAttr})
	return e
}}

// appendJSON is the JSON form: time, level, message, tag, then the attributes.
func appendJSON(dst []byte, tag string, with []slog.Attr, r slog.Record) []byte {
	out := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	out.AddAttrs(slog.String(logTagKey, tag))
	out.AddAttrs(with...)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != logTagKey {
			out.AddAttrs(a)
		}
		return true
	})

	e := jsonEncoders.Get().(*jsonEncoder)
	e.line.Reset()
	_ = e.handler.Handle(context.Background(), out) // a buffer takes everything
	dst = append(dst, e.line.Bytes()...)
	if e.line.Cap() <= logMaxPooled {
		jsonEncoders.Put(e)
	}
	return dst
}

// jsonAttr gives slog's own keys our names and durations a unit.
func jsonAttr(groups []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Int64(a.Key+"_ms", a.Value.Duration().Milliseconds())
	}
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime {
			return slog.String("time", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
		}
	case slog.LevelKey:
		if l, ok := a.Value.Any().(slog.Level); ok {
			return slog.String("level", logLevelName(l))
		}
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}
