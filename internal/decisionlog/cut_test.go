package decisionlog_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
)

// A cutFile takes only left bytes more, like a disk that fills up in the middle of a line; -1
// is no limit. Like the file of a log it is opened anew after a write that failed.
type cutFile struct {
	io.WriteCloser
	open func() io.WriteCloser
	left int
}

func (f *cutFile) Write(p []byte) (int, error) {
	if f.left < 0 || len(p) <= f.left {
		if f.left >= 0 {
			f.left -= len(p)
		}
		return f.WriteCloser.Write(p)
	}
	n, err := f.WriteCloser.Write(p[:f.left])
	f.left = 0
	if err == nil {
		err = syscall.ENOSPC
	}
	_ = f.Close()
	f.WriteCloser = f.open()
	return n, err
}

// Wherever a write ends, each event has a line, or a gap counts it; what was torn stands
// alone.
func TestAWriteThatIsCutAnywhereLosesCountOfNothing(t *testing.T) {
	r := newRecorder(t)
	checks := []*event.Event{r.event("ip=203.0.113.7", "card_id=a"), r.event("ip=203.0.113.7", "card_id=b", "outcome=approved"), r.event("ip=203.0.113.7", "card_id=c")}
	for cut, complete := 0, false; !complete; cut += 5 {
		r.set.Dir = t.TempDir()
		w := decisionlog.NewWriter(t, r.set)
		file := &cutFile{WriteCloser: w.File(), open: w.Open, left: cut}
		w.SetFile(file)
		w.Write(checks...)
		complete = w.Dropped() == 0
		w.Write(checks[0]) // the disk is still full, or full just now
		file.left = -1
		w.Write(checks[1])
		w.End()

		path := filepath.Join(r.set.Dir, "decisions")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var whole []string
		for line := range strings.Lines(string(text)) {
			if _, err := decode([]byte(line)); err == nil {
				whole = append(whole, line)
			}
		}
		assert.LessOrEqual(t, strings.Count(string(text), "\n"), len(whole)+2, "after %d bytes: at most two lines are torn", cut)
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(whole, "")), 0o600))
		events, lost := 0, uint64(0)
		for _, l := range read(t, r.set.Dir) {
			if l.Kind == "gap" {
				lost += *l.Lost
			} else {
				events++
			}
		}
		require.EqualValues(t, 5, uint64(events)+lost, "after %d bytes: %s", cut, text)
		require.Equal(t, lost, w.Dropped())
	}
}

// A fault in the program's own code costs events and not the process.
func TestAPanicCostsEventsOnly(t *testing.T) {
	var faults []any
	r := newRecorder(t, func(s *decisionlog.Settings) {
		s.Panicked = func(fault any) { faults = append(faults, fault) }
		s.Caller = func(name string) string {
			if name == "wrong" {
				panic("a fault")
			}
			return name
		}
	})
	r.open()
	good, bad := r.event("ip=203.0.113.7", "card_id=a"), r.event("ip=203.0.113.7", "card_id=b")
	bad.Caller.Name = "wrong"
	for _, e := range []*event.Event{good, bad, good} {
		r.log.Watch(e)
	}
	r.awaitDropped(3)
	r.log.Watch(good)
	require.Equal(t, []string{"gap 3", "check", "gap 0"}, kinds(r.lines()))
	require.Equal(t, []any{"a fault"}, faults)
}
