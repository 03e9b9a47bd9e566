package door

import (
	"errors"
	"strings"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// unauthenticated returns the problem of a request that the guard refused with err. A 401
// names the schemes.
func (d *Door) unauthenticated(q *Request, err error) *wire.Problem {
	p := authProblem(err)
	if p.Code == string(auth.OriginRefused) {
		if named := refuseOrigin(&q.auth); named != nil {
			return named
		}
	}
	if p.Code == string(auth.NetworkRefused) && !d.Guard.From(&q.auth).IsValid() {
		p.Detail = "a caller over a unix socket has no IP address: networks and bind_ip let none in there"
	}
	if p.Code == string(auth.RoleMissing) {
		p.Detail = "this path needs the role " + strings.Join((q.auth.Needs|auth.Operator).Names(), " or ")
	}
	if p.Status == 401 {
		q.Out.Set("WWW-Authenticate", d.challenge(q))
	}
	return p
}

// challenge names the schemes. A browser would ask for name and password in a window of its
// own, before the script that asked hears anything, where the answer to a script names Basic;
// so that one names the scheme of access tokens alone, which browsers do not know.
func (d *Door) challenge(q *Request) string {
	if to := q.In.Header.Values("Sec-Fetch-Dest"); len(to) > 0 && string(to[0]) == "empty" {
		return `Bearer realm="fraudcheck"`
	}
	return d.Guard.Challenge()
}

// authProblem returns the problem that tells of a failure of authentication. Its code is
// the failure.
func authProblem(err error) *wire.Problem {
	var failure auth.Failure
	errors.As(err, &failure)
	p := &wire.Problem{Status: 401, Code: string(failure), Detail: failure.Error()}
	switch failure {
	case auth.NetworkRefused, auth.OriginRefused, auth.RoleMissing:
		p.Status = 403
	case auth.TooManyFailures:
		p.Status = 429
	case auth.Unavailable, auth.Overloaded:
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

// refuseOrigin returns the problem of a request that would change something, from a page
// of another origin, with what a browser adds by itself (cross-site request forgery); nil
// for every other request.
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
