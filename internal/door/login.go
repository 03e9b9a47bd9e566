package door

import (
	"strconv"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// words are the strings of a JSON or form body, by name.
func (q *Request) words(names ...string) (map[string]string, *wire.Problem) {
	words, err := wire.DecodeStrings(string(q.In.Body), q.In.ContentType, q.In.ContentEncoding, names...)
	if err != nil {
		return nil, wire.ProblemOf(err)
	}
	return words, nil
}

// login takes the credentials from the body or the Authorization header, not both.
func (d *Door) login(q *Request) *wire.Problem {
	words, p := q.words("username", "password")
	if p != nil {
		return p
	}
	header := len(q.In.Header.Values("Authorization")) > 0
	for _, name := range []string{"username", "password"} {
		switch _, given := words[name]; {
		case given && header:
			return &wire.Problem{Status: 400, Code: "field_repeated", Field: name, Detail: "given beside an Authorization header"}
		case !given && !header:
			return missing(name)
		}
	}
	t, err := d.Guard.Login(&q.asks, words["username"], words["password"])
	return d.issued(q, t, err)
}

func (d *Door) refresh(q *Request) *wire.Problem {
	words, p := q.words("refresh_token")
	if p != nil {
		return p
	}
	token, given := words["refresh_token"]
	if !given {
		return missing("refresh_token")
	}
	t, err := d.Guard.Refresh(&q.asks, token)
	return d.issued(q, t, err)
}

func missing(field string) *wire.Problem {
	return &wire.Problem{Status: 400, Code: "field_missing", Field: field, Detail: "expected a string"}
}

// issued answers with tokens, or says why there are none.
func (d *Door) issued(q *Request, t *auth.Tokens, err error) *wire.Problem {
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
var storeUnreachable = &wire.Problem{Status: 503, Code: "overloaded", Detail: "logged out of this instance; the store does not answer, others hear of it when it does"}

// logout ends the login that the request shows.
func (d *Door) logout(q *Request) *wire.Problem {
	if _, p := q.words(); p != nil {
		return p
	}
	err := d.Guard.Logout(&q.asks)
	if err != nil && err != auth.Unavailable {
		return d.unauthenticated(q, err)
	}
	q.Out.Set("Set-Cookie", auth.EndCookie(q.asks.TLS))
	if err != nil {
		return storeUnreachable
	}
	q.Out.Status = 204
	return nil
}

// me tells a caller who it is.
func (d *Door) me(q *Request) *wire.Problem {
	b := wire.AppendString([]byte(`{"name":`), q.Caller.Name)
	b = append(b, `,"roles":[`...)
	for i, role := range q.Caller.Roles.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	b = wire.AppendString(append(b, `],"scheme":`...), q.asks.Scheme())
	if expires := q.asks.Grant.Expires; !expires.IsZero() {
		b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(expires.Sub(q.asks.At).Seconds()), 10)
	}
	q.Answer(200, wire.JSON, append(b, '}'))
	return nil
}
