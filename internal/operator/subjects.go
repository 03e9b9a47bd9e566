package operator

import (
	"net/http"
	"strconv"
	"time"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// byAddress are the kinds of subject that an address decides.
var byAddress = []string{"ip", "network"}

// unheard answers a change that was made here only.
var unheard = &wire.Problem{Status: 503, Code: "overloaded", Detail: "forgotten by this instance only: the store did not answer, other instances have not heard; try again"}

// address answers GET and DELETE of an address.
func (d *Door) address(c *call) *wire.Problem {
	addr, ok := velocity.ParseAddress(c.subject)
	if !ok {
		return &wire.Problem{Status: 400, Code: "field_invalid", Field: "ip", Detail: "expected an IPv4 or IPv6 address"}
	}
	a, now := &velocity.Attempt{Address: addr}, d.Now(time.Now())
	if c.Method == http.MethodGet {
		b := append([]byte(`{"subject":`), strconv.Quote(d.Checker.Subject(addr))...)
		r := d.Checker.Inspect(a, byAddress, now)
		return c.report(b, `,"list":`+listed(r.Listed)+`,"override":null`, r)
	}
	if !d.Checker.Forget(a, "ip", now) {
		return unheard
	}
	left := d.Checker.Inspect(a, byAddress, now)
	return c.forgotten(left.Blocking, d.Checker.Others(byAddress))
}

// listed is the entry that decides for an address, as JSON.
func listed(e *velocity.Entry) string {
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

// readSubject answers what is known of a subject that is not an address.
func (d *Door) readSubject(c *call) *wire.Problem {
	per, a, p := d.parseSubject(c)
	if p != nil {
		return p
	}
	b := append([]byte(`{"per":`), strconv.Quote(per)...)
	return c.report(b, "", d.Checker.Inspect(&a, []string{per}, d.Now(time.Now())))
}

func (d *Door) forgetSubject(c *call) *wire.Problem {
	per, a, p := d.parseSubject(c)
	if p != nil {
		return p
	}
	now := d.Now(time.Now())
	if !d.Checker.Forget(&a, per, now) {
		return unheard
	}
	left := d.Checker.Inspect(&a, []string{per}, now)
	return c.forgotten(left.Blocking, d.Checker.Others([]string{per}))
}

func (d *Door) parseSubject(c *call) (per string, a velocity.Attempt, p *wire.Problem) {
	body, decode, p := c.body()
	if p != nil {
		return "", a, p
	}
	var f velocity.Fields
	var err error
	if body != "" {
		err = decode(body, wire.SubjectFields, &f)
	}
	if err == nil {
		per, a, err = velocity.ParseSubject(&f)
	}
	if err == nil {
		return per, a, nil
	}
	if wire.PANLike(&f, err) {
		d.Metrics.PANLike()
	}
	return "", a, wire.Refused(err)
}

// report completes the object that b begins; more stands behind the rules.
func (c *call) report(b []byte, more string, r velocity.Report) *wire.Problem {
	b = wire.AppendRules(append(b, `,"rules":`...), r.Rules)
	b = append(append(append(b, more...), `,"next":{"known_card":"`...), r.KnownCard.String()...)
	b = append(append(b, `","new_card":"`...), r.NewCard.String()...)
	b = strconv.AppendBool(append(b, `"},"degraded":`...), r.Degraded)
	c.say(http.StatusOK, "application/json", append(b, '}'))
	return nil
}

// forgotten says what the forgetting leaves: rules that would still block, and
// rules on other subjects, of which this one says nothing.
func (c *call) forgotten(blocking, others []string) *wire.Problem {
	b := appendNames([]byte(`{"still_blocked_by":`), blocking)
	b = appendNames(append(b, `,"depends_on":`...), others)
	c.say(http.StatusOK, "application/json", append(b, '}'))
	return nil
}

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
