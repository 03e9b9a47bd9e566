package auth

import (
	"fraudcheck/internal/auth/httpsig"
	"fraudcheck/internal/auth/proof"
)

// peerScheme is the proof of another instance of this service, which asks for one of its
// callers: see package proof. Such a request may only read, and only where the route is for
// peers ([Request.ForPeers]): the first instance has judged its caller's role.
//
// A wrong proof is not charged to the throttle. There is nothing to guess, and an instance
// with another hash key must not get callers of its network refused.
type peerScheme struct{}

var peerKind = kind{
	name:    "peer",
	results: []Failure{Malformed, Invalid, TokenExpired, TokenInvalid},
	compile: func(*compiled) (scheme, error) { return peerScheme{}, nil },
}

// maxPeerNonces is how many nonces of peers an instance remembers: with the four minutes
// for which one is kept, some 250 requests a second, and 4 MiB.
const maxPeerNonces = 1 << 16

var (
	flawProof   = &Flaw{Malformed, "a proof in the form of this version after " + proof.Scheme}
	flawKey     = &Flaw{Invalid, "a proof made with this instance's hash key"}
	flawClock   = &Flaw{TokenExpired, "a proof made within ten seconds of this instance's clock"}
	flawReplay  = &Flaw{TokenInvalid, "a proof that was not used before"}
	flawsOfPeer = map[error]error{proof.ErrMalformed: flawProof, proof.ErrForged: flawKey, proof.ErrExpired: flawClock}
)

// owns is true for the scheme of proofs, where this instance has peers.
func (peerScheme) owns(g *Guard, r *Request) bool {
	return g.Peers != nil && r.authorization.is(proof.Scheme)
}

// authenticate implements scheme.
func (peerScheme) authenticate(c call) (*Caller, error) {
	p, err := c.Peers.Verify(string(c.authorization.value), string(c.Method), string(c.Target), c.At)
	if err != nil {
		return nil, flawsOfPeer[err]
	}
	if !c.peerNonces.Once(httpsig.NonceID(p.Nonce), c.At, p.Until) {
		return nil, flawReplay
	}
	return &Caller{Name: p.Caller, peer: true}, nil
}

// recheck implements scheme: a proof cannot be taken back.
func (peerScheme) recheck(c call) (*Caller, error) { return &Caller{Name: c.caller, peer: true}, nil }
