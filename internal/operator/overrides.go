package operator

import (
	"log/slog"
	"strconv"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// longestByAnalyst is the longest override that the role analyst may set.
const longestByAnalyst = 24 * time.Hour

var (
	overriddenHere = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "in force at this instance only: the store did not answer, other instances have not heard; try again"}
	tooLong        = &wire.Problem{Status: 403, Code: "role_missing", Field: "for", Detail: "an override of more than 24h needs the role operator"}
)

// setOverride answers PUT /v1/addresses/{ip}/override: it allows or blocks the address in
// the path for some time, whatever lists and rules say.
func (a *API) setOverride(q *door.Request) *wire.Problem {
	attempt, p := addressOf(q)
	if p != nil {
		return p
	}
	o, lasts, p := parseOverride(q)
	if p != nil {
		return p
	}
	now := a.Now(q.Start)
	o.By, o.Until = q.Name(q.Caller.Name), now+velocity.Time(lasts.Milliseconds())
	set, shared := a.Checker.SetOverride(attempt, o, now)
	a.changed(q, change{
		audit: "override", object: "ip " + a.Address(attempt.Address), shared: shared,
		event: event.Event{Kind: event.Override, Attempt: attempt, What: set.Outcome.String(), Until: set.Until},
	}, slog.String("decision=", set.Outcome.String()), slog.String("until=", timeText(set.Until)), slog.String("reason=", strconv.Quote(set.Reason)))
	if !shared {
		return overriddenHere
	}
	b := wire.AppendString([]byte(`{"subject":`), a.Checker.Subject(attempt.Address))
	b = appendOverride(append(b, `,"override":{`...), &set)
	q.Answer(200, wire.JSON, append(b, "}}"...))
	return nil
}

// removeOverride answers DELETE /v1/addresses/{ip}/override: lists and rules decide again.
func (a *API) removeOverride(q *door.Request) *wire.Problem {
	attempt, p := addressOf(q)
	if p != nil {
		return p
	}
	shared := a.Checker.RemoveOverride(attempt, a.Now(q.Start))
	a.changed(q, change{
		audit: "remove override", object: "ip " + a.Address(attempt.Address), shared: shared,
		event: event.Event{Kind: event.Override, Attempt: attempt, What: "remove"},
	})
	if !shared {
		return overriddenHere
	}
	return a.answerLeft(q, attempt, addressKinds)
}

// parseOverride reads the body of an override: its decision and its reason, and for how
// long it is to be in force.
func parseOverride(q *door.Request) (o velocity.Override, lasts time.Duration, p *wire.Problem) {
	fields, err := wire.DecodeStrings(string(q.In.Body), q.In.ContentType, q.In.ContentEncoding, "decision", "for", "reason")
	if err != nil {
		return o, 0, wire.ProblemOf(err)
	}
	lasts, err = time.ParseDuration(fields["for"])
	if err == nil && lasts > longestByAnalyst && lasts <= velocity.MaxOverride && !q.Caller.Roles.Permit(auth.Operator) {
		return o, 0, tooLong
	}
	switch fields["decision"] {
	case "allow":
		o.Outcome = velocity.Allow
	case "block":
		o.Outcome = velocity.Block
	default:
		return o, 0, wrongField(fields, "decision", "expected allow or block")
	}
	if err != nil || lasts < velocity.MinOverride || lasts > velocity.MaxOverride {
		return o, 0, wrongField(fields, "for", "expected a time from 1s to 720h, such as 90m or 24h")
	}
	if o.Reason = fields["reason"]; !velocity.ValidReason(o.Reason) {
		return o, 0, wrongField(fields, "reason", "expected 1 to 200 printable characters, and no card number or 12 digits in a row")
	}
	return o, lasts, nil
}

// wrongField is the problem of a field that is missing or invalid.
func wrongField(fields map[string]string, name, expected string) *wire.Problem {
	code := "field_invalid"
	if fields[name] == "" {
		code = "field_missing"
	}
	return &wire.Problem{Status: 400, Code: code, Field: name, Detail: expected}
}

// listOverrides answers GET /v1/overrides: those in force that this instance set or met,
// the newest first.
func (a *API) listOverrides(q *door.Request) *wire.Problem {
	if len(q.Query) > 0 && string(q.Query) != "scope=this" {
		return noFilter
	}
	b := []byte(`{"overrides":[`)
	for i, o := range a.Checker.Overrides(a.Now(q.Start)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(append(b, `{"subject":`...), o.Subject)
		b = append(appendOverride(append(b, ','), &o.Override), '}')
	}
	q.Answer(200, wire.JSON, append(b, `],"unreachable":[]}`...))
	return nil
}

// appendOverride appends the members of an override as JSON.
func appendOverride(b []byte, o *velocity.Override) []byte {
	b = append(append(append(b, `"decision":"`...), o.Outcome.String()...), '"')
	b = wire.AppendString(append(b, `,"by":`...), o.By)
	b = wire.AppendString(append(b, `,"since":`...), timeText(o.Since))
	b = wire.AppendString(append(b, `,"until":`...), timeText(o.Until))
	return wire.AppendString(append(b, `,"reason":`...), o.Reason)
}

// overrideJSON is the override as a JSON object; null for none.
func overrideJSON(o *velocity.Override) string {
	if o == nil {
		return "null"
	}
	return string(append(appendOverride([]byte{'{'}, o), '}'))
}

// timeText is a time as answers and audit lines show it (RFC 3339, with milliseconds).
func timeText(t velocity.Time) string { return instantText(time.UnixMilli(int64(t))) }

func instantText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
