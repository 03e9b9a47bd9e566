package callers

import (
	"log/slog"
	"strconv"

	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// logDecision adds the decision, the shopper's address in the form of log.ip, and the
// reasons to the log line of the answer, and the short id of the attempt. It logs nothing
// else of the attempt.
func (a *API) logDecision(q *door.Request, s *scratch) {
	q.LogAttrs = append(q.LogAttrs, slog.String("decision", s.decision.Outcome.String()))
	a.logAddress(q, s)
	rules := reasonsText(&s.decision)
	if rules == "list" {
		rules = s.decision.Outcome.String() + "_list"
	}
	q.LogAttrs = append(q.LogAttrs, slog.String("rules", rules))
	if s.decision.Suspect != velocity.NotSuspect && !s.decision.Settled {
		q.LogAttrs = append(q.LogAttrs, slog.String("subject", "suspect_subject"))
	}
	q.LogAttempt(s.shortAttempt)
	if s.decision.Degraded {
		q.LogAttrs = append(q.LogAttrs, slog.String("knowledge", "degraded"))
	}
}

// logOutcome adds what the issuer answered and why it declined, the shopper's address, and
// the short id of the attempt to the log line of the answer.
func (a *API) logOutcome(q *door.Request, s *scratch, told velocity.IssuerAnswer, late bool) {
	q.LogAttrs = append(q.LogAttrs, slog.String("outcome", told.Outcome))
	if told.Reason != "" {
		q.LogAttrs = append(q.LogAttrs, slog.String("reason", told.Reason))
	}
	a.logAddress(q, s)
	if late {
		q.LogAttrs = append(q.LogAttrs, slog.String("counted", "late"))
	}
	q.LogAttempt(s.shortAttempt)
}

// logAddress adds the shopper's address in the form of log.ip, or why there is none.
func (a *API) logAddress(q *door.Request, s *scratch) {
	if s.attempt.Address.IsValid() {
		q.LogAttrs = append(q.LogAttrs, slog.String("address", a.Address(s.attempt.Address)))
	} else {
		q.LogAttrs = append(q.LogAttrs, slog.String("no_ip=", s.fields.Value(velocity.FieldNoIP)))
	}
}

// reasonsText lists the reasons, separated by blanks; a rule as name=count>limit, with
// the limit that the count is over: cards_per_ip=6>5, also where a collapse guard made a
// review of it; or cards_per_ip=held where it is over
// none and a hold runs. The reasons that are no rule ("list", "store_failure") stand as they
// are.
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
			if r.Held && r.Count <= r.Rule.BlockOver {
				b = append(b, "=held"...)
				continue
			}
			over := r.Rule.BlockOver
			if r.Outcome == velocity.Review && r.Count <= over {
				over = r.Rule.ReviewOver
			}
			b = strconv.AppendInt(append(b, '='), int64(r.Count), 10)
			b = strconv.AppendInt(append(b, '>'), int64(over), 10)
		}
	}
	return string(b)
}
