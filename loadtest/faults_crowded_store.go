package main

import (
	"time"

	"fraudcheck/internal/testbed"
)

// What a memcached does in the middle of a flood: begin and end are set once it runs.
type storeFault func(s *trial) (begin, end func() error, err error)

// slow: its replies come 200 ms late.
func slow(s *trial) (begin, end func() error, err error) {
	p, err := s.proxied()
	set := func(t trouble) func() error {
		return func() error {
			p.set(t)
			return nil
		}
	}
	return set(trouble{delay: 200 * time.Millisecond}), set(trouble{}), err
}

// hangs: it accepts connections and answers nothing.
func hangs(s *trial) (begin, end func() error, err error) {
	m, err := s.memcached()
	return func() error { return m.Hang(s.ctx) }, func() error { return m.Resume() }, err
}

// dies: it is killed, and comes back empty.
func dies(s *trial) (begin, end func() error, err error) {
	m, err := s.memcached()
	begin = func() error {
		m.Kill()
		s.servers = nil // it takes no processor time
		return nil
	}
	end = func() error {
		s.servers = append(s.servers, m)
		return m.Start(s.ctx)
	}
	return begin, end, err
}

// storeFails: memcached fails in the middle of a flood. Then degraded is right, and only
// then: soon after it is well again it is used again, although the flood goes on.
// Everybody is answered in time all the same.
func storeFails(conns int, f storeFault) func(*trial, *verdict) (*stage, error) {
	return func(s *trial, v *verdict) (*stage, error) {
		begin, end, err := f(s)
		if err != nil {
			return nil, err
		}
		i, err := s.startForCrowds(true, "")
		if err != nil {
			return nil, err
		}
		if v.before, _, err = s.saturated(i, fewConns, s.lasts/2); err != nil {
			return nil, err
		}
		x, err := s.saturate(i, conns)
		if err != nil {
			return nil, err
		}
		var stages [3]*stage
		var again time.Duration // from the fault's end until it was used again
		for n, change := range []func() error{nil, begin, end} {
			if err := s.run(change); err != nil {
				return nil, err
			}
			switch n {
			case 1:
				err = testbed.Pause(s.ctx, s.warm())
			case 2:
				again, err = x.untilFresh(longestWait)
			}
			if err != nil {
				return nil, err
			}
			if stages[n], err = x.stage(s.lasts); err != nil {
				return nil, err
			}
		}
		x.close()
		if v.after, _, err = s.saturated(i, fewConns, s.lasts/2); err != nil {
			return nil, err
		}
		st := stages[1]
		v.note("before: %s; meanwhile: %s; used again after %.1f s; then: %s", stages[0], st, again.Seconds(), stages[2])
		for n, st := range stages {
			v.answered(st, x.crowd, false)
			v.breaks(st.untold, "degraded checks are not told apart by reason")
			if n == 1 {
				v.breaks(st.unanswered == 0, "no check degraded by the store: the fault had no effect")
			} else {
				v.untroubled(st)
			}
		}
		if again > recovery {
			v.missed(stages[2], 0, "used again after %.1f s", again.Seconds())
		}
		v.inTime(st)
		return st, nil
	}
}

// longestWait is how long a crowd waits for the store to be used again.
const longestWait = 5 * recovery

// untilFresh waits until some answers are fresh, looking ten times a second, for longest
// at most; it returns how long that took.
func (x *saturation) untilFresh(longest time.Duration) (took time.Duration, err error) {
	begun := time.Now()
	for took < longest {
		w, err := x.measure(x.trial.ctx, 100*time.Millisecond)
		if took = time.Since(begun); err != nil || w.fresh() > 0 {
			return took, err
		}
	}
	return took, nil
}
