package auth

import (
	"time"

	"fraudcheck/internal/turns"
)

// Recheck reports why a request like this one, which Authenticate has let in, would be
// refused now: the login has ended, the user is gone or lacks the role, the network is
// refused. It leaves no trace: it is no use of a session, and is not charged to the throttle.
// It is for a request whose answer lasts. The error is a Failure or wraps one; nil: it would
// not be refused.
func (g *Guard) Recheck(r *Request, at time.Time) error {
	turn := turns.Turn{Class: turns.LookUp, Start: at}
	defer turn.Release()
	f := g.inForce.Load()
	again := *r
	again.At, again.Turn, again.located = at, &turn, false
	again.locate(f.Policy)
	for i := range f.schemes {
		s := &f.schemes[i]
		if s.name != r.scheme {
			continue
		}
		caller, err := s.recheck(call{g, &again, f.Policy, f.verified[i]})
		if err == nil {
			err = f.admit(caller, &again)
		}
		return err
	}
	return Invalid // the scheme is not configured any more
}
