package decisionlog

import (
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/event"
)

// Waiting returns how many events the writer has not taken yet.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending.entries)
}

// AwaitEnd waits until a closed log has written everything, however long that takes.
func (l *Log) AwaitEnd() { <-l.done }

// A Writer is the writer of a log without its queue.
type Writer struct {
	t       testing.TB
	w       *writer
	dropped atomic.Uint64
}

func NewWriter(t testing.TB, s Settings) *Writer {
	w := &Writer{t: t}
	var err error
	w.w, err = newWriter(s, &w.dropped)
	require.NoError(t, err)
	return w
}

func (w *Writer) File() io.WriteCloser     { return w.w.file }
func (w *Writer) SetFile(f io.WriteCloser) { w.w.file = f }
func (w *Writer) Dropped() uint64          { return w.dropped.Load() }
func (w *Writer) End()                     { w.w.end() }

// Open opens the file anew. It was changed when its last line was written.
func (w *Writer) Open() io.WriteCloser {
	latest := time.UnixMilli(int64(w.w.latest))
	require.NoError(w.t, os.Chtimes(filepath.Join(w.w.Dir, FileName), latest, latest))
	f, _, err := openFile(&w.w.Settings, &w.w.latest)
	require.NoError(w.t, err)
	return f
}

// Write writes the events as one batch.
func (w *Writer) Write(events ...*event.Event) { w.Batch(events...)() }

// Batch returns what writes the events as one batch, again and again.
func (w *Writer) Batch(events ...*event.Event) (write func()) {
	var b batch
	for _, e := range events {
		b.add(e)
	}
	return func() { w.w.write(&b) }
}
