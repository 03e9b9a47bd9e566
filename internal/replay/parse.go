package replay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"fraudcheck/internal/velocity"
)

// A Fault says why a row is malformed, never what it holds.
type Fault struct {
	Row      int64  // its number, from 1; rows of several files are numbered on
	Column   string // as the caller named it; empty where it is no column's
	Expected string // what a valid value is, as the end of "expected ..."
}

func (f *Fault) Error() string {
	if f.Column == "" {
		return fmt.Sprintf("row %d: expected %s", f.Row, f.Expected)
	}
	return fmt.Sprintf("row %d, column %s: expected %s", f.Row, f.Column, f.Expected)
}

// A row is one row of the history, ready to be judged.
type row struct {
	number int64 // from 1
	at     velocity.Time
	fault  *Fault // the row is malformed, and has nothing else
	ends   string // the row ends the run: see chunk
	offset uint32 // of its values, where they are held

	checks   []velocity.Trace // by the lanes
	outcomes []velocity.Trace // by the lanes, where hears
	hears    bool             // the issuer's answer adds something
	heardAt  velocity.Time

	fraud    bool   // labelled as what should have been stopped
	outcome  *Fault // of an answer that is malformed, and not heard
	approved bool   // the issuer approved it
	amount   int64  // in millionths
	subject  bool   // it is an attempt of the subject to explain

	// Of a line of a decision log.
	does     int    // isCheck, ...
	forgets  string // the kind of subject that is forgotten; empty for none
	degraded bool
	lost     bool // lines are missing before it
	seq      uint64
	instance string
	prefix   int // ipv6_prefix with which its ids were made; 0 where it has none
}

// A parser judges the values of rows. Each goroutine has one.
type parser struct {
	*history
	fields velocity.Fields
	prefix []byte // of the attempt_id of rows that have none
	pans   []panCount
}

// parse judges the values of a record into r, whose memory it reuses. id tells the row from
// all others of the history.
func (p *parser) parse(m *mapping, rec *record, id int64, r *row) {
	r.fault, r.outcome, r.hears, r.fraud, r.approved, r.amount, r.subject = nil, nil, false, false, false, 0, false
	r.does, r.forgets, r.degraded, r.lost, r.prefix = isCheck, "", false, false, 0
	r.checks, r.outcomes = grown(r.checks, len(p.lanes)), grown(r.outcomes, len(p.lanes))
	switch r.fault = rec.fault; {
	case r.fault != nil || rec.ends != "":
	case m.logged:
		r.fault = p.parseLogged(rec.values[0], r)
	default:
		r.fault = p.parseValues(m, rec.values, id, r)
	}
	r.fault, r.ends = rec.told(r.fault), rec.ends
}

func grown(t []velocity.Trace, n int) []velocity.Trace {
	if len(t) < n {
		return make([]velocity.Trace, n)
	}
	return t
}

func (p *parser) parseValues(m *mapping, values []string, id int64, r *row) *Fault {
	var ok bool
	if r.at, ok = parseTime(m.time.value(values)); !ok {
		return &Fault{Column: m.time.name, Expected: aTime}
	}
	if fault := p.fill(m, values, id); fault != nil {
		return fault
	}
	attempt, err := velocity.ParseAttempt(&p.fields)
	if err != nil {
		return m.faultOf(err)
	}
	if r.outcome = p.parseOutcome(m, values, r); r.outcome != nil {
		r.approved = false
	}
	if fault := p.parseLabel(m, values, r); fault != nil {
		return fault
	}
	for i, l := range p.lanes {
		l.engine.TraceCheck(&attempt, r.at, &r.checks[i])
	}
	if p.explain != nil {
		r.subject = p.explain.is(&attempt)
	}
	return nil
}

