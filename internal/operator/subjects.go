package operator

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// addressKinds are the kinds of subject that an address decides: ip and network.
var addressKinds = velocity.AddressSubjects()

// storeUnreachable answers a change that was made in this instance only. The caller tries
// again until it gets 200: forgetting twice is harmless.
var storeUnreachable = &wire.Problem{Status: 503, Code: "store_unreachable", Detail: "forgotten by this instance only: the store did not answer, other instances have not heard; try again"}

// readAddress answers GET /v1/addresses/{ip}: what is known of the address in the path.
func (a *API) readAddress(q *door.Request) *wire.Problem {
	attempt, p := addressOf(q)
	if p != nil {
		return p
	}
	b := append([]byte(`{"subject":`), strconv.Quote(a.Checker.Subject(attempt.Address))...)
	r := a.Checker.Inspect(attempt, addressKinds, a.Now(q.Start))
	return answerReport(q, b, `,"list":`+entryJSON(r.Listed)+`,"override":`+overrideJSON(r.Override)+suspectJSON(r.Suspect), r)
}

// forgetAddress answers DELETE /v1/addresses/{ip}: it forgets the record of the address
// in the path.
func (a *API) forgetAddress(q *door.Request) *wire.Problem {
	attempt, p := addressOf(q)
	if p != nil {
		return p
	}
	return a.forget(q, attempt, "ip", a.Address(attempt.Address), addressKinds)
}

// addressOf returns an attempt that has the address in the path, and nothing else. It
// takes every form that the field "ip" of a check takes, and no parameters.
func addressOf(q *door.Request) (*velocity.Attempt, *wire.Problem) {
	if _, p := parseFilters(q.Query); p != nil {
		return nil, p
	}
	address, ok := velocity.ParseAddress(q.Segment)
	if !ok {
		return nil, &wire.Problem{Status: 400, Code: "field_invalid", Field: "ip", Detail: "expected an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7"}
	}
	return &velocity.Attempt{Address: address}, nil
}

// suspectJSON returns the member that says why the address is hardly a shopper's; nothing
// for one that is not suspect.
func suspectJSON(s velocity.Suspicion) string {
	if s == velocity.NotSuspect {
		return ""
	}
	return `,"suspect":"` + s.String() + `"`
}

// entryJSON returns the list entry that decides for an address, as JSON; null for none.
func entryJSON(e *velocity.Entry) string {
	if e == nil {
		return "null"
	}
	b := append([]byte(`{"decision":"`), e.Outcome.String()...)
	b = append(append(b, `","net":"`...), e.Net.String()...)
	b = append(b, `","until":`...)
	if e.Until.IsZero() {
		b = append(b, "null"...)
	} else {
		b = wire.AppendString(b, e.Until.UTC().Format(time.RFC3339))
	}
	return string(append(wire.AppendString(append(b, `,"note":`...), e.Note), '}'))
}

// readSubject answers POST /v1/subjects/read: what is known of a subject that is not an
// address. The answer does not repeat the subject's value.
func (a *API) readSubject(q *door.Request) *wire.Problem {
	per, _, attempt, p := a.parseSubject(q)
	if p != nil {
		return p
	}
	b := append([]byte(`{"per":`), strconv.Quote(per)...)
	return answerReport(q, b, "", a.Checker.Inspect(&attempt, []string{per}, a.Now(q.Start)))
}

// forgetSubject answers POST /v1/subjects/forget: it forgets the record of a subject that
// is not an address.
func (a *API) forgetSubject(q *door.Request) *wire.Problem {
	per, id, attempt, p := a.parseSubject(q)
	if p != nil {
		return p
	}
	return a.forget(q, &attempt, per, id, []string{per})
}

// parseSubject reads the body: the kind of subject ("per") and its value, or the fields
// of a card. It returns the kind, how the log names the subject (an IP address as log.ip
// says, any other by a short id), and an attempt that has this subject alone.
func (a *API) parseSubject(q *door.Request) (per, id string, attempt velocity.Attempt, p *wire.Problem) {
	var f velocity.Fields
	p = a.decode(q, wire.SubjectFields, &f, func() (err error) {
		per, attempt, err = velocity.ParseSubject(&f)
		return err
	})
	switch {
	case p != nil:
		return "", "", attempt, p
	case attempt.Address.IsValid():
		return per, a.Address(attempt.Address), attempt, nil
	default:
		return per, q.ShortID("subject", fmt.Sprintf("%+v", attempt)), attempt, nil
	}
}

// forget forgets the attempt's subject of the kind per. It answers which rules of these
// kinds would still block, and the enforced rules on other kinds, which forgetting does
// not change. object is how the log names the subject.
func (a *API) forget(q *door.Request, attempt *velocity.Attempt, per, object string, kinds []string) *wire.Problem {
	shared := a.Checker.Forget(attempt, per, a.Now(q.Start))
	a.changed(q, change{
		audit: "forget", object: strings.TrimSpace(per + " " + object), shared: shared,
		event: event.Event{Kind: event.Forget, Attempt: attempt, What: per},
	})
	if !shared {
		return storeUnreachable
	}
	return a.answerLeft(q, attempt, kinds)
}

// answerReport completes the JSON object that b begins, with the rules, then the members
// in more, then what the next attempt would get.
func answerReport(q *door.Request, b []byte, more string, r velocity.Report) *wire.Problem {
	if !r.Watched {
		b = append(b, `,"watched":false`...)
	}
	b = wire.AppendReportedRules(append(b, `,"rules":`...), r.Rules, r.Elements)
	b = append(append(append(b, more...), `,"next":{"known_card":"`...), r.KnownCard.String()...)
	b = append(append(b, `","new_card":"`...), r.NewCard.String()...)
	b = strconv.AppendBool(append(b, `"},"degraded":`...), r.Degraded)
	q.Answer(200, wire.JSON, append(b, '}'))
	return nil
}

// appendNames appends names as a JSON array.
func appendNames(b []byte, names []string) []byte {
	b = append(b, '[')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, n)
	}
	return append(b, ']')
}
