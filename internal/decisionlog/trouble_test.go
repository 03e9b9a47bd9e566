package decisionlog_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
)

// onFullDisk makes the file a name for a disk that is full. back gives it room.
func (r *recorder) onFullDisk() (back func()) {
	path := filepath.Join(r.dir, "decisions")
	require.NoError(r.t, os.MkdirAll(r.dir, 0o700))
	require.NoError(r.t, os.Symlink("/dev/full", path))
	return func() { require.NoError(r.t, os.Remove(path)) }
}

func (r *recorder) awaitDropped(n uint64) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.log.Dropped() == n }, patience, time.Millisecond)
}

func TestWhatAFullDiskCostsIsToldWhenThereIsRoom(t *testing.T) {
	var failures []error
	r := newRecorder(t, func(s *decisionlog.Settings) { s.Failed = func(err error) { failures = append(failures, err) } })
	back := r.onFullDisk()
	r.open()
	for n := range uint64(3) {
		r.take("ip=203.0.113.7", "card_id=a")
		r.awaitDropped(n + 1)
	}
	back()
	r.take("ip=203.0.113.7", "card_id=b")
	require.Equal(t, []string{"gap 3", "check", "gap 0"}, kinds(r.lines()))
	require.NotEmpty(t, failures)
	assert.ErrorContains(t, failures[0], "no space left on device")
	assert.EqualValues(t, 3, r.log.Dropped())
}

// A gap does not wait for the next event.
func TestAGapIsWrittenWhileNothingHappens(t *testing.T) {
	r := newRecorder(t)
	back := r.onFullDisk()
	r.open()
	r.take("ip=203.0.113.7", "card_id=a")
	r.awaitDropped(1)
	back()
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(r.dir, "decisions"))
		return len(text) > 0
	}, patience, time.Millisecond)
	require.Equal(t, []string{"gap 1", "gap 0"}, kinds(r.lines()))
}

func TestAMissingFolderComesBack(t *testing.T) {
	r := newRecorder(t)
	r.open()
	require.NoError(t, os.RemoveAll(r.dir))
	require.NoError(t, os.WriteFile(r.dir, nil, 0o600)) // so that it cannot be made again
	r.take("ip=203.0.113.7", "card_id=a")
	r.awaitDropped(1)
	require.NoError(t, os.Remove(r.dir))
	r.take("ip=203.0.113.7", "card_id=b")
	require.Equal(t, []string{"gap 1", "check", "gap 0"}, kinds(r.lines()))
}

func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	r := newRecorder(t)
	require.NoError(t, os.WriteFile(r.dir, nil, 0o600))
	_, err := decisionlog.Open(r.set)
	require.ErrorIs(t, err, syscall.ENOTDIR)
}

// A disk that blocks holds up neither a check nor a stop. What the queue has no room for is
// counted, and told in its place.
func TestABlockedDiskFillsTheQueueAndNothingElse(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const room, more = 8192, 100
	blocked, release := make(chan struct{}), make(chan struct{})
	block := sync.OnceFunc(func() {
		close(blocked)
		<-release
	})
	r := newRecorder(t, func(s *decisionlog.Settings) { s.Failed = func(error) { block() } })
	back := r.onFullDisk()
	r.open()
	r.take("ip=203.0.113.7", "card_id=a")
	<-blocked
	one := r.event("ip=203.0.113.7", "card_id=b")
	for range room + more {
		r.log.Watch(one)
	}
	require.EqualValues(t, 1+more, r.log.Dropped())
	since := time.Now()
	r.log.Close()
	assert.Less(t, time.Since(since), patience/4)
	r.log.Watch(one)
	require.EqualValues(t, 1+more+1, r.log.Dropped(), "what comes after the end")
	back()
	close(release)
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(r.dir, "decisions"))
		return bytes.HasSuffix(text, []byte(`"lost":0}`+"\n"))
	}, patience, 10*time.Millisecond)
	all := kinds(read(t, r.dir))
	require.Equal(t, 1+room+1+1, len(all))
	require.Equal(t, []string{"gap 1", "check"}, all[:2])
	require.Equal(t, []string{"check", "gap 101", "gap 0"}, all[room:])
}

func TestManyCallersLoseNothing(t *testing.T) {
	const callers, each = 16, 150
	r := newRecorder(t)
	r.open()
	events := []*event.Event{
		r.event("ip=203.0.113.7", "last4=4242", "expiry=12/30", "email=a@b.example"),
		r.event("ip=203.0.113.8", "card_id=b", "outcome=approved"),
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for range each {
				r.log.Watch(events[c%2])
			}
		})
	}
	wg.Wait()
	lines := r.lines()
	require.Zero(t, r.log.Dropped())
	require.Equal(t, callers*each+1, len(lines))
}

// Files stay within their bytes, the oldest leave first.
func TestFilesStayWithinTheirBytes(t *testing.T) {
	r := newRecorder(t, func(s *decisionlog.Settings) { s.MaxBytes = 1 << 20 })
	r.open()
	one := r.event("ip=203.0.113.7", "card_id=b")
	for range 3 {
		for range 4000 { // more than a MiB
			r.log.Watch(one)
		}
		require.Eventually(t, func() bool { return r.log.Waiting() == 0 }, patience, time.Millisecond)
	}
	lines := r.lines()
	require.Zero(t, r.log.Dropped())
	require.Greater(t, lines[0].Seq, uint64(8000))
	require.EqualValues(t, 3*4000+1, lines[len(lines)-1].Seq)
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	var size int64
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		size += info.Size()
	}
	assert.LessOrEqual(t, size, int64(1<<20))
}

func TestWatchingAllocatesNothing(t *testing.T) {
	r := newRecorder(t)
	r.open()
	one := r.event("ip=203.0.113.7", "last4=4242", "expiry=12/30", "email=a@b.example", "device=d")
	for range 4096 { // so that the queue has grown
		r.log.Watch(one)
	}
	require.Eventually(t, func() bool { return r.log.Waiting() == 0 }, patience, time.Millisecond)
	assert.Zero(t, testing.AllocsPerRun(2000, func() { r.log.Watch(one) }))
}
