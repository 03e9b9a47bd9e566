package replay

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"fraudcheck/internal/velocity"
)

// Columns says in which column of the history each part of a row is. A name may be those of
// several columns with + between them, whose values are joined; empty for none.
type Columns struct {
	Time        string // when the attempt was made
	OutcomeTime string // when the issuer's answer was heard
	Label       string // 1, true or fraud: what should have been stopped
	Amount      string // a decimal number
	Fields      map[velocity.Field]string
	// OutcomeAfter is how long after the attempt the answer was heard, where no column says.
	OutcomeAfter time.Duration
}

// rowFields are the fields of a request that a row may have.
var rowFields = []velocity.Field{
	velocity.FieldIP, velocity.FieldCardID, velocity.FieldLast4, velocity.FieldExpMonth, velocity.FieldExpYear, velocity.FieldExpiry,
	velocity.FieldEmail, velocity.FieldDevice, velocity.FieldCart, velocity.FieldAccount, velocity.FieldAttemptID,
	velocity.FieldOutcome, velocity.FieldReason,
}

// textFields are those of them that name a subject by their text.
var textFields = []velocity.Field{velocity.FieldEmail, velocity.FieldDevice, velocity.FieldCart, velocity.FieldAccount}

// subjectFields are those of which a row needs one.
var subjectFields = append([]velocity.Field{velocity.FieldIP, velocity.FieldCardID, velocity.FieldLast4}, textFields...)

// withDefaults returns the columns, or where none was named all those of the header that have
// the name of a part: time, ip, card_id, ... and label, amount and outcome_time. The first
// line of NDJSON, which is its header, may lack what later lines have; but which form an
// expiry has, and whether there are outcomes and labels, it must tell.
func (c *Columns) withDefaults(header []string, open bool) Columns {
	named := *c
	if c.named() {
		return named
	}
	own := func(name string) string { return nameIn(header, name) }
	named.Time, named.OutcomeTime, named.Label, named.Amount = own("time"), own("outcome_time"), own("label"), own("amount")
	named.Fields = map[velocity.Field]string{}
	for _, f := range rowFields {
		name := own(f.String())
		if open && (f == velocity.FieldIP || f == velocity.FieldCardID || f == velocity.FieldAttemptID || slices.Contains(textFields, f)) {
			name = f.String()
		}
		if name != "" {
			named.Fields[f] = name
		}
	}
	return named
}

// named reports whether the caller named a column.
func (c *Columns) named() bool {
	return c.Time+c.OutcomeTime+c.Label+c.Amount != "" || len(c.Fields) > 0
}

// nameIn returns the name as the header has it, in another letter case where one column
// alone can be meant; empty where there is none.
func nameIn(header []string, name string) (found string) {
	if slices.Contains(header, name) {
		return name
	}
	for _, have := range header {
		if strings.EqualFold(have, name) {
			if found != "" {
				return ""
			}
			found = have
		}
	}
	return found
}

// unused returns the columns of the header that have the default name of a part and are not
// in use, as the caller named others.
func (m *mapping) unused(c *Columns, header []string) (names []string) {
	if m.logged || !c.named() {
		return nil
	}
	for _, name := range header {
		field, ok := velocity.FieldByName(name)
		own := ok && slices.Contains(rowFields, field) || slices.Contains([]string{"time", "outcome_time", "label", "amount"}, name)
		if own && !slices.Contains(m.names, name) {
			names = append(names, name)
		}
	}
	return names
}

// A part is one part of a row and the columns that it is in.
type part struct {
	name    string // of the column, as the caller gave it
	columns []int  // in the values of a record
	joint   string // what stands between the values of several columns
}

// A mapping is the Columns of one history, found among its names.
type mapping struct {
	Columns
	names  []string // of the columns in use: the values of a record are in this order
	time   part
	heard  part
	label  part
	amount part
	fields []fieldPart
	logged bool // a decision log
}

type fieldPart struct {
	field velocity.Field
	part
}

// A ColumnError says which part of a row has no column.
type ColumnError struct{ Part, Problem string }

func (e *ColumnError) Error() string { return e.Part + ": " + e.Problem }

