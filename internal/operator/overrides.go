package operator

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
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
	o, lasts, p := parseOverride(q) // first: its 403 and 415 come before a 400 of the address
	if p != nil {
		return p
	}
	attempt, p := addressOf(q)
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
	answerJSON(q, struct {
		Subject  string         `json:"subject"`
		Override *shownOverride `json:"override"`
	}{a.Checker.Subject(attempt.Address), shown(&set)})
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

// overrides is the answer of one instance, or of all.
type overrides struct {
	Overrides   list[listedOverride] `json:"overrides"`
	Unreachable []string             `json:"unreachable"`
}

// A listedOverride is an entry of it.
type listedOverride struct {
	Subject string `json:"subject"`
	shownOverride
}

// A shownOverride is an override as answers show it.
type shownOverride struct {
	Decision string `json:"decision"`
	By       string `json:"by"`
	Since    moment `json:"since"`
	Until    moment `json:"until"`
	Reason   string `json:"reason"`
}

func shown(o *velocity.Override) *shownOverride {
	if o == nil {
		return nil
	}
	return &shownOverride{o.Outcome.String(), o.By, momentOf(o.Since), momentOf(o.Until), o.Reason}
}

func momentOf(t velocity.Time) moment { return moment{time.UnixMilli(int64(t))} }

// listOverrides answers GET /v1/overrides: those in force that this instance or another set
// or met, the newest first.
func (a *API) listOverrides(q *door.Request) *wire.Problem {
	thisOnly, p := parseScope(q)
	if p != nil {
		return p
	}
	all := overrides{Overrides: list[listedOverride]{}}
	for _, o := range a.Checker.Overrides(a.Now(q.Start)) {
		all.Overrides = append(all.Overrides, listedOverride{o.Subject, *shown(&o.Override)})
	}
	others, unreachable := ofAll[overrides](a, q, overridesPath, nil, thisOnly)
	for _, other := range others {
		all.merge(other.said.Overrides)
	}
	all.Unreachable = unreachable
	answerJSON(q, all)
	return nil
}

// merge adds the overrides that another instance knows. Of one subject the one that was set
// later holds.
func (o *overrides) merge(others list[listedOverride]) {
	all := o.Overrides
	for _, other := range others {
		if other.judge() {
			all = append(all, other)
		}
	}
	slices.SortStableFunc(all, func(a, b listedOverride) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), b.Since.Compare(a.Since.Time))
	})
	all = slices.CompactFunc(all, func(a, b listedOverride) bool { return a.Subject == b.Subject })
	slices.SortStableFunc(all, func(a, b listedOverride) int { return b.Since.Compare(a.Since.Time) })
	o.Overrides = all
}

// overrideJSON is the override as a JSON object; null for none.
func overrideJSON(o *velocity.Override) string {
	text, err := json.Marshal(shown(o))
	if err != nil {
		panic("operator: " + err.Error()) // only for times far from now
	}
	return string(text)
}

// timeText is a time as audit lines show it.
func timeText(t velocity.Time) string { return momentOf(t).UTC().Format(momentForm) }
