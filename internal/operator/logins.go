package operator

import (
	"errors"
	"log/slog"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

var (
	loginsUnreachable = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "the store does not answer, and holds the logins; try again"}
	loginEndedHere    = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "ended at this instance only: the store did not answer, other instances hear of it when it does"}
	noSuchLogin       = &wire.Problem{Status: 404, Code: "not_found", Detail: "there is no login of that id, or it has ended"}
	noFilter          = &wire.Problem{Status: 400, Code: "field_unknown", Detail: "expected no filter but scope=this"}
)

// listLogins answers GET /v1/logins: who is logged in, the newest first.
func (a *API) listLogins(q *door.Request) *wire.Problem {
	if len(q.Query) > 0 && string(q.Query) != "scope=this" {
		return noFilter
	}
	logins, err := a.Guard.ListLogins(q.Start)
	if err != nil {
		return loginsUnreachable
	}
	b := []byte(`{"logins":[`)
	for i := range logins {
		if i > 0 {
			b = append(b, ',')
		}
		l := &logins[i]
		b = wire.AppendString(append(b, `{"id":`...), auth.LoginText(l.ID))
		b = wire.AppendString(append(b, `,"username":`...), l.User)
		b = wire.AppendString(append(b, `,"tag":`...), q.ConversationTag(auth.AppendLoginConversation(nil, l.ID)))
		b = append(b, `,"from":`...)
		if l.From.IsValid() {
			b = wire.AppendString(b, l.From.String())
		} else {
			b = append(b, "null"...)
		}
		for _, t := range []struct {
			name string
			at   time.Time
		}{{"since", l.Since}, {"last_used", l.Used}, {"until", l.Until}} {
			b = wire.AppendString(append(append(append(b, `,"`...), t.name...), `":`...), instantText(t.at))
		}
		b = append(b, '}')
	}
	q.Answer(200, wire.JSON, append(b, `],"unreachable":[]}`...))
	return nil
}

// endLogin answers DELETE /v1/logins/{id}: it ends a login, here at once and at every
// other instance within a second.
func (a *API) endLogin(q *door.Request) *wire.Problem {
	user, err := a.Guard.EndLogin(q.Segment, q.Start)
	if errors.Is(err, auth.ErrNoLogin) {
		return noSuchLogin
	}
	object := q.Segment
	if user != "" { // without the store it may not be known
		object += " of " + q.Name(user)
	}
	if err != nil {
		q.Audit("end login", object, slog.String("where", "(this instance only)"))
		return loginEndedHere
	}
	q.Audit("end login", object)
	q.Out.Status = 204
	return nil
}
