package decisionlog

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"fraudcheck/internal/logging"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

const (
	chunkSize = 128 << 10 // bytes of lines that one write has, and a line more
	dayLength = velocity.Time(24 * time.Hour / time.Millisecond)
)

// A writer makes lines of events and writes them. It is for one goroutine.
type writer struct {
	Settings
	file    io.WriteCloser
	dropped *atomic.Uint64

	latest  velocity.Time // the greatest time of a line: it says which day's file is written to
	seq     uint64        // of the last line, be it in the chunk only
	lost    uint64        // events that no line tells of yet
	unknown bool          // no line tells yet that the end of the last run is not known

	// The chunk is lines that are to be written at once.
	chunk     []byte
	chunkFrom uint64   // seq before its first line
	gaps      []uint64 // what the gaps at its start say is lost; unknownLost where that is not known
	events    int      // lines after them

	instance string // as JSON, with what stands around it
	key      string // likewise
	second   timeText
	caller   callerText
}

// unknownLost is what a gap lost when nobody knows how much that is.
const unknownLost = ^uint64(0)

// newWriter opens the file and finds out how the last run ended.
func newWriter(s Settings, dropped *atomic.Uint64) (*writer, error) {
	w := &writer{Settings: s, dropped: dropped, latest: s.Now()}
	var shared bool
	var err error
	if w.file, shared, err = openFile(&s, &w.latest); err != nil {
		return nil, err
	}
	if shared && s.Shared != nil {
		s.Shared()
	}
	w.seq, w.unknown = lastRun(s.Dir)
	w.instance = string(wire.AppendString([]byte(`,"instance":`), s.Instance))
	w.key = `,"key":"` + s.IDs.KeyName() + `"`
	w.tell()
	return w, nil
}

// openFile opens the file that lines are appended to. latest says what day it is.
func openFile(s *Settings, latest *velocity.Time) (file io.WriteCloser, shared bool, err error) {
	return logging.OpenFile(s.Dir, FileName, s.Days, s.MaxBytes, func() time.Time { return time.UnixMilli(int64(*latest)) })
}

// write writes the batch. A panic costs the events that are not written yet, and not the
// process.
func (w *writer) write(b *batch) {
	handled := 0
	defer func() {
		if fault := recover(); fault != nil {
			w.drop(len(b.entries) - handled)
			w.seq, w.chunk, w.gaps, w.events = w.chunkFrom, w.chunk[:0], w.gaps[:0], 0
			if w.Panicked != nil {
				w.Panicked(fault)
			}
		}
	}()
	var rules, reasons int
	for i := range b.entries {
		e := &b.entries[i]
		if e.at/dayLength > w.latest/dayLength || len(w.chunk) >= chunkSize {
			w.flush()
			handled = i
		}
		w.latest = max(w.latest, e.at)
		w.begin()
		w.appendEvent(e, b.rules[rules:e.rules], b.reasons[reasons:e.reasons])
		w.events++
		rules, reasons = e.rules, e.reasons
	}
	w.flush()
	handled = len(b.entries)
}

// begin begins a chunk, unless there is one, with what there is to tell of lost events.
func (w *writer) begin() {
	if len(w.chunk) > 0 {
		return
	}
	w.chunkFrom = w.seq
	if w.unknown {
		w.appendGap(unknownLost)
	}
	if w.lost > 0 {
		w.appendGap(w.lost)
	}
}

// flush writes the chunk. Of a write that failed, the lines that were written whole count.
func (w *writer) flush() {
	if len(w.chunk) == 0 {
		return
	}
	n, err := w.file.Write(w.chunk)
	whole := len(w.gaps) + w.events
	if err != nil {
		whole = bytes.Count(w.chunk[:n], []byte{'\n'})
		if n < len(w.chunk) && w.chunk[n] == '\n' { // the file completes this line once it can
			whole++
		}
	}
	for _, lost := range w.gaps[:min(whole, len(w.gaps))] {
		if lost == unknownLost {
			w.unknown = false
		} else {
			w.lost -= lost
		}
	}
	w.drop(w.events - max(0, whole-len(w.gaps)))
	w.seq = w.chunkFrom + uint64(whole)
	w.chunk, w.gaps, w.events = w.chunk[:0], w.gaps[:0], 0
	if err != nil {
		w.failed(err)
	}
}

// drop counts events that are not written.
func (w *writer) drop(events int) {
	w.lost += uint64(events)
	w.dropped.Add(uint64(events))
}

// tell writes what there is to tell of lost events.
func (w *writer) tell() {
	w.begin()
	w.flush()
}

// look looks after the file while there may be nothing to write: its day may be over, or it
// may have been removed.
func (w *writer) look() {
	w.latest = max(w.latest, w.Now())
	if _, err := w.file.Write(nil); err != nil {
		w.failed(err)
		return
	}
	w.tell()
}

// end ends the run: its last line says that nothing is lost after it.
func (w *writer) end() {
	w.begin()
	w.appendGap(0)
	w.flush()
}

func (w *writer) failed(err error) {
	if w.Failed != nil {
		w.Failed(fmt.Errorf("cannot write the decision log: %w", err))
	}
}