// fill sets the fields of the check. What a row lacks a check may lack too, if it says so.
func (p *parser) fill(m *mapping, values []string, id int64) *Fault {
	f := &p.fields
	*f = velocity.Fields{}
	for i := range m.fields {
		field := &m.fields[i]
		if field.field == velocity.FieldOutcome || field.field == velocity.FieldReason {
			continue
		}
		text := field.value(values)
		if text == "" {
			continue
		}
		p.pans[field.field].count(text)
		if !utf8.ValidString(text) {
			return &Fault{Column: field.name, Expected: "valid UTF-8"}
		}
		f.Set(field.field, text)
	}
	if !f.Has(velocity.FieldIP) {
		f.Set(velocity.FieldNoIP, "unknown")
	}
	expiry := f.Has(velocity.FieldExpiry) || f.Has(velocity.FieldExpMonth) && f.Has(velocity.FieldExpYear)
	if !f.Has(velocity.FieldCardID) && !(f.Has(velocity.FieldLast4) && expiry) {
		f.Without(velocity.FieldLast4, velocity.FieldExpiry, velocity.FieldExpMonth, velocity.FieldExpYear)
		f.Set(velocity.FieldCard, "later")
	}
	if !f.Has(velocity.FieldAttemptID) {
		p.prefix = strconv.AppendInt(append(p.prefix[:0], "an attempt without attempt_id, row "...), id, 10)
		f.Set(velocity.FieldAttemptID, string(p.prefix))
	}
	return nil
}

// parseOutcome judges what the issuer answered, and when that was heard.
func (p *parser) parseOutcome(m *mapping, values []string, r *row) *Fault {
	f := &p.fields
	var reason string
	for i := range m.fields {
		switch field := &m.fields[i]; field.field {
		case velocity.FieldOutcome:
			f.Set(velocity.FieldOutcome, field.value(values))
		case velocity.FieldReason:
			reason = field.value(values)
		}
	}
	if !f.Has(velocity.FieldOutcome) {
		return nil
	}
	f.Set(velocity.FieldReason, reason)
	attempt, answer, err := velocity.ParseOutcome(f)
	if err != nil {
		return m.faultOf(err)
	}
	r.approved = answer.Outcome == "approved"
	r.heardAt = r.at + velocity.Time(m.OutcomeAfter.Milliseconds())
	if text := m.heard.value(values); text != "" {
		at, ok := parseTime(text)
		if !ok {
			return &Fault{Column: m.heard.name, Expected: aTime}
		}
		r.heardAt = max(at, r.at) // no answer comes before its attempt
	}
	for i, l := range p.lanes {
		adds := l.engine.TraceOutcome(&attempt, answer, r.heardAt, &r.outcomes[i])
		r.hears = r.hears || adds
	}
	return nil
}

func (p *parser) parseLabel(m *mapping, values []string, r *row) *Fault {
	switch label := strings.TrimSpace(m.label.value(values)); {
	case label == "1", label == "1.0", strings.EqualFold(label, "true"), strings.EqualFold(label, "fraud"):
		r.fraud = true
	}
	if text := strings.TrimSpace(m.amount.value(values)); text != "" {
		var ok bool
		if r.amount, ok = parseAmount(text); !ok {
			return &Fault{Column: m.amount.name, Expected: "a decimal number of at most 12 digits before the point, without separators of thousands, as in 1234.56"}
		}
	}
	return nil
}

// parseAmount reads a decimal number, in millionths. Whole numbers add up exactly.
func parseAmount(text string) (amount int64, ok bool) {
	text, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" || len(whole) > 12 {
		return 0, false
	}
	for i := range len(fraction) {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(whole+(fraction + "000000")[:6], 10, 63)
	if amount = int64(n); negative {
		amount = -amount
	}
	return amount, err == nil
}

// faultOf returns the fault of a field that the service would refuse.
func (m *mapping) faultOf(err error) *Fault {
	var wrong *velocity.FieldError
	if !errors.As(err, &wrong) { // only a fault of this program leads here
		return &Fault{Expected: err.Error()}
	}
	if wrong.Field == velocity.FieldIP && wrong.Missing {
		return &Fault{Column: m.Fields[velocity.FieldIP], Expected: "a subject: an IP address, a card, an e-mail address, a device, a cart or an account"}
	}
	return &Fault{Column: m.Fields[wrong.Field], Expected: wrong.Expected}
}

// A panCount counts the values of a column that look like whole card numbers.
type panCount struct{ values, numbers int64 }

func (c *panCount) count(text string) {
	c.values++
	if len(text) >= 12 && velocity.FieldDevice.PANLike(text) {
		c.numbers++
	}
}

// refuses reports whether the column of that field holds whole card numbers: one of them
// where no card number may be, otherwise more than chance gives. One in ten of all long
// numbers, of orders for instance, has the check digit of a card's.
func (c *panCount) refuses(f velocity.Field, ended bool) bool {
	if f == velocity.FieldCardID || f == velocity.FieldLast4 {
		return c.numbers > 0
	}
	return c.numbers >= 6 && 4*c.numbers > 3*c.values || ended && c.numbers > 0 && c.numbers == c.values
}
