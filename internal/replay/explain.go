package replay

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"fraudcheck/internal/velocity"
)

// A Subject is one subject whose attempts are to be explained.
type Subject struct {
	Per     string // ip, network, card, email, ...
	subject velocity.Subject
}

// ParseSubject reads a subject as in ip=203.0.113.7, account=42, card_id=tok_1 or
// card=4242/12/30, which is last four digits and expiry. The error does not show the value.
func ParseSubject(text string, plan *velocity.Plan) (*Subject, error) {
	const expected = "expected a subject as in ip=203.0.113.7, network=, email=, device=, cart=, account=, card_id=, or card=LAST4/EXPIRY"
	per, value, found := strings.Cut(text, "=")
	if !found || value == "" {
		return nil, errors.New(expected)
	}
	var f velocity.Fields
	switch per {
	case "card_id":
		per = "card"
		f.Set(velocity.FieldCardID, value)
	case "card":
		last4, expiry, _ := strings.Cut(value, "/")
		f.Set(velocity.FieldLast4, last4)
		f.Set(velocity.FieldExpiry, expiry)
	default:
		f.Set(velocity.FieldValue, value)
	}
	f.Set(velocity.FieldPer, per)
	_, attempt, err := velocity.ParseSubject(&f)
	if err != nil {
		return nil, errors.New(expected)
	}
	return &Subject{Per: per, subject: plan.Subject(per, &attempt)}, nil
}

func (s *Subject) is(a *velocity.Attempt) bool { return s.subject.Is(a) }

// WriteExplained writes the line of one attempt of the subject: when it was made, what was
// decided, and what each rule counted, with its limit where the rule is one on that kind of
// subject, as in
//
//	2026-11-28T13:00:00.000Z  row 6  block   cards_per_ip=6>5 (clears in 3600 s)
func WriteExplained(w io.Writer, j *Judged, rules int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  row %d  %-6s", timeText(j.At), j.Row, j.Judgement.Outcome)
	for i := range j.Judgement.Results[:rules] {
		r := &j.Judgement.Results[i]
		if r.Rule == nil {
			continue
		}
		fmt.Fprintf(&b, "  %s=%d", r.Rule.Name, r.Count)
		switch {
		case r.Held && r.Count <= r.Rule.BlockOver:
			b.WriteString(" held")
		case r.Outcome == velocity.Block:
			fmt.Fprintf(&b, ">%d", r.Rule.BlockOver)
		case r.Outcome == velocity.Review:
			fmt.Fprintf(&b, ">%d", r.Rule.ReviewOver)
		}
		if r.Outcome != velocity.Allow {
			fmt.Fprintf(&b, " (%s, clears in %d s)", r.Outcome, r.ClearsIn)
		}
		if r.Rule.Mode == velocity.Shadow {
			b.WriteString(" shadow")
		}
	}
	if j.Judgement.Above {
		b.WriteString("  decided by an override or a list")
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
