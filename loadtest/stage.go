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

// A stage is where faults happen: the program, built once, and how hard it is
// pressed.
type stage struct {
	*options
	dir      string
	program  string
	password string
	played   int
	budget   time.Duration // of the store, instead of the default
	progress io.Writer
}

func newStage(ctx context.Context, o *options) (*stage, error) {
	dir, err := os.MkdirTemp("", "loadtest")
	if err != nil {
		return nil, err
	}
	s := &stage{options: o, dir: dir, program: filepath.Join(dir, "fraudcheck"), password: rand.Text(), progress: io.Discard}
	testbed.ClearEnvironment()
	if o.Program != "" {
		s.program = o.Program
	} else if err := testbed.Build(ctx, "", s.program); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() { _ = os.RemoveAll(s.dir) }

func (s *stage) tell(format string, args ...any) { fmt.Fprintf(s.progress, format, args...) }

// lasts is how long the fault does.
func (s *stage) lasts(f fault) time.Duration {
	switch {
	case s.Seconds > 0:
		return time.Duration(s.Seconds) * time.Second
	case s.Short:
		return time.Second
	}
	return time.Duration(max(5, f.seconds)) * time.Second
}

// play lets the fault happen under load, and judges.
func (s *stage) play(ctx context.Context, f fault) (r row, err error) {
	s.played++
	lasts := s.lasts(f)
	warm, tail := time.Second, recovery+time.Second
	if s.Short {
		warm, tail = 200*time.Millisecond, 1200*time.Millisecond
	}
	sc := &scene{stage: s, ctx: ctx, dir: filepath.Join(s.dir, fmt.Sprint(s.played)), lasts: lasts, tail: tail, callers: 128, budget: s.budget}
	defer sc.close()
	if err := os.Mkdir(sc.dir, 0o700); err != nil {
		return r, err
	}
	defer s.tell("\r\x1b[K")
	s.tell("\r\x1b[K%s: setting the scene", f.name)
	if err := f.set(sc); err != nil {
		return r, err
	}
	traffic := newTraffic("mixed")
	l := &load{rate: s.Rate, callers: sc.callers, auth: testbed.Basic("shop", s.password), next: traffic.next}
	for _, i := range sc.instances {
		l.sites = append(l.sites, i.Addr)
	}
	if err := traffic.block(l.sites, l.auth); err != nil {
		return r, fmt.Errorf("cannot block the attackers: %w", err)
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan *tally, 1)
	go func() { done <- l.run(loading) }()

	err = testbed.Pause(ctx, warm)
	begin := time.Now()
	l.phase.Store(int32(during))
	s.tell("\r\x1b[K%s: for %s", f.name, lasts)
	if err == nil {
		err = sc.run(sc.begin)
	}
	if left := lasts - time.Since(begin); err == nil {
		err = testbed.Pause(ctx, left)
	}
	if err == nil {
		err = sc.run(sc.end)
	}
	end := time.Now()
	l.phase.Store(int32(after))
	s.tell("\r\x1b[K%s: over", f.name)
	if err == nil {
		err = testbed.Pause(ctx, sc.tail)
	}
	stop()
	t := <-done
	if err == nil {
		err = sc.run(sc.check)
	}
	if err != nil && !errors.As(err, new(broken)) {
		return r, err
	}
	return sc.judge(f, t, end, err), nil
}
