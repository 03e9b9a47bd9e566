package auth

import (
	"bytes"
	"errors"
	"time"

	"fraudcheck/internal/auth/session"
)

// Tokens are what a login or a refresh issues.
type Tokens struct {
	Access    string
	ExpiresIn time.Duration // of Access
	Refresh   string        // empty: the store would have to hold it, and does not answer
	Cookie    string        // the value of a Set-Cookie header; empty: the login has no session
}

// Login issues tokens and a session to a user with a password: the user of the
// Authorization header, where there is one, otherwise the user given. A session that the
// request shows ends. The error is a Failure or wraps one.
//
// While the store does not answer it issues an access token alone, the only kind that is
// good without the store.
func (g *Guard) Login(r *Request, username, secret string) (t *Tokens, err error) {
	r.scheme = "login"
	defer func() { g.observe(r.scheme, err, err == nil && t.Refresh == "") }()
	f := g.inForce.Load()
	g.complete(r, f)
	caller, err := g.loginUser(f, r, username, secret)
	if err != nil {
		return nil, err
	}
	if r.caller = caller.Name; f.outside(caller, r) {
		return nil, NetworkRefused
	}
	if g.Logins == nil || f.logins == nil {
		return nil, Invalid
	}
	issued, err := g.Logins.Begin(f.logins, f.logins.Users[caller.Name], r.from, r.At)
	if err != nil { // session.ErrNoAddress
		return nil, NetworkRefused
	}
	r.login = issued.Login
	t = &Tokens{Access: issued.Access, ExpiresIn: issued.ExpiresIn, Refresh: issued.Refresh}
	if issued.Session == "" || r.crosses() { // a page of another origin gets no session
		return t, nil
	}
	if old, found := r.sessionCookie(); found {
		_, _, _ = g.Logins.End(f.logins, old, r.At)
	}
	t.Cookie = setCookie(r.TLS, issued.Session)
	return t, nil
}

// loginUser finds the user by the Authorization header, or else by name and password.
// Only Basic users can log in: without Basic every login is Invalid.
func (g *Guard) loginUser(f *inForce, r *Request, username, secret string) (*Caller, error) {
	for i, s := range f.schemes {
		if s.kind != &basicKind {
			continue
		}
		c := call{g, r, f.Policy, f.verified[i]}
		switch {
		case r.authorization.headers == 0:
			return f.basic.verifyNamePassword(c, username, secret)
		case f.basic.owns(g, r):
			return f.basic.authenticate(c)
		}
		return nil, Malformed
	}
	return nil, Invalid
}

// failureOf returns the Failure that an error of package session means; nil for none.
func failureOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, session.ErrExpired):
		return TokenExpired
	case errors.Is(err, session.ErrAway):
		return Unavailable
	}
	return TokenInvalid
}

// Refresh issues new tokens for a refresh token, which is good once: used twice it
// ends the whole login. The error is a Failure or wraps one.
func (g *Guard) Refresh(r *Request, token string) (*Tokens, error) {
	r.scheme = "refresh"
	f := g.inForce.Load()
	g.complete(r, f)
	t, err := g.refresh(f, r, []byte(token))
	if err != session.ErrReused {
		err = g.tokenFailure(r, err)
		g.observe(r.scheme, err, false)
		return t, err
	}
	if g.Observe != nil {
		g.Observe(r.scheme, reused)
	}
	return nil, g.tokenFailure(r, TokenInvalid)
}

// refresh is Refresh without metrics and throttle.
func (g *Guard) refresh(f *inForce, r *Request, text []byte) (*Tokens, error) {
	if g.Logins == nil || f.logins == nil {
		return nil, TokenInvalid
	}
	issued, err := g.Logins.Refresh(f.logins, text, r.from, r.At, func(user *session.User) error {
		r.caller = user.Name
		if f.outside(&f.basic.accounts.passwords[user.Name].caller, r) {
			return NetworkRefused
		}
		return nil
	})
	r.login = issued.Login
	switch err {
	case nil:
		return &Tokens{Access: issued.Access, ExpiresIn: issued.ExpiresIn, Refresh: issued.Refresh}, nil
	case NetworkRefused, session.ErrReused:
		return nil, err
	}
	return nil, failureOf(err)
}

// Logout ends the login whose token, expired or not, or session the request shows, and
// that of a refresh token, if there is one; it is no failure when nothing is shown, or
// what cannot be ended, such as a right password. It fails for credentials that are
// wrong. After Unavailable the login has ended here, and on other instances as soon as
// the store answers. The error is a Failure or wraps one.
func (g *Guard) Logout(r *Request, refreshToken string) (err error) {
	f := g.inForce.Load()
	r.scheme = "logout"
	defer func() { g.observe(r.scheme, err, false) }()
	g.complete(r, f)
	if refreshToken != "" {
		err = g.endLogin(f, r, []byte(refreshToken))
	}
	if another := g.endShown(f, r); err == nil {
		err = another
	}
	return err
}

// NoteShown notes for the log the login of a token or session that a logout shows which was
// refused before its credentials were looked at. It ends nothing, and is no use of the
// login; nor is it counted or charged to the throttle.
func (g *Guard) NoteShown(r *Request) {
	f := g.inForce.Load()
	if r.login != (session.LoginID{}) || r.caller != "" || g.Logins == nil || f.logins == nil {
		return
	}
	g.complete(r, f)
	var shown session.Shown
	var err error
	if text, found := r.ownToken(); found {
		shown, err = g.Logins.PeekAccess(f.logins, text, r.from, r.At, r.Turn)
	} else if text, found := r.sessionCookie(); found && r.authorization.headers == 0 {
		shown, err = g.Logins.Session(f.logins, text, r.from, r.At, r.Turn)
	}
	if r.login = shown.Login; err == nil && shown.User != nil {
		r.scheme, r.caller = "logout", shown.User.Name
	}
}

// endShown ends the login that the request's header shows.
func (g *Guard) endShown(f *inForce, r *Request) error {
	if text, found := r.ownToken(); found {
		return g.endLogin(f, r, text)
	}
	if text, found := r.sessionCookie(); found && r.authorization.headers == 0 {
		if !r.ListedOrigin && !r.sameOrigin() {
			return OriginRefused
		}
		return g.endLogin(f, r, text)
	}
	if r.authorization.length == 0 && r.authorization.headers <= 1 {
		return nil
	}
	caller, _, err := g.find(f, r)
	if r.scheme = "logout"; err == nil {
		r.caller, r.issuer = caller.Name, caller.issuer
	} else if err == TokenExpired {
		return nil
	}
	return err
}

// endLogin ends the login of a token or session. Text that is none is a failure, charged
// to the throttle.
func (g *Guard) endLogin(f *inForce, r *Request, text []byte) error {
	if g.Logins == nil || f.logins == nil {
		return g.tokenFailure(r, TokenInvalid)
	}
	id, user, err := g.Logins.End(f.logins, text, r.At)
	if r.login = id; user != "" {
		r.caller = user
	}
	return g.tokenFailure(r, failureOf(err))
}

// ownToken returns what the one Authorization header shows as a token of ours, not
// verified.
func (r *Request) ownToken() (text []byte, found bool) {
	text = r.authorization.value
	return text, r.authorization.is("Bearer") && bytes.HasPrefix(text, []byte(session.Prefix))
}
