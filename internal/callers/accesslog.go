package callers

import (
	"log/slog"
	"strconv"

	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// logDecision adds the decision, the shopper's address in the form of log.ip, and the
// reasons to the log line of the answer. It logs nothing else of the attempt: neither
// card nor attempt_id.
func (a *API) logDecision(q *door.Request, s *scratch) {
	q.LogAttrs = append(q.LogAttrs, slog.String("decision", s.decision.Outcome.String()),
		slog.String("address", a.Address(s.attempt.Address)), slog.String("rules", reasonsText(&s.decision)))
	if s.decision.Degraded {
		q.LogAttrs = append(q.LogAttrs, slog.String("knowledge", "degraded"))
	}
}

// reasonsText lists the reasons, separated by blanks; a rule as name=count>limit, with
// the limit that the count is over: cards_per_ip=6>5. The reasons that are no rule
// ("list", "store_failure") stand as they are.
func reasonsText(d *velocity.Decision) string {
	var b []byte
	for _, reason := range d.Reasons {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, reason...)
		for i := range d.Rules {
			r := &d.Rules[i]
			if r.Rule.Name != reason {
				continue
			}
			over := r.Rule.BlockOver
			if r.Outcome == velocity.Review {
				over = r.Rule.ReviewOver
			}
			b = strconv.AppendInt(append(b, '='), int64(r.Count), 10)
			b = strconv.AppendInt(append(b, '>'), int64(over), 10)
		}
	}
	return string(b)
}
