package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fraudcheck/internal/testbed"
)

// slowDisk returns the command that runs a program where each fsync takes that long.
func slowDisk(fsync time.Duration) []string {
	return []string{"strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync",
		"-e", "inject=fsync:delay_enter=" + strconv.FormatInt(fsync.Microseconds(), 10)}
}

// unfinished returns the snapshots beside the file that are being written, or were.
func unfinished(file string) []string {
	found, _ := filepath.Glob(file + ".new-*") // the pattern is a valid one
	return found
}

// awaitUnfinished waits until a snapshot is being written.
func (s *trial) awaitUnfinished(file string) error {
	ok, err := s.until(testbed.Prompt, func() bool { return len(unfinished(file)) > 0 })
	if err == nil && !ok {
		err = fmt.Errorf("no snapshot is being written")
	}
	return err
}

// unfinishedSnapshot: the program is killed while it writes a snapshot, on a disk that
// takes long. Its successor removes what was left.
func unfinishedSnapshot(s *trial) error {
	file := filepath.Join(s.dir, "snapshot")
	s.config = "store: {memory: {snapshot_file: " + file + ", snapshot_every: 1s}}\n"
	s.under = slowDisk(10 * time.Second)
	if err := s.start(); err != nil {
		return err
	}
	s.under = nil
	s.begin = func() error {
		if err := s.awaitUnfinished(file); err != nil {
			return err
		}
		s.instances[0].Kill()
		left := unfinished(file)
		if len(left) == 0 {
			return fmt.Errorf("the snapshot was finished")
		}
		if err := s.restart(0); err != nil {
			return err
		}
		for _, name := range left {
			if _, err := os.Stat(name); err == nil {
				return brokenPromise("the unfinished snapshot is still there")
			}
		}
		return nil
	}
	return nil
}

// stopOnSlowDisk: the last snapshot of a stop takes long, and a second signal comes. The
// program says that it ends while the snapshot is still unfinished; strace lets go of it
// when the write ends.
func stopOnSlowDisk(s *trial) error {
	file := filepath.Join(s.dir, "snapshot")
	s.config = "store: {memory: {snapshot_file: " + file + ", snapshot_every: 1h}}\ndrain: 100ms\n"
	s.tail = 200 * time.Millisecond
	s.under = slowDisk(10 * time.Second)
	if err := s.start(); err != nil {
		return err
	}
	s.begin = func() error {
		i := s.instances[0]
		since := time.Now()
		if err := i.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if err := s.awaitUnfinished(file); err != nil {
			return err
		}
		// A signal within 100 ms of another is the same one.
		if _, err := s.until(testbed.Prompt, func() bool { return time.Since(since) > 150*time.Millisecond }); err != nil {
			return err
		}
		since = time.Now()
		if err := i.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		_, err := i.AwaitOutput(s.ctx, i.Stderr, regexp.MustCompile(`stopped by a further signal`))
		s.note("ends %.2f s after the second signal", time.Since(since).Seconds())
		if _, written := os.Stat(file); err != nil || written == nil {
			return brokenPromise(fmt.Sprintf("a second signal waits for the snapshot: %v", err))
		}
		return nil
	}
	return nil
}

// logReplaced: the log file is removed, and comes back with the next line. Then a FIFO
// that nobody reads takes its place: calls are answered, and once it is gone there is a
// log again.
func logReplaced(s *trial) error {
	dir := filepath.Join(s.dir, "logs")
	log := filepath.Join(dir, "log")
	s.config = "log: {path: " + dir + "}\n"
	if err := s.start(); err != nil {
		return err
	}
	comesBack := func() error {
		ok, err := s.until(testbed.Prompt, func() bool {
			info, err := os.Lstat(log)
			return err == nil && info.Mode().IsRegular() && info.Size() > 0
		})
		if err == nil && !ok {
			err = brokenPromise("no log file any more")
		}
		return err
	}
	s.begin = func() error {
		if err := os.Remove(log); err != nil {
			return err
		}
		if err := comesBack(); err != nil {
			return err
		}
		if err := syscall.Mkfifo(log+".new", 0o600); err != nil {
			return err
		}
		return os.Rename(log+".new", log)
	}
	s.end = func() error { return os.Remove(log) }
	s.check = comesBack
	return nil
}

// blockedStderr: standard error is a pipe that takes nothing, from before the start. The
// program answers all calls, and ends when it is told to.
func blockedStderr(s *trial) error {
	s.config = fmt.Sprintf("drain: %s\n", s.drains())
	s.tail = 200 * time.Millisecond
	fifo := filepath.Join(s.dir, "stderr")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return err
	}
	full, err := unix.Open(fifo, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { _ = unix.Close(full) })
	for err == nil {
		_, err = unix.Write(full, make([]byte, 4096))
	}
	if err != unix.EAGAIN {
		return err
	}
	script := filepath.Join(s.dir, "fraudcheck.sh")
	text := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\" 2>%q\n", s.program, fifo)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		return err
	}
	config, err := s.writeConfig("")
	if err != nil {
		return err
	}
	i, err := testbed.StartQuietInstance(s.ctx, s.dir, script, config, "")
	if err != nil {
		return err
	}
	s.instances = append(s.instances, i)
	s.begin = func() error {
		since := time.Now()
		err := s.stopped(i, s.drains()+5*time.Second)
		s.note("gone after %.2f s", time.Since(since).Seconds())
		return err
	}
	return nil
}
