package door

import (
	"strconv"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// bodyStrings returns the strings of a JSON or form body, by name; it refuses names that
// are not among these.
func (q *Request) bodyStrings(names ...string) (map[string]string, *wire.Problem) {
	fields, err := wire.DecodeStrings(string(q.In.Body), q.In.ContentType, q.In.ContentEncoding, names...)
	if err != nil {
		return nil, wire.ProblemOf(err)
	}
	return fields, nil
}

// login answers POST /v1/login. It takes the credentials from the body or the
// Authorization header, not both.
func (d *Door) login(q *Request) *wire.Problem {
	fields, p := q.bodyStrings("username", "password")
	if p != nil {
		return p
	}
	header := len(q.In.Header.Values("Authorization")) > 0
	for _, name := range []string{"username", "password"} {
		switch _, given := fields[name]; {
		case given && header:
			return &wire.Problem{Status: 400, Code: "field_repeated", Field: name, Detail: "given beside an Authorization header"}
		case !given && !header:
			return missing(name)
		}
	}
	t, err := d.Guard.Login(&q.auth, fields["username"], fields["password"])
	return d.answerTokens(q, t, err)
}

// refresh answers POST /v1/refresh: new tokens for a refresh token.
func (d *Door) refresh(q *Request) *wire.Problem {
	fields, p := q.bodyStrings("refresh_token")
	if p != nil {
		return p
	}
	token, given := fields["refresh_token"]
	if !given {
		return missing("refresh_token")
	}
	t, err := d.Guard.Refresh(&q.auth, token)
	return d.answerTokens(q, t, err)
}

// missing is the problem of a body without that field.
func missing(field string) *wire.Problem {
	return &wire.Problem{Status: 400, Code: "field_missing", Field: field, Detail: "expected a string"}
}

// answerTokens answers with tokens, or says why there are none. Without the store there
// is no refresh_token and no cookie.
func (d *Door) answerTokens(q *Request, t *auth.Tokens, err error) *wire.Problem {
	if err != nil {
		return d.unauthenticated(q, err)
	}
	b := append([]byte(`{"token":"`), t.Access...)
	b = append(b, `","token_type":"Bearer","expires_in":`...)
	b = strconv.AppendInt(b, int64(t.ExpiresIn.Seconds()), 10)
	if t.Refresh != "" {
		b = append(append(append(b, `,"refresh_token":"`...), t.Refresh...), '"')
	}
	if t.Cookie != "" {
		q.Out.Set("Set-Cookie", t.Cookie)
	}
	q.Answer(200, wire.JSON, append(b, '}'))
	return nil
}

// storeUnreachable answers a logout that the store could not be told of.
var storeUnreachable = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "logged out of this instance; the store does not answer, others hear of it when it does"}

// logout answers POST /v1/logout: it ends the logins that the request shows, in its header
// or as the refresh_token of its body. The browser's cookie is removed unless a page of
// another origin asks.
func (d *Door) logout(q *Request) *wire.Problem {
	fields, p := q.bodyStrings("refresh_token")
	if p != nil {
		return p
	}
	err := d.Guard.Logout(&q.auth, fields["refresh_token"])
	if err == auth.OriginRefused {
		return d.unauthenticated(q, err)
	}
	q.Out.Set("Set-Cookie", auth.EndCookie(q.auth.TLS))
	switch err {
	case nil:
	case auth.Unavailable:
		return storeUnreachable
	default:
		return d.unauthenticated(q, err)
	}
	q.Out.Status = 204
	return nil
}

// me answers GET /v1/me: it tells a caller its name, roles and scheme, when what it shows
// expires, and the configured claims of its token.
func (d *Door) me(q *Request) *wire.Problem {
	b := wire.AppendString([]byte(`{"name":`), q.Caller.Name)
	b = append(b, `,"roles":[`...)
	for i, role := range q.Caller.Roles.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	b = wire.AppendString(append(b, `],"scheme":`...), q.auth.Scheme())
	if expires := q.auth.Grant.Expires; !expires.IsZero() {
		b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(expires.Sub(q.auth.At).Seconds()), 10)
	}
	if q.Caller.Profile != nil {
		b = append(append(b, `,"claims":`...), q.Caller.Profile...)
	}
	q.Answer(200, wire.JSON, append(b, '}'))
	return nil
}
