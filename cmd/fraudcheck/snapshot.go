package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fraudcheck/internal/velocity"
)

// loadSnapshot fills the memory at start. Nothing about it is fatal: what cannot be
// read is set aside, and the service starts with what it has.
func (s *service) loadSnapshot() {
	path := s.settings.Store.Memory.SnapshotFile
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var n int
	if err == nil {
		defer file.Close()
		n, err = s.memory.Load(file, s.keys.records, s.plan, s.now())
	}
	if err != nil {
		aside := path + ".unusable"
		s.log.Warn("store.memory.snapshot_file cannot be used and is set aside", "error", err, "as", aside)
		if err := os.Rename(path, aside); err != nil {
			s.log.Warn("store.memory.snapshot_file cannot be set aside", "error", err)
		}
		return
	}
	s.log.Info(fmt.Sprintf("Remembering %s from the snapshot", plural(n, "record")))
}

// saveSnapshot replaces the file whole or not at all.
func (s *service) saveSnapshot() (err error) {
	path := s.settings.Store.Memory.SnapshotFile
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	err = errors.Join(s.memory.Save(file, s.keys.records), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// keepSnapshots saves every snapshot_every until stop is called.
func (s *service) keepSnapshots() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.settings.Store.Memory.SnapshotEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := s.saveSnapshot(); err != nil {
				s.log.Warn("store.memory.snapshot_file cannot be written", "error", err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// memorySummary says what the store holds and what it had to forget, by kind of subject.
func memorySummary(m velocity.MemoryStats) string {
	text := fmt.Sprintf("%s in memory, %d forgotten inside their window", plural(m.Records, "record"), m.EvictedInWindow)
	separator := ": "
	for _, kind := range slices.Sorted(maps.Keys(m.EvictedByKind)) {
		text += fmt.Sprintf("%s%d %s", separator, m.EvictedByKind[kind], kind)
		separator = ", "
	}
	return text
}
