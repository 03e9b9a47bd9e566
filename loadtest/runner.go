package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"fraudcheck/internal/testbed"
)

// A runner builds the program once and puts it under load, fault by fault.
type runner struct {
	*options
	dir      string
	program  string
	password string
	budget   time.Duration // store.budget; 0 for the default
	progress io.Writer
}

// newRunner builds the program, unless the options name one.
func newRunner(ctx context.Context, o *options) (*runner, error) {
	dir, err := os.MkdirTemp("", "loadtest")
	if err != nil {
		return nil, err
	}
	s := &runner{options: o, dir: dir, program: filepath.Join(dir, "fraudcheck"), password: rand.Text(), progress: io.Discard}
	testbed.ClearEnvironment()
	if o.Program != "" {
		s.program = o.Program
	} else if err := testbed.Build(ctx, "", s.program); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close removes all files.
func (s *runner) close() { _ = os.RemoveAll(s.dir) }

// progressf writes progress to a terminal; to nothing else.
func (s *runner) progressf(format string, args ...any) { fmt.Fprintf(s.progress, format, args...) }

// lasts returns how long the fault lasts.
func (s *runner) lasts(f fault) time.Duration {
	switch {
	case s.Seconds > 0:
		return time.Duration(s.Seconds) * time.Second
	case s.Short && f.crowd != nil:
		return 400 * time.Millisecond // each of its stages
	case s.Short:
		return time.Second
	}
	return time.Duration(max(5, f.seconds)) * time.Second
}

// runFault runs the fault under load and judges the result. The load warms up for a
// second, goes on while the fault lasts, and then for the tail. The error says why the
// fault could not be made; a broken promise is in the row.
func (s *runner) runFault(ctx context.Context, f fault) (r row, err error) {
	lasts := s.lasts(f)
	warm, tail := time.Second, recovery+time.Second
	if s.Short {
		warm, tail = 200*time.Millisecond, 1200*time.Millisecond
	}
	// Each trial has a folder, processes and ports of its own: no fault outlasts its
	// trial.
	tr := &trial{runner: s, ctx: ctx, lasts: lasts, tail: tail, callers: 128, budget: s.budget}
	defer tr.close()
	if tr.dir, err = os.MkdirTemp(s.dir, f.name+"-"); err != nil {
		return r, err
	}
	defer s.progressf("\r\x1b[K")
	s.progressf("\r\x1b[K%s: starting", f.name)
	if f.crowd != nil {
		return tr.runCrowd(f)
	}
	if err := f.prepare(tr); err != nil {
		return r, err
	}
	traffic := newTraffic("mixed")
	l := &load{rate: s.Rate, callers: tr.callers, auth: testbed.Basic("shop", s.password), next: traffic.next}
	for _, i := range tr.instances {
		l.endpoints = append(l.endpoints, i.Addr)
	}
	// Blocked before the load begins, so that "blocked stays blocked" can be judged at
	// once.
	if err := traffic.block(l.endpoints, l.auth); err != nil {
		return r, fmt.Errorf("cannot block the attackers: %w", err)
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan *tally, 1)
	go func() { done <- l.run(loading) }()

	err = testbed.Pause(ctx, warm)
	begin := time.Now()
	l.phase.Store(int32(during))
	s.progressf("\r\x1b[K%s: for %s", f.name, lasts)
	if err == nil {
		err = tr.run(tr.begin)
	}
	if left := lasts - time.Since(begin); err == nil {
		err = testbed.Pause(ctx, left)
	}
	if err == nil {
		err = tr.run(tr.end)
	}
	end := time.Now()
	l.phase.Store(int32(after))
	s.progressf("\r\x1b[K%s: over", f.name)
	if err == nil {
		err = testbed.Pause(ctx, tr.tail)
	}
	stop()
	t := <-done
	if err == nil {
		err = tr.run(tr.check)
	}
	// A broken promise is a result; any other error means that the fault was not staged.
	if err != nil && !errors.As(err, new(brokenPromise)) {
		return r, err
	}
	return tr.judge(f, t, end, err), nil
}

// runCrowd runs a fault that loads the program itself.
func (s *trial) runCrowd(f fault) (row, error) {
	v := verdict{short: s.Short}
	st, err := f.crowd(s, &v)
	if err != nil {
		return row{}, err
	}
	return st.row(f, &v), nil
}
