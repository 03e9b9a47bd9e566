package auth

import "slices"

// A scheme is one kind of credentials. It is compiled with the policy and immutable.
//
// A further scheme is a type that implements this, a kind that describes it, and a line
// in [kinds].
type scheme interface {
	// owns reports whether the credentials that the request shows are of this scheme.
	// The first scheme that owns them decides; no other is tried after it.
	owns(g *Guard, r *Request) bool
	// authenticate finds the caller; the error is a Failure or wraps one.
	authenticate(c call) (*Caller, error)
	// recheck finds the caller again, of a request that it has authenticated, perhaps under
	// an earlier policy; it leaves no trace: no charge, no use, no nonce. The error is a
	// Failure or wraps one.
	recheck(c call) (*Caller, error)
}

// A rememberer is a scheme that remembers in call.verified what it found good.
type rememberer interface {
	// confirm returns what the scheme finds now for credentials that were found good
	// under another policy; nil where it would have to verify them again.
	confirm(v *verification) *verification
}

// A call is one request on its way through a scheme.
type call struct {
	*Guard
	*Request
	policy   *Policy
	verified *verified // of the scheme, under the policy in force
}

// A kind describes a scheme.
type kind struct {
	name string // in the metrics, the log and the answer of /v1/me
	// challenge is the scheme's part of a WWW-Authenticate header, which a 401 must have
	// (RFC 9110 section 11.6.1): a scheme that may be the only one needs one. A fallback
	// is named only if no other scheme is configured.
	challenge string
	fallback  bool
	// results are those that the scheme may have, beside "ok" and those of admit.
	results []Failure
	// compile makes the scheme, or nothing where it is not configured.
	compile func(*compiled) (scheme, error)
}

// kinds are all schemes. The order is that in which they are asked whether they own a
// request's credentials, and that of the challenges: a signature beside an
// Authorization header is the signature's to refuse, a token of our own is not a JSON
// Web Token's.
var kinds = [...]*kind{&signatureKind, &basicKind, &tokenKind, &bearerKind, &peerKind, &sessionKind}

// The results that are no failures: see [Guard.Observe].
const (
	ok      = "ok"
	okLocal = "ok_local"
	reused  = "reused"
)

// admitted are the failures of a caller whose credentials are good.
var admitted = []Failure{NetworkRefused, RoleMissing}

// Outcomes are the results that authentications by a scheme, or calls of a login route,
// may have: all that [Guard.Observe] is called with.
type Outcomes struct {
	Scheme  string
	Results []string
}

// AllOutcomes lists them for all schemes and routes, and for requests that show none, so
// that the metrics have every series from the start.
func AllOutcomes() []Outcomes {
	all := []Outcomes{
		{"none", failureTexts(Missing, Malformed)},
		{"login", append(failureTexts(Malformed, Invalid, TooManyFailures, NetworkRefused, Overloaded), ok, okLocal)},
		{"refresh", append(failureTexts(TokenExpired, TokenInvalid, TooManyFailures, NetworkRefused, Unavailable), ok, reused)},
		{"logout", append(failureTexts(Malformed, Invalid, TokenInvalid, TooManyFailures, OriginRefused, Overloaded, Unavailable), ok)},
	}
	for _, k := range kinds {
		results := append(failureTexts(k.results...), failureTexts(admitted...)...)
		all = append(all, Outcomes{k.name, append(results, ok)})
	}
	return all
}

// failureTexts returns the failures as text.
func failureTexts(failures ...Failure) (texts []string) {
	for _, f := range failures {
		texts = append(texts, string(f))
	}
	return slices.Clip(texts)
}
