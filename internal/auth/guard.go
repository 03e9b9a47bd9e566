package auth

import (
	"errors"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/turns"
)

// A Guard authenticates requests under the policy in force. It holds what outlives a
// policy: the throttle, the logins, the nonces, and which credentials were verified. It
// may be used from many goroutines at once.
type Guard struct {
	// Observe is called with how every authentication ended: the scheme's name, "none"
	// where no configured one owned the credentials, and "ok" or the Failure; "ok_local"
	// where the store did not answer. It is called so for "login", "refresh", which may
	// end as "reused" too, and "logout": see [AllOutcomes]. May be nil.
	Observe func(scheme, result string)
	// Logins issue tokens and sessions. Nil: there are none.
	Logins *session.Logins
	// SharedNonces remembers those of signed requests for all instances. Where it is
	// nil or does not answer, each nonce is good once per instance.
	SharedNonces session.Store
	// Peers verify what other instances of this service show; nil: there are none.
	Peers *proof.Keys
	// Now returns the time of a request whose At is zero. It is time.Now, unless it is
	// changed before the first use.
	Now func() time.Time

	nonces     *httpsig.NonceMemory
	peerNonces *httpsig.NonceMemory
	throttle   *throttle
	hasher     *password.Hasher
	inForce    atomic.Pointer[inForce]
}

// inForce is a policy and what was verified under it.
type inForce struct {
	*Policy
	verified []*verified // by the index of the policy's schemes
}

// NewGuard makes a guard that begins with the policy.
func NewGuard(p *Policy) *Guard {
	g := &Guard{Now: time.Now, nonces: httpsig.NewNonceMemory(httpsig.MaxNonces), peerNonces: httpsig.NewNonceMemory(maxPeerNonces), throttle: newThrottle(), hasher: password.NewHasher()}
	g.inForce.Store(p.nextInForce(&inForce{Policy: new(Policy)}))
	return g
}

// Replace puts the policy in force from the next request on. Credentials that were
// verified before stay so where the new policy would find the same.
func (g *Guard) Replace(p *Policy) { g.inForce.Store(p.nextInForce(g.inForce.Load())) }

// nextInForce returns p with what was verified under the old policy and what p confirms
// of it, scheme by scheme.
func (p *Policy) nextInForce(old *inForce) *inForce {
	next := &inForce{Policy: p, verified: make([]*verified, len(p.schemes))}
	for i, s := range p.schemes {
		next.verified[i] = newVerified()
		for j, before := range old.schemes {
			if r, ok := s.scheme.(rememberer); ok && before.kind == s.kind {
				next.verified[i] = old.verified[j].carryOver(r.confirm)
			}
		}
	}
	return next
}

// Challenge returns the value of the WWW-Authenticate header of a 401: the challenges of
// the configured schemes (RFC 9110 section 11.6.1).
func (g *Guard) Challenge() string { return g.inForce.Load().challenge }

// Authenticate finds the caller, and sets r.Grant, r.Scheme and r.Caller. Several
// Authorization headers are refused: which one is meant cannot be known. A session counts
// only where there is none. The error is a Failure or wraps one; then there is no caller.
func (g *Guard) Authenticate(r *Request) (*Caller, error) {
	f := g.inForce.Load()
	g.complete(r, f)
	caller, scheme, err := g.find(f, r)
	if err == nil {
		r.caller, r.issuer = caller.Name, caller.issuer
		err = f.admit(caller, r)
	}
	g.observe(scheme, err, r.Grant.Local)
	if err != nil {
		return nil, err
	}
	return caller, nil
}

// find finds the caller by the scheme that owns the request's credentials. scheme is its
// name, "none" where no configured scheme owns them.
func (g *Guard) find(f *inForce, r *Request) (c *Caller, scheme string, err error) {
	for i := range f.schemes {
		s := &f.schemes[i]
		if !s.owns(g, r) {
			continue
		}
		r.scheme = s.name
		c, err = s.authenticate(call{g, r, f.Policy, f.verified[i]})
		return c, s.name, err
	}
	return nil, "none", f.unowned(r)
}

// complete fills in what the request does not say: where it comes from, when, whose turn
// it takes, and which credentials it shows.
func (g *Guard) complete(r *Request, f *inForce) {
	r.locate(f.Policy)
	if r.At.IsZero() {
		r.At = g.Now()
	}
	if r.Turn == nil {
		r.Turn = &turns.Turn{Class: turns.LookUp}
	}
	r.readAuthorization()
}

// observe calls Observe, if it is set. local: the store did not answer.
func (g *Guard) observe(scheme string, err error, local bool) {
	if g.Observe != nil {
		g.Observe(scheme, resultOf(err, local))
	}
}

// resultOf returns the result of a metric: see AllOutcomes.
func resultOf(err error, local bool) string {
	switch {
	case err == nil && local:
		return okLocal
	case err == nil:
		return ok
	}
	var failure Failure
	errors.As(err, &failure)
	return string(failure)
}
