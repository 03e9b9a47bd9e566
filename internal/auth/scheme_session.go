package auth

// sessionScheme is a browser session that a login began, shown by a cookie. It counts
// only where there is no Authorization header.
type sessionScheme struct{ accounts *accounts }

var sessionKind = kind{
	name:    "session",
	results: []Failure{okLocal, TokenExpired, TokenInvalid, TooManyFailures, OriginRefused, Unavailable},
	compile: func(c *compiled) (scheme, error) {
		if c.policy.logins == nil {
			return nil, nil
		}
		return &sessionScheme{c.accounts}, nil
	},
}

func (s *sessionScheme) owns(g *Guard, r *Request) bool {
	if g.Logins == nil || r.authorization.headers > 0 {
		return false
	}
	var found bool
	r.cookie, found = r.sessionCookie()
	return found
}

func (s *sessionScheme) authenticate(c call) (*Caller, error) {
	shown, err := c.Logins.Session(c.policy.logins, c.cookie, c.from, c.At, &c.StoreWaited)
	if err != nil {
		return nil, c.wrongToken(c.Request, failureOf(err))
	}
	if !c.Safe() && !c.ListedOrigin && !c.sameOrigin() {
		return nil, OriginRefused
	}
	caller := &s.accounts.passwords[shown.User.Name].caller
	if c.policy.outside(caller, c.Request) { // will be refused, and is no use of the session
		return caller, nil
	}
	c.Logins.Use(c.policy.logins, &shown, c.At, &c.StoreWaited)
	c.Grant = Grant{Expires: shown.Expires, Local: shown.Local}
	return caller, nil
}
