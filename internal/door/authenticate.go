package door

import (
	"errors"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// unauthenticated is the problem of a request that the guard refused with err.
func (d *Door) unauthenticated(q *Request, err error) *wire.Problem {
	p := problemOf(err)
	if p.Code == string(auth.OriginRefused) {
		if named := refuseOrigin(&q.asks); named != nil {
			return named
		}
	}
	if p.Status == 401 {
		q.Out.Set("WWW-Authenticate", d.Guard.Challenge())
	}
	return p
}

// problemOf is the problem that tells of a failure of authentication.
func problemOf(err error) *wire.Problem {
	var failure auth.Failure
	errors.As(err, &failure)
	p := &wire.Problem{Status: 401, Code: string(failure), Detail: failure.Error()}
	switch failure {
	case auth.NetworkRefused, auth.OriginRefused, auth.RoleMissing:
		p.Status = 403
	case auth.TooManyFailures:
		p.Status = 429
	case auth.Unavailable:
		p.Status = 503
	}
	var later *auth.Later
	if errors.As(err, &later) {
		p.After = later.After
	}
	if flaw := new(auth.Flaw); errors.As(err, &flaw) {
		p.Detail = flaw.Error()
	}
	return p
}

// refuseOrigin is the problem of a request that would change something, from a page of
// another origin, with what a browser adds by itself; nil for every other request.
func refuseOrigin(r *auth.Request) *wire.Problem {
	if r.Safe() || r.ListedOrigin || !r.Automatic() {
		return nil
	}
	header, crosses := r.CrossOrigin()
	if !crosses {
		return nil
	}
	return &wire.Problem{Status: 403, Code: string(auth.OriginRefused), Detail: "the header " + header +
		" says that a page of another origin asks, and cors.origins does not name it; a backend: do not pass a shopper's headers on"}
}
