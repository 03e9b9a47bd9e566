package auth

import (
	"encoding/base64"
	"errors"
	"time"

	"fraudcheck/internal/auth/session"
)

// ErrNoLogin says that there is no login of that id, or that it has ended.
var ErrNoLogin = errors.New("no such login")

// LoginText returns the text of a login's id, as [ParseLogin] takes it.
func LoginText(id session.LoginID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseLogin returns the id of which this is the text; false where it is that of none.
func ParseLogin(text string) (id session.LoginID, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	return session.LoginID(raw), true
}

// ListLogins returns who is logged in, the newest login first. The error is Unavailable.
func (g *Guard) ListLogins(at time.Time) ([]session.Login, error) {
	f := g.inForce.Load()
	if g.Logins == nil || f.logins == nil {
		return nil, nil
	}
	logins, err := g.Logins.List(f.logins, at)
	if err != nil {
		return nil, Unavailable
	}
	return logins, nil
}

// EndLogin ends a login: here at once, on other instances within a second. It names the
// user. The error is ErrNoLogin, or Unavailable after which the login has ended here, and
// elsewhere as soon as the store answers.
func (g *Guard) EndLogin(id session.LoginID, at time.Time) (user string, err error) {
	f := g.inForce.Load()
	if g.Logins == nil || f.logins == nil {
		return "", ErrNoLogin
	}
	switch user, err = g.Logins.EndLogin(f.logins, id, at); err {
	case nil:
		return user, nil
	case session.ErrMissing:
		return "", ErrNoLogin
	}
	return user, Unavailable
}
