package logging

import (
	"context"
	"log/slog"
	"time"
)

// A Line is one event. Tag names the conversation that it belongs to, empty for the
// logger's; Attrs must not have a TagKey.
type Line struct {
	At        time.Time
	Level     slog.Level
	Tag, Text string
	Attrs     []slog.Attr
}

// Write logs lines that belong together, one right after the other. The logger's own
// methods would ask for the time and the caller's place in the source for each, and copy
// each as a [slog.Record] of 300 bytes several times. A line of LevelAudit is written alone.
func Write(to *slog.Logger, lines ...Line) {
	if h, ours := to.Handler().(*handler); ours {
		s := scratches.Get().(*scratch)
		h.write(s, lines...)
		scratches.Put(s)
		return
	}
	for _, l := range lines {
		if !to.Enabled(context.Background(), l.Level) {
			continue
		}
		r := slog.NewRecord(l.At, l.Level, l.Text, 0)
		if l.Tag != "" {
			r.AddAttrs(slog.String(TagKey, l.Tag))
		}
		r.AddAttrs(l.Attrs...)
		_ = to.Handler().Handle(context.Background(), r)
	}
}
