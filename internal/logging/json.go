package logging

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

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
func appendJSON(dst []byte, with []slog.Attr, l Line) []byte {
	out := slog.NewRecord(l.At, l.Level, l.Text, 0)
	out.AddAttrs(slog.String(TagKey, l.Tag))
	out.AddAttrs(with...)
	out.AddAttrs(l.Attrs...)

	e := jsonEncoders.Get().(*jsonEncoder)
	e.line.Reset()
	_ = e.handler.Handle(context.Background(), out) // a buffer takes everything
	dst = append(dst, e.line.Bytes()...)
	if e.line.Cap() <= maxPooled {
		jsonEncoders.Put(e)
	}
	return dst
}

// jsonAttr gives slog's own keys our names and durations a unit.
func jsonAttr(groups []string, a slog.Attr) slog.Attr {
	a.Key = strings.TrimSuffix(a.Key, "=")
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
			return slog.String("level", levelName(l))
		}
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}
