package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// unfinished is what the name of a snapshot that is still being written adds to the name
// of the file, before a number: records.new-123.
const unfinished = ".new-"

// checkSnapshotFile refuses a path at which no snapshot can be kept: it has to be a
// regular file, or none yet, in a folder that can be written. Otherwise the first stop
// would lose all records.
func (p *policy) checkSnapshotFile() error {
	path := p.settings.Store.Memory.SnapshotFile
	if path == "" {
		return nil
	}
	// A path that cannot be looked at is tried too: its error says more than "not
	// regular".
	err := errNoRegularFile
	if info, statErr := os.Stat(path); statErr != nil || info.Mode().IsRegular() {
		err = tryToWrite(path)
	}
	if err != nil {
		return p.config.Locate(&config.Error{Key: "store.memory.snapshot_file", Problem: err})
	}
	return nil
}

var errNoRegularFile = errors.New("not a regular file")

// tryToWrite creates what saving a snapshot would create, and removes it.
func tryToWrite(path string) error {
	file, err := createUnfinished(path)
	if err != nil {
		var where *fs.PathError
		if errors.As(err, &where) {
			err = where.Err
		}
		return fmt.Errorf("cannot create a file in %s: %w", filepath.Dir(path), err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// createUnfinished creates the file that is to replace the one at path, 0600. It is
// locked: what is not locked was left behind by a process that was killed.
func createUnfinished(path string) (*os.File, error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+unfinished+"*")
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

// lock takes the file for this process until it is closed; it fails at once where another
// has it.
func lock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// removeUnfinished removes the snapshots that a killed process left unfinished. Those of
// a process that runs are locked and stay.
func (s *service) removeUnfinished(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return // the next snapshot will say so
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !strings.HasPrefix(entry.Name(), filepath.Base(path)+unfinished) {
			continue
		}
		name := filepath.Join(filepath.Dir(path), entry.Name())
		file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if lock(file) == nil && os.Remove(name) == nil {
			s.log.Info("Removed an unfinished snapshot", "file", name)
		}
		_ = file.Close()
	}
}

// loadSnapshot fills the store before the service starts. Nothing about it is fatal: a
// snapshot that cannot be read, or was made under another hash key, is renamed to
// NAME.unusable, for a look, and the service starts empty.
func (s *service) loadSnapshot() error {
	path := s.settings.Store.Memory.SnapshotFile
	if path == "" {
		return nil
	}
	s.removeUnfinished(path)
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would keep it waiting
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	n := 0
	if err == nil {
		defer file.Close()
		s.log.Info("Reading the snapshot", "file", path)
		n, err = s.memory.Load(file, s.keys.records, s.plan, s.now())
		if errors.Is(err, velocity.ErrSnapshot) && s.keys.previous != nil {
			n, err = cmp.Or(s.previous, s.memory).Load(file, s.keys.previous, s.plan, s.now())
		}
	}
	if err != nil {
		aside := path + ".unusable"
		s.log.Warn("store.memory.snapshot_file cannot be used and is set aside", "error", err, "as", aside)
		if err := os.Rename(path, aside); err != nil {
			s.log.Warn("store.memory.snapshot_file cannot be set aside", "error", err)
		}
		return nil
	}
	s.log.Info(fmt.Sprintf("Remembering %s from the snapshot", plural(n, "record")))
	return nil
}

// saveSnapshot replaces the file whole or not at all: it writes a new file, syncs it and
// renames it. When ctx ends it stops writing and fails. It must not run twice at once:
// the snapshot that was begun first could replace the other.
func (s *service) saveSnapshot(ctx context.Context) (err error) {
	path := s.settings.Store.Memory.SnapshotFile
	file, err := createUnfinished(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	// All three are done, so that the file is closed; the first error is the reason.
	err = errors.Join(s.memory.Save(contextWriter{ctx, file}, s.keys.records), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a new name in the folder last over a crash of the machine, where the
// file system can do that.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // not every file system can
		return err
	}
	return nil
}

// A contextWriter writes until its context ends.
type contextWriter struct {
	ctx context.Context
	io.Writer
}

// Write implements io.Writer; it fails once the context has ended.
func (w contextWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// startSnapshots saves a snapshot every store.memory.snapshot_every until stop is called,
// which breaks off the one that is being written and waits for its end.
func (s *service) startSnapshots() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, s.settings.Store.Memory.SnapshotEvery, func(time.Time) {
			if err := s.saveSnapshot(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("store.memory.snapshot_file cannot be written", "error", err)
			}
		})
	}()
	return func() {
		cancel()
		<-done
	}
}

// memorySummary says what the store holds and what it had to forget, by kind of subject,
// as in "2 records in memory, 3 forgotten inside their window: 3 ip". For the last log
// line.
func memorySummary(m velocity.MemoryStats) string {
	text := fmt.Sprintf("%s in memory, %d forgotten inside their window", plural(m.Records, "record"), m.EvictedInWindow)
	separator := ": "
	for _, kind := range slices.Sorted(maps.Keys(m.EvictedByKind)) {
		text += fmt.Sprintf("%s%d %s", separator, m.EvictedByKind[kind], kind)
		separator = ", "
	}
	return text
}
