// Package account is where callers log in and out: what the four routes /v1/login,
// /v1/refresh, /v1/logout and /v1/me answer, at either door. The doors read the
// request and write the answer; who is believed is up to auth.
package account

import (
	"strconv"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// The routes. All but Me are POST and need nobody to be known; Me is GET and needs
// a caller.
const (
	Login   = "/v1/login"
	Refresh = "/v1/refresh"
	Logout  = "/v1/logout"
	Me      = "/v1/me"
)

// A Call is a request to one of the routes.
type Call struct {
	Guard  *auth.Guard
	Asks   *auth.Request
	Caller *auth.Caller // of Me
	Body   string

	ContentType, ContentEncoding []byte
}

// An Answer is what the door is to write.
type Answer struct {
	Status int
	Body   []byte // JSON; none with 204
	Cookie string // the value of Set-Cookie, unless empty
}

// Serve answers a call to the route of that path. An Answer beside a problem has no
// more than a cookie.
func Serve(path string, c *Call) (Answer, *wire.Problem) {
	switch path {
	case Login:
		return c.login()
	case Refresh:
		return c.refresh()
	case Logout:
		return c.logout()
	}
	return c.me(), nil
}

func (c *Call) words(names ...string) (map[string]string, *wire.Problem) {
	words, err := wire.DecodeWords(c.Body, c.ContentType, c.ContentEncoding, names...)
	if err != nil {
		return nil, wire.Refused(err)
	}
	return words, nil
}

// login takes the credentials from the body or the Authorization header, not both.
func (c *Call) login() (Answer, *wire.Problem) {
	words, p := c.words("username", "password")
	if p != nil {
		return Answer{}, p
	}
	header := len(c.Asks.Header.Values("Authorization")) > 0
	for _, name := range []string{"username", "password"} {
		switch _, given := words[name]; {
		case given && header:
			return Answer{}, &wire.Problem{Status: 400, Code: "field_repeated", Field: name, Detail: "given beside an Authorization header"}
		case !given && !header:
			return Answer{}, missing(name)
		}
	}
	return c.issued(c.Guard.Login(c.Asks, words["username"], words["password"]))
}

func (c *Call) refresh() (Answer, *wire.Problem) {
	words, p := c.words("refresh_token")
	if p != nil {
		return Answer{}, p
	}
	token, given := words["refresh_token"]
	if !given {
		return Answer{}, missing("refresh_token")
	}
	return c.issued(c.Guard.Refresh(c.Asks, token))
}

func missing(field string) *wire.Problem {
	return &wire.Problem{Status: 400, Code: "field_missing", Field: field, Detail: "expected a string"}
}

func (c *Call) issued(t *auth.Tokens, err error) (Answer, *wire.Problem) {
	if err != nil {
		return Answer{}, wire.Unauthenticated(c.Asks, err)
	}
	b := append([]byte(`{"token":"`), t.Access...)
	b = append(b, `","token_type":"Bearer","expires_in":`...)
	b = strconv.AppendInt(b, int64(t.ExpiresIn.Seconds()), 10)
	if t.Refresh != "" {
		b = append(append(append(b, `,"refresh_token":"`...), t.Refresh...), '"')
	}
	return Answer{Status: 200, Body: append(b, '}'), Cookie: t.Cookie}, nil
}

// unheard answers a logout that the store was not told of.
var unheard = &wire.Problem{Status: 503, Code: "overloaded", Detail: "logged out of this instance; the store does not answer, others hear of it when it does"}

func (c *Call) logout() (Answer, *wire.Problem) {
	if _, p := c.words(); p != nil {
		return Answer{}, p
	}
	switch err := c.Guard.Logout(c.Asks); err {
	case nil:
		return Answer{Status: 204, Cookie: auth.EndCookie(c.Asks.TLS)}, nil
	case auth.Unavailable:
		return Answer{Cookie: auth.EndCookie(c.Asks.TLS)}, unheard
	default:
		return Answer{}, wire.Unauthenticated(c.Asks, err)
	}
}

func (c *Call) me() Answer {
	b := wire.AppendString([]byte(`{"name":`), c.Caller.Name)
	b = append(b, `,"roles":[`...)
	for i, role := range c.Caller.Roles.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	b = wire.AppendString(append(b, `],"scheme":`...), c.Asks.Scheme())
	if expires := c.Asks.Grant.Expires; !expires.IsZero() {
		b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(expires.Sub(c.Asks.At).Seconds()), 10)
	}
	return Answer{Status: 200, Body: append(b, '}')}
}
