package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/testbed/calls"
)

// What goes wrong while a crowd calls. The machine carries less during these faults, so
// each is judged by what it carries then: fewConns connections, under the same fault.

// crowdedConns are the connections of these crowds.
const crowdedConns = 1000

// coreTaken: in the middle of the flood the program and memcached lose all processors but
// one, and get them back.
func coreTaken(s *trial, v *verdict) (*stage, error) {
	pin := func(cpus unix.CPUSet) func() error {
		return func() error {
			var all []int
			for _, i := range s.instances {
				all = append(all, i.PID())
			}
			for _, m := range s.servers {
				all = append(all, m.PID())
			}
			return setAffinity(all, cpus)
		}
	}
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	for cpu := range len(before) * 64 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	return s.disturbed(v, pin(one), pin(before))
}

// setAffinity binds all threads of the processes to these processors; threads that they
// start later inherit it.
func setAffinity(pids []int, cpus unix.CPUSet) error {
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, thread := range threads {
			tid, err := strconv.Atoi(filepath.Base(thread))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, &cpus); err != nil && err != unix.ESRCH {
				return os.NewSyscallError("sched_setaffinity", err)
			}
		}
	}
	return nil
}

// neighbour: another process computes without end, and takes as much of the machine as
// the scheduler gives it.
func neighbour(s *trial, v *verdict) (*stage, error) {
	var hog *testbed.Process
	begin := func() (err error) {
		hog, err = testbed.Start(s.dir, exec.Command("/bin/sh", "-c", "while :; do :; done"))
		if err == nil {
			s.closers = append(s.closers, hog.Kill)
			s.neighbours = append(s.neighbours, hog)
		}
		return err
	}
	end := func() error {
		hog.Kill()
		s.neighbours = nil
		return nil
	}
	return s.disturbed(v, begin, end)
}

// disturbed runs a crowd on memcached, begins a disturbance in the middle and ends it
// again. Meanwhile everybody is answered, in as much time as the machine then has, and
// degraded for want of a turn alone; afterwards nothing is left of it.
func (s *trial) disturbed(v *verdict, begin, end func() error) (*stage, error) {
	i, err := s.startForCrowds(true, "")
	if err != nil {
		return nil, err
	}
	few := func() (*stage, error) {
		if err := begin(); err != nil {
			return nil, err
		}
		st, _, err := s.saturated(i, fewConns, s.lasts/2)
		if err == nil {
			err = end()
		}
		return st, err
	}
	if v.before, err = few(); err != nil {
		return nil, err
	}
	x, err := s.saturate(i, crowdedConns)
	if err != nil {
		return nil, err
	}
	var stages [3]*stage
	for n, change := range []func() error{nil, begin, end} {
		if err := s.run(change); err != nil {
			return nil, err
		}
		if err := testbed.Pause(s.ctx, s.warm()); err != nil {
			return nil, err
		}
		if stages[n], err = x.stage(s.lasts); err != nil {
			return nil, err
		}
	}
	x.close()
	if v.after, err = few(); err != nil {
		return nil, err
	}
	st := stages[1]
	v.note("%.0f/s at %d connections meanwhile; before: %s; meanwhile: %s; afterwards: %s", v.mean(), fewConns, stages[0], st, stages[2])
	for _, st := range stages {
		v.answered(st, x.crowd, false)
		v.untroubled(st)
	}
	v.inTime(st)
	v.fresh(st)
	if was, is := stages[0].fresh(), stages[2].fresh(); is < was-0.05 {
		v.missed(stages[2], 0, "%.0f%% fresh before, %.0f%% afterwards", 100*was, 100*is)
	}
	return st, nil
}

// forgotten: in the middle of the flood an analyst forgets a blocked address. It passes
// once that is answered.
func forgotten(s *trial, v *verdict) (*stage, error) {
	i, err := s.startForCrowds(true, "")
	if err != nil {
		return nil, err
	}
	c, err := calls.Dial(i.Addr, testbed.Basic("shop", s.password))
	if err != nil {
		return nil, err
	}
	defer c.Conn.Close()
	number := firstAttacker + nextAttacker.Add(1) - 1
	show := func(card uint32) (calls.Answer, error) { return c.Call(number, card) }
	x, err := s.saturate(i, crowdedConns)
	if err != nil {
		return nil, err
	}
	var last calls.Answer
	for card := range uint32(blockOver + 1) {
		if last, err = show(card); err != nil {
			return nil, err
		}
	}
	if last.Decision != 'b' {
		return nil, fmt.Errorf("not blocked after %d cards", blockOver+1)
	}
	begun := time.Now()
	done := make(chan error, 1)
	var answered time.Duration
	go func() {
		err := s.forget(i, calls.IP(number))
		answered = time.Since(begun)
		done <- err
	}()
	var blockedLast time.Duration // of a call's begin
	for time.Since(begun) < 2*time.Second {
		at := time.Since(begun)
		a, err := show(0)
		if err != nil {
			return nil, err
		}
		if a.Decision == 'b' {
			blockedLast = at
		}
	}
	refused := <-done
	st, err := x.stage(s.lasts)
	x.close()
	if err != nil {
		return nil, err
	}
	if refused != nil {
		v.missed(st, 0, "%v", refused)
	}
	v.note("%s; forgetting answered after %d ms, blocked for %d", st, answered.Milliseconds(), blockedLast.Milliseconds())
	v.answered(st, x.crowd, false)
	v.untroubled(st)
	if blockedLast > answered {
		v.missed(st, 0, "still blocked after %d ms, once forgetting was answered", blockedLast.Milliseconds())
	}
	if answered > 1500*time.Millisecond {
		v.missed(st, 0, "forgetting answered after %d ms", answered.Milliseconds())
	}
	return st, nil
}
