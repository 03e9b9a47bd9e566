package doortest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// A Log keeps what is logged.
type Log struct {
	Least slog.Level // of the lines that are kept

	mu    sync.Mutex
	lines []Line
}

// A Line of a log.
type Line struct {
	Level   slog.Level
	Message string
	Attrs   map[string]string
}

// Logger logs to l.
func (l *Log) Logger() *slog.Logger { return slog.New(&logHandler{log: l}) }

// Lines is every line so far. A request's lines are there before its answer is.
func (l *Log) Lines() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line(nil), l.lines...)
}

// Take is Lines, and forgets them.
func (l *Log) Take() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// Text is the whole log, to search.
func (l *Log) Text() string { return fmt.Sprint(l.Lines()) }

type logHandler struct {
	log  *Log
	with []slog.Attr
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.log.Least }
func (h *logHandler) WithGroup(string) slog.Handler                    { panic("not used") }

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.log, append(h.with[:len(h.with):len(h.with)], attrs...)}
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	line := Line{Level: r.Level, Message: r.Message, Attrs: map[string]string{}}
	var keep func(a slog.Attr) bool
	keep = func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindGroup { // without a name: its own stand here
			for _, a := range a.Value.Group() {
				keep(a)
			}
			return true
		}
		line.Attrs[strings.TrimSuffix(a.Key, "=")] = a.Value.String()
		return true
	}
	for _, a := range h.with {
		keep(a)
	}
	r.Attrs(keep)
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	h.log.lines = append(h.log.lines, line)
	return nil
}
