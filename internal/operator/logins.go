package operator

import (
	"errors"
	"slices"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/wire"
)

var (
	loginsUnreachable = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "the store does not answer, and holds the logins; try again"}
	loginEndedHere    = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "ended at this instance only: the store did not answer, other instances hear of it when it does"}
	noSuchLogin       = &wire.Problem{Status: 404, Code: "not_found", Detail: "there is no login of that id, or it has ended"}
)

// logins is the answer of one instance, or of all.
type logins struct {
	Logins      list[login] `json:"logins"`
	Unreachable []string    `json:"unreachable"`
}

// A login is an entry of it.
type login struct {
	ID       string  `json:"id"`
	Username string  `json:"username"`
	Tag      string  `json:"tag"`
	From     *string `json:"from"` // nil where it is not known
	Since    moment  `json:"since"`
	LastUsed moment  `json:"last_used"`
	Until    moment  `json:"until"`
}

// listLogins answers GET /v1/logins: who is logged in, the newest first.
func (a *API) listLogins(q *door.Request) *wire.Problem {
	thisOnly, p := parseScope(q)
	if p != nil {
		return p
	}
	known, err := a.Guard.ListLogins(q.Start)
	if err != nil {
		return loginsUnreachable
	}
	all := logins{Logins: list[login]{}}
	for i := range known {
		l := &known[i]
		next := login{
			ID: auth.LoginText(l.ID), Username: shownName(q, l.User), Tag: q.ConversationTag(auth.AppendLoginConversation(nil, l.ID)),
			Since: moment{l.Since}, LastUsed: moment{l.Used}, Until: moment{l.Until},
		}
		if l.From.IsValid() {
			from := l.From.String()
			next.From = &from
		}
		all.Logins = append(all.Logins, next)
	}
	others, unreachable := ofAll[logins](a, q, loginsPath, nil, thisOnly)
	for _, other := range others {
		all.merge(other.said.Logins)
	}
	all.Unreachable = unreachable
	answerJSON(q, all)
	return nil
}

// merge adds the logins that another instance knows. On a shared store that are the same
// ones, used last at one of the instances.
func (l *logins) merge(others list[login]) {
	at := make(map[string]int, len(l.Logins))
	for i := range l.Logins {
		at[l.Logins[i].ID] = i
	}
	for _, other := range others {
		if !other.judge() {
			continue
		}
		i, known := at[other.ID]
		if !known {
			at[other.ID] = len(l.Logins)
			l.Logins = append(l.Logins, other)
			continue
		}
		if other.LastUsed.After(l.Logins[i].LastUsed.Time) {
			l.Logins[i].LastUsed = other.LastUsed
		}
	}
	slices.SortStableFunc(l.Logins, func(a, b login) int { return b.Since.Compare(a.Since.Time) })
}

// endLogin answers DELETE /v1/logins/{id}: it ends a login, here at once and at every
// other instance within a second.
func (a *API) endLogin(q *door.Request) *wire.Problem {
	id, known := auth.ParseLogin(q.Segment)
	if !known {
		return noSuchLogin
	}
	if _, p := parseFilters(q.Query); p != nil {
		return p
	}
	user, err := a.Guard.EndLogin(id, q.Start)
	if errors.Is(err, auth.ErrNoLogin) {
		return noSuchLogin
	}
	object := q.Segment
	if user != "" { // without the store it may not be known
		object += " of " + q.Name(user)
	}
	a.record(q, change{
		audit: "end login", object: object, shared: err == nil,
		event: event.Event{Kind: event.LoginEnded, What: q.ConversationTag(auth.AppendLoginConversation(nil, id))},
	})
	if err != nil {
		return loginEndedHere
	}
	q.Out.Status = 204
	return nil
}
