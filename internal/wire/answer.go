package wire

import (
	"encoding/json"
	"strconv"

	"fraudcheck/internal/velocity"
)

// AppendDecision appends the JSON answer to a check, the body of POST /v1/check: the
// decision, its reasons, the result of each rule, degraded and the attempt_id.
func AppendDecision(b []byte, d *velocity.Decision, attemptID string) []byte {
	b = append(b, `{"decision":"`...)
	b = append(b, d.Outcome.String()...)
	b = append(b, `","reasons":[`...)
	for i, reason := range d.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, reason)
	}
	b = append(b, `],"rules":`...)
	b = AppendRules(b, d.Rules)
	b = append(b, `,"degraded":`...)
	b = strconv.AppendBool(b, d.Degraded)
	b = append(b, `,"attempt_id":`...)
	return append(AppendString(b, attemptID), '}')
}

// AppendRules appends the results of rules as a JSON array of objects, in the order of
// the configuration.
func AppendRules(b []byte, rules []velocity.RuleResult) []byte {
	b = append(b, '[')
	for i := range rules {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendResult(b, &rules[i]), '}')
	}
	return append(b, ']')
}

// AppendReportedRules appends what AppendRules does, and in each object the elements that
// its rule counts.
func AppendReportedRules(b []byte, rules []velocity.RuleResult, elements [][]velocity.Element) []byte {
	b = append(b, '[')
	for i := range rules {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendResult(b, &rules[i]), `,"elements":[`...)
		for j, e := range elements[i] {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(append(b, `{"id":"`...), e.ID...)
			b = append(strconv.AppendInt(append(b, `","age_seconds":`...), int64(e.Age), 10), '}')
		}
		b = append(b, "]}"...)
	}
	return append(b, ']')
}

// appendResult appends one rule's result without the brace that ends it. Names and modes come from the configuration,
// which allows no character in them that JSON would escape.
func appendResult(b []byte, r *velocity.RuleResult) []byte {
	number := func(name string, n int) {
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = strconv.AppendInt(b, int64(n), 10)
	}
	b = append(append(b, `{"name":"`...), r.Rule.Name...)
	b = append(append(b, `","outcome":"`...), r.Outcome.String()...)
	b = append(append(append(b, `","mode":"`...), r.Rule.Mode...), '"')
	number("count", r.Count)
	number("review_over", r.Rule.ReviewOver)
	number("block_over", r.Rule.BlockOver)
	number("window_seconds", int(r.Rule.Window.Seconds()))
	number("clears_in_seconds", r.ClearsIn)
	if r.Held {
		b = append(b, `,"held":true`...)
	}
	if r.Suspect {
		b = append(b, `,"suspect_subject":true`...)
	}
	return b
}

// AppendString appends text as a JSON string. Printable ASCII, nearly all there is, is
// copied; encoding/json escapes everything else, and replaces bytes that are not UTF-8.
func AppendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a string always can be
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