// find returns the mapping of the columns among the names of a history. open says that the
// names are not all there are: those of NDJSON are known only when they are met.
func (c *Columns) find(header []string, open bool) (*mapping, error) {
	m := &mapping{Columns: c.withDefaults(header, open)}
	if m.Time == "" {
		return nil, &ColumnError{"--time", "missing; expected the column that holds the time of each row" + listed(header) + c.noDefaults()}
	}
	take := func(what, column, joint string) (part, error) {
		p := part{name: column, joint: joint}
		if column == "" {
			return p, nil
		}
		wanted := []string{column}
		if nameIn(header, column) == "" && strings.Contains(column, "+") {
			wanted = strings.Split(column, "+")
		}
		for _, name := range wanted {
			if have := nameIn(header, name); have != "" {
				name = have
			}
			if !open && !slices.Contains(header, name) {
				return p, &ColumnError{"--" + what, "expected a column of the header" + listed(header)}
			}
			if !open && slices.Index(header, name) != lastIndex(header, name) {
				return p, &ColumnError{"--" + what, "expected a column that the header names once"}
			}
			i := slices.Index(m.names, name)
			if i < 0 {
				i, m.names = len(m.names), append(m.names, name)
			}
			p.columns = append(p.columns, i)
		}
		return p, nil
	}
	var err error
	for _, p := range []struct {
		what, column string
		to           *part
	}{{"time", m.Time, &m.time}, {"outcome-time", m.OutcomeTime, &m.heard}, {"label", m.Label, &m.label}, {"amount", m.Amount, &m.amount}} {
		if *p.to, err = take(p.what, p.column, " "); err != nil {
			return nil, err
		}
	}
	for _, f := range rowFields {
		if m.Fields[f] == "" {
			continue
		}
		p, err := take(strings.ReplaceAll(f.String(), "_", "-"), m.Fields[f], jointOfTexts)
		if err != nil {
			return nil, err
		}
		m.fields = append(m.fields, fieldPart{f, p})
	}
	if len(m.names) > 64 { // a bit for each in scanner.given
		return nil, &ColumnError{"columns", "expected at most 64 in use"}
	}
	if !slices.ContainsFunc(subjectFields, func(f velocity.Field) bool { return m.Fields[f] != "" }) {
		return nil, &ColumnError{"--ip", "missing, and so is every other subject; expected the column of one (--ip, --card-id, --last4, --email, --device, --cart or --account)" +
			listed(header) + c.noDefaults()}
	}
	return m, m.check()
}

// noDefaults says why a column that the header has is missing.
func (c *Columns) noDefaults() string {
	if c.named() {
		return "; default names count only where no column is named"
	}
	return ""
}

// jointOfTexts is in no text that a shop would join, so that "a"+"bc" is not "ab"+"c".
const jointOfTexts = "\x1f"

// check returns the error of columns that tell a part of a thing only.
func (m *mapping) check() error {
	has := func(f velocity.Field) bool { return m.Fields[f] != "" }
	expiry := has(velocity.FieldExpiry) || has(velocity.FieldExpMonth) && has(velocity.FieldExpYear)
	switch {
	case has(velocity.FieldExpiry) && (has(velocity.FieldExpMonth) || has(velocity.FieldExpYear)):
		return &ColumnError{"--expiry", "expected no --exp-month and no --exp-year beside it"}
	case has(velocity.FieldExpMonth) != has(velocity.FieldExpYear):
		return &ColumnError{"--exp-month", "expected --exp-month and --exp-year together"}
	case has(velocity.FieldLast4) && !expiry:
		return &ColumnError{"--last4", "expected the expiry beside it: --expiry, or --exp-month and --exp-year"}
	case has(velocity.FieldReason) && !has(velocity.FieldOutcome):
		return &ColumnError{"--reason", "expected --outcome beside it"}
	case m.OutcomeTime != "" && !has(velocity.FieldOutcome):
		return &ColumnError{"--outcome-time", "expected --outcome beside it"}
	}
	return nil
}

func lastIndex(names []string, name string) int {
	for i := len(names) - 1; i >= 0; i-- {
		if names[i] == name {
			return i
		}
	}
	return -1
}

// plainName matches the name of a column that an error may show: a first line that is data
// and no header may hold anything.
var (
	plainName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_ .-]{0,63}$`)
	fiveDigits = regexp.MustCompile(`([0-9][^0-9]*){5}`)
)

// listed names the columns that there are; nothing where one may be data.
func listed(header []string) string {
	for _, name := range header {
		if !plainName.MatchString(name) || fiveDigits.MatchString(name) {
			return "; the first line does not look like a header"
		}
	}
	if len(header) == 0 {
		return ""
	}
	return fmt.Sprintf(", which has %s", strings.Join(header, ", "))
}

// value returns the part of a record; empty where all of its columns are.
func (p *part) value(values []string) string {
	switch len(p.columns) {
	case 0:
		return ""
	case 1:
		return values[p.columns[0]]
	}
	var joined strings.Builder
	for i, c := range p.columns {
		if i > 0 {
			joined.WriteString(p.joint)
		}
		joined.WriteString(values[c])
	}
	if joined.Len() == len(p.joint)*(len(p.columns)-1) {
		return ""
	}
	return joined.String()
}
