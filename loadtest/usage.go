package main

import (
	"os"
	"runtime"
	"time"

	"fraudcheck/internal/testbed"
)

// A usage is the processor time used until a moment: by the whole machine, and by what
// belongs to the trial.
type usage struct {
	at            time.Time
	machine, ours time.Duration
}

// usage reads it.
func (s *trial) usage() (u usage, err error) {
	pids := []int{os.Getpid()}
	for _, i := range s.instances {
		pids = append(pids, i.PID())
	}
	for _, m := range s.servers {
		pids = append(pids, m.PID())
	}
	for _, p := range s.neighbours {
		pids = append(pids, p.PID())
	}
	if u.ours, err = testbed.CPU(pids...); err != nil {
		return u, err
	}
	u.machine, err = testbed.MachineCPU()
	u.at = time.Now()
	return u, err
}

// others returns the share of the machine, from 0 to 1, that processes took which do not
// belong to the trial.
func (u usage) others(since usage) float64 {
	took := u.machine - since.machine - (u.ours - since.ours)
	return max(0, took.Seconds()/u.at.Sub(since.at).Seconds()/float64(runtime.NumCPU()))
}
