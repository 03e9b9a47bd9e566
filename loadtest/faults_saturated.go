package main

import (
	"time"

	"fraudcheck/internal/testbed"
)

// Too many callers are a fault like others: here a crowd in a closed loop is all the
// load there is.

// saturations are the faults of a crowd.
var saturations = []fault{
	{name: "saturated-64-embedded", crowd: saturated(64, false)},
	{name: "saturated-256-embedded", crowd: saturated(256, false)},
	{name: "saturated-1000-embedded", crowd: saturated(1000, false)},
	{name: "saturated-2000-embedded", crowd: saturated(2000, false)},
	{name: "saturated-4000-embedded", crowd: saturated(4000, false)},
	{name: "saturated-64-memcached", crowd: saturated(64, true)},
	{name: "saturated-256-memcached", crowd: saturated(256, true)},
	{name: "saturated-1000-memcached", crowd: saturated(1000, true)},
	{name: "saturated-2000-memcached", crowd: saturated(2000, true)},
	{name: "saturated-4000-memcached", crowd: saturated(4000, true)},
	{name: "saturated-core-taken", crowd: coreTaken},
	{name: "saturated-neighbour", crowd: neighbour},
	{name: "saturated-slow-256", crowd: storeFails(256, slow)},
	{name: "saturated-slow-memcached", crowd: storeFails(1000, slow)},
	{name: "saturated-hung-memcached", crowd: storeFails(512, hangs)},
	{name: "saturated-hung-2000", crowd: storeFails(2000, hangs)},
	{name: "saturated-killed-memcached", crowd: storeFails(512, dies)},
	{name: "saturated-forgotten", crowd: forgotten},
}

// inFlight is the default of limits.in_flight: a crowd beyond it may be shed.
const inFlight = 2048

// longAnswer is a limits.answer that lets every check of a crowd wait for its turn.
const longAnswer = 2 * time.Second

// startForCrowds starts an instance with the embedded store, or with a memcached that
// holds all addresses of a crowd; limits is that section of the configuration.
func (s *trial) startForCrowds(shared bool, limits string) (*testbed.Instance, error) {
	if shared && len(s.servers) == 0 {
		if _, err := s.memcached("-m", "2048", "-c", "4096"); err != nil {
			return nil, err
		}
	}
	s.config = "log: {level: WARNING}\n" + limits // two lines a call would cost a fifth of the rate
	path, err := s.writeConfig("")
	if err != nil {
		return nil, err
	}
	i, err := testbed.StartQuietInstance(s.ctx, s.dir, s.program, path, "")
	if err == nil {
		s.instances = append(s.instances, i)
	}
	return i, err
}

// saturated: conns connections call as fast as they are answered, and attackers are
// among them. With the defaults everybody is answered in time; with a long limits.answer
// next to nothing is degraded.
func saturated(conns int, shared bool) func(*trial, *verdict) (*stage, error) {
	return func(s *trial, v *verdict) (*stage, error) {
		st, err := s.saturatedByDefault(v, conns, shared)
		if err != nil || !shared {
			return st, err
		}
		i, err := s.startForCrowds(shared, "limits: {answer: "+longAnswer.String()+"}\n")
		if err != nil {
			return st, err
		}
		patient, crowd, err := s.saturated(i, conns, s.lasts)
		if err != nil {
			return st, err
		}
		v.note("limits.answer %s: %s", longAnswer, patient)
		v.answered(patient, crowd, conns > inFlight)
		v.untroubled(patient)
		if share := 1 - patient.fresh(); share > mostDegraded {
			v.missed(patient, patient.needs(longAnswer), "%.2f%% degraded with limits.answer: %s", 100*share, longAnswer)
		}
		return st, nil
	}
}

// saturatedByDefault measures a crowd at an instance with the default limits, and a small
// one before and after it.
func (s *trial) saturatedByDefault(v *verdict, conns int, shared bool) (*stage, error) {
	i, err := s.startForCrowds(shared, "")
	if err != nil {
		return nil, err
	}
	var few *crowd
	if v.before, few, err = s.saturated(i, fewConns, s.lasts/2); err != nil {
		return nil, err
	}
	st, many, err := s.saturated(i, conns, s.lasts)
	if err != nil {
		return nil, err
	}
	if v.after, _, err = s.saturated(i, fewConns, s.lasts/2); err != nil {
		return nil, err
	}
	v.note("%.0f/s at %d connections, %.0f/s at %d", v.mean(), fewConns, st.rate(), conns)
	v.answered(v.before, few, false)
	v.answered(st, many, shared && conns > inFlight)
	v.inTime(st)
	v.rate(st)
	if shared {
		v.untroubled(st)
		v.fresh(st)
	} else {
		v.breaks(st.degraded > 0, "%d answers of the embedded store degraded", st.degraded)
	}
	return st, nil
}
