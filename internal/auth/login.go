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
	Cookie    string        // the value of a Set-Cookie header; empty: none
}

// Login issues tokens, and a session, to a user with a password: to the one whom the
// Authorization header names, where there is one, otherwise to this. A session that
// the request shows ends. The error is a Failure or wraps one.
//
// While the store does not answer there is an access token alone: it is the one
// thing that is good without the store.
func (g *Guard) Login(r *Request, username, password string) (t *Tokens, err error) {
	r.scheme = "login"
	defer func() { g.observe(r.scheme, err, err == nil && t.Refresh == "") }()
	k, s := g.knock(r), g.schemes.Load()
	caller, err := s.credentials(r, k, username, password)
	if err != nil {
		return nil, err
	}
	if r.caller = caller.Name; s.outside(caller, r) {
		return nil, NetworkRefused
	}
	if !g.issues(s) {
		return nil, Invalid
	}
	user := s.logins.Users[caller.Name]
	if user == nil {
		return nil, Invalid
	}
	issued, err := g.Logins.Begin(s.logins, user, r.from, r.At)
	if err != nil { // session.ErrNoAddress
		return nil, NetworkRefused
	}
	t = &Tokens{Access: issued.Access, ExpiresIn: issued.ExpiresIn, Refresh: issued.Refresh}
	if issued.Session == "" || r.crosses() { // a page of another origin gives nobody a session
		return t, nil
	}
	if old, found := r.cookie(); found {
		_ = g.Logins.EndSession(s.logins, old, r.At)
	}
	t.Cookie = setCookie(r.TLS, issued.Session)
	return t, nil
}

// credentials finds the user by the Authorization header, or else by name and
// password.
func (s *schemes) credentials(r *Request, k knock, username, password string) (*Caller, error) {
	if s.basic == nil {
		return nil, Invalid
	}
	switch headers := r.Header.Values("Authorization"); {
	case len(headers) == 0:
		return s.basic.words(username, password, k)
	case len(headers) == 1 && len(headers[0]) <= maxHeader:
		name, credentials, found := bytes.Cut(headers[0], []byte(" "))
		if found && named(name, "Basic") {
			return s.basic.authenticate(bytes.TrimLeft(credentials, " "), k)
		}
	}
	return nil, Malformed
}

// failureOf is the failure that an error of the logins means.
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

// byToken finds the caller by an access token of our own.
func (g *Guard) byToken(r *Request, s *schemes, text []byte) (*Caller, error) {
	shown, err := g.Logins.Access(s.logins, text, r.from, r.At, &r.StoreWaited)
	if err != nil {
		return nil, failureOf(err)
	}
	r.Grant = Grant{Expires: shown.Expires, Fresh: shown.Fresh, Local: shown.Local}
	return &s.basic.users[shown.User.Name].caller, nil
}

// bySession finds the caller by the session's cookie.
func (g *Guard) bySession(r *Request, s *schemes, k knock) (c *Caller, scheme string, err error) {
	if !g.issues(s) {
		return nil, "none", Missing
	}
	text, found := r.cookie()
	if !found {
		return nil, "none", Missing
	}
	c, err = g.session(r, s, text)
	return c, "session", k.token(err)
}

func (g *Guard) session(r *Request, s *schemes, text []byte) (*Caller, error) {
	shown, err := g.Logins.Session(s.logins, text, r.from, r.At, &r.StoreWaited)
	if err != nil {
		return nil, failureOf(err)
	}
	if !r.Safe() && !r.ListedOrigin && !r.sameOrigin() {
		return nil, OriginRefused
	}
	caller := &s.basic.users[shown.User.Name].caller
	if s.outside(caller, r) { // will be refused, and is no use of the session
		return caller, nil
	}
	g.Logins.Use(s.logins, &shown, r.At, &r.StoreWaited)
	r.Grant = Grant{Expires: shown.Expires, Local: shown.Local}
	return caller, nil
}

// Refresh issues new tokens for a refresh token, which is good once: used twice it
// ends the whole login. The error is a Failure or wraps one.
func (g *Guard) Refresh(r *Request, token string) (*Tokens, error) {
	r.scheme = "refresh"
	k := g.knock(r)
	t, err := g.refresh(r, g.schemes.Load(), []byte(token))
	if err != session.ErrReused {
		err = k.token(err)
		g.observe(r.scheme, err, false)
		return t, err
	}
	if g.Observe != nil {
		g.Observe(r.scheme, "reused")
	}
	return nil, k.token(TokenInvalid)
}

func (g *Guard) refresh(r *Request, s *schemes, text []byte) (*Tokens, error) {
	if !g.issues(s) {
		return nil, TokenInvalid
	}
	issued, err := g.Logins.Refresh(s.logins, text, r.from, r.At, func(user *session.User) error {
		r.caller = user.Name
		if s.outside(&s.basic.users[user.Name].caller, r) {
			return NetworkRefused
		}
		return nil
	})
	switch err {
	case nil:
		return &Tokens{Access: issued.Access, ExpiresIn: issued.ExpiresIn, Refresh: issued.Refresh}, nil
	case NetworkRefused, session.ErrReused:
		return nil, err
	}
	return nil, failureOf(err)
}

// Logout ends the login whose access token, expired or not, or whose session the
// request shows; it is no failure when there is none. After Unavailable it has
// ended here, and elsewhere as soon as the store answers.
func (g *Guard) Logout(r *Request) (err error) {
	s := g.schemes.Load()
	if !g.issues(s) {
		return nil
	}
	r.scheme = "logout"
	defer func() { g.observe(r.scheme, err, false) }()
	g.settle(r)
	if text, found := r.accessToken(); found {
		return unavailable(g.Logins.EndToken(s.logins, text, r.At))
	}
	text, found := r.session()
	if !found {
		return nil
	}
	if !r.ListedOrigin && !r.sameOrigin() {
		return OriginRefused
	}
	return unavailable(g.Logins.EndSession(s.logins, text, r.At))
}

func unavailable(err error) error {
	if err != nil {
		return Unavailable
	}
	return nil
}

// accessToken is what the one Authorization header shows as an access token of ours.
func (r *Request) accessToken() (text []byte, found bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return nil, false
	}
	name, text, _ := bytes.Cut(headers[0], []byte(" "))
	text = bytes.TrimLeft(text, " ")
	return text, named(name, "Bearer") && bytes.HasPrefix(text, []byte(session.Prefix))
}

// session is what the cookie shows as a session of ours, where there is no
// Authorization header.
func (r *Request) session() (text []byte, found bool) {
	if len(r.Header.Values("Authorization")) > 0 {
		return nil, false
	}
	text, _ = r.cookie()
	return text, bytes.HasPrefix(text, []byte(session.Prefix))
}

// Conversation is what tells the requests of one login from others, before anything
// of them was verified; false where they show neither token nor session of ours.
func (g *Guard) Conversation(r *Request) (id [16]byte, found bool) {
	if !g.issues(g.schemes.Load()) {
		return id, false
	}
	if text, found := r.accessToken(); found {
		return session.TokenID(text)
	}
	if text, found := r.session(); found {
		return g.Logins.SessionID(text)
	}
	return id, false
}
