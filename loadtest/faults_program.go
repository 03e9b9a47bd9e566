package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"fraudcheck/internal/testbed"
)

// stopped sends SIGTERM and waits for the end, which must come within longest with exit
// code 0; anything else is a broken promise.
func (s *trial) stopped(i *testbed.Instance, longest time.Duration) error {
	if err := i.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	gone, err := s.until(longest, func() bool {
		select {
		case <-i.Exited():
			return true
		default:
			return false
		}
	})
	switch {
	case err != nil:
		return err
	case !gone:
		return brokenPromise(fmt.Sprintf("still there %s after SIGTERM", longest))
	case i.ExitCode() != 0:
		return brokenPromise(fmt.Sprintf("exit code %d after SIGTERM:\n%s", i.ExitCode(), i.LastLines()))
	}
	return nil
}

// drain: the program is stopped while calls keep coming from callers that close when an
// answer says so. Every call that was taken is answered.
func drain(s *trial) error {
	s.config = fmt.Sprintf("drain: %s\n", s.drains())
	s.tail = 200 * time.Millisecond
	if err := s.start(); err != nil {
		return err
	}
	s.begin = func() error {
		since := time.Now()
		err := s.stopped(s.instances[0], s.drains()+2*time.Second)
		s.note("gone after %.2f s", time.Since(since).Seconds())
		return err
	}
	return nil
}

// rollingRestart: two instances share a memcached, and one after the other is restarted;
// the callers know both.
func rollingRestart(s *trial) error {
	if _, err := s.memcached(); err != nil {
		return err
	}
	s.budget = time.Second // memcached works; a busy machine must not make answers degraded
	if s.Short {           // callers that call seldom learn of the stop late, and the drain takes its whole time
		s.config = fmt.Sprintf("drain: %s\n", s.drains())
	}
	for range 2 {
		if err := s.start(); err != nil {
			return err
		}
	}
	s.begin = func() error {
		for n := range s.instances {
			since := time.Now()
			if err := s.stopped(s.instances[n], 7*time.Second); err != nil {
				return err
			}
			s.note("gone after %.2f s", time.Since(since).Seconds())
			if err := s.restart(n); err != nil {
				return err
			}
			if err := testbed.Pause(s.ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// reloadStorm: the configuration changes a hundred times, each time with a SIGHUP.
// Reloads that meet may be one, so a tenth of them must succeed and none fail.
func reloadStorm(s *trial) error {
	if _, err := s.startOnMemcached(); err != nil {
		return err
	}
	const times = 100
	rule := "  - {name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}\n"
	s.begin = func() error {
		for n := range times {
			more := "rules:\n" + rule
			if n%2 == 0 {
				more += "  - {name: quiet, per: network, count: cards, window: 2h, block_over: 50, mode: shadow}\n" +
					"lists: {allow: [{net: 192.0.2." + strconv.Itoa(n) + "/32}]}\n"
			}
			if _, err := s.writeConfig(more); err != nil {
				return err
			}
			if err := s.instances[0].Signal(syscall.SIGHUP); err != nil {
				return err
			}
			if err := testbed.Pause(s.ctx, s.lasts/times); err != nil {
				return err
			}
		}
		return nil
	}
	s.check = func() error {
		ok, err := s.metric(`fraudcheck_config_reloads_total{result="ok"}`)
		if err != nil {
			return err
		}
		failed, err := s.metric(`fraudcheck_config_reloads_total{result="error"}`)
		if s.note("%d reloads", ok); failed > 0 || ok < times/10 {
			return brokenPromise(fmt.Sprintf("%d reloads succeeded, %d did not", ok, failed))
		}
		return err
	}
	return nil
}

// configFIFO: the configuration is replaced by a FIFO that nobody writes to. The
// reload is refused, and the program can be stopped all the same.
func configFIFO(s *trial) error {
	s.config = fmt.Sprintf("drain: %s\n", s.drains())
	s.tail = 200 * time.Millisecond
	if err := s.start(); err != nil {
		return err
	}
	s.begin = func() error {
		path := filepath.Join(s.dir, configFile)
		// A rename puts the FIFO in place at once, as an editor would put a file.
		if err := syscall.Mkfifo(path+".new", 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
		if err := s.instances[0].Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if err := testbed.Pause(s.ctx, 200*time.Millisecond); err != nil {
			return err
		}
		since := time.Now()
		err := s.stopped(s.instances[0], s.drains()+2*time.Second)
		s.note("gone after %.2f s", time.Since(since).Seconds())
		return err
	}
	return nil
}

// snapshotKill: the program is killed after a snapshot, and its successor knows the
// blocked addresses. What came after the snapshot may be lost.
func snapshotKill(s *trial) error {
	file := filepath.Join(s.dir, "snapshot")
	s.config = "store: {memory: {snapshot_file: " + file + ", snapshot_every: 1s}}\n"
	if err := s.start(); err != nil {
		return err
	}
	s.begin = func() error {
		blocked := time.Now()
		saved := func() bool {
			info, err := os.Stat(file)
			return err == nil && info.ModTime().After(blocked)
		}
		switch ok, err := s.until(5*time.Second, saved); {
		case err != nil:
			return err
		case !ok:
			return brokenPromise("no snapshot within 5 s")
		}
		s.instances[0].Kill()
		return s.restart(0)
	}
	return nil
}

// logDiskFull: for a while the disk of the log is full (/dev/full). Calls are answered,
// and lines are written again once there is room.
func logDiskFull(s *trial) error {
	dir := filepath.Join(s.dir, "logs")
	log := filepath.Join(dir, "log")
	s.config = "log: {path: " + dir + "}\n"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// /dev/full fails every write with ENOSPC.
	if err := os.Symlink("/dev/full", log); err != nil {
		return err
	}
	if err := s.start(); err != nil { // it starts all the same
		return err
	}
	s.end = func() error { return os.Remove(log) }
	s.check = func() error {
		if info, err := os.Lstat(log); err != nil || info.Size() == 0 {
			return brokenPromise("nothing is logged once the disk has room again")
		}
		return nil
	}
	return nil
}
