package auth

// sessionScheme is a browser session that a login began, shown by a cookie. It counts
// only where there is no Authorization header. Because a browser adds the cookie by
// itself, a request that changes something must say that it comes from a page of this
// origin.
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

// owns is true for a request with the session's cookie, whatever it holds.
func (s *sessionScheme) owns(g *Guard, r *Request) bool {
	if g.Logins == nil || r.authorization.headers > 0 {
		return false
	}
	var found bool
	r.cookie, found = r.sessionCookie()
	return found
}

// recheck implements scheme.
func (s *sessionScheme) recheck(c call) (*Caller, error) {
	shown, err := c.Logins.Session(c.policy.logins, c.cookie, c.from, c.At, c.Turn)
	if err != nil {
		return nil, failureOf(err)
	}
	return &s.accounts.passwords[shown.User.Name].caller, nil
}

// authenticate implements scheme. Only a request that is let in prolongs the session.
func (s *sessionScheme) authenticate(c call) (*Caller, error) {
	shown, err := c.Logins.Session(c.policy.logins, c.cookie, c.from, c.At, c.Turn)
	c.login = shown.Login
	if err != nil {
		return nil, c.tokenFailure(c.Request, failureOf(err))
	}
	if !c.Safe() && !c.ListedOrigin && !c.sameOrigin() {
		return nil, OriginRefused
	}
	caller := &s.accounts.passwords[shown.User.Name].caller
	if c.policy.outside(caller, c.Request) { // will be refused, and is no use of the session
		return caller, nil
	}
	c.Logins.Use(c.policy.logins, &shown, c.At, c.Turn)
	c.Grant = Grant{Expires: shown.Expires, Local: shown.Local}
	return caller, nil
}
