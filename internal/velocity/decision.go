package velocity

import "slices"

// An Outcome is what a rule says of an attempt, and what all together decide.
// They are ordered: the greater is the stricter.
type Outcome uint8

// Allow, Review and Block are the outcomes.
const (
	Allow Outcome = iota
	Review
	Block
)

func (o Outcome) String() string { return [...]string{"allow", "review", "block"}[o] }

// A Decision answers a check and says what it rests on.
type Decision struct {
	Outcome  Outcome
	Reasons  []string     // the enforced rules whose outcome it is, none for Allow; or "list", or "store_failure"
	Rules    []RuleResult // every rule the attempt has a subject and element for, in configuration order
	Plan     *Plan        // that was in force
	Degraded bool         // some record came from this instance's own knowledge only
}

// A RuleResult is what one rule found.
type RuleResult struct {
	Rule     *Rule
	Outcome  Outcome
	Count    int // distinct elements, this attempt's included; "at least" at block_over + 1
	ClearsIn int // seconds until the count is at most review_over (block_over without a review stage)
}

// judge settles the outcome, in this order: an entry of the lists; without the
// shared store, what the operator wants said then; the strictest enforced rule.
func (d *Decision) judge(listed *Entry, onFailure *Outcome) {
	switch {
	case listed != nil:
		d.Outcome, d.Reasons = listed.Outcome, append(d.Reasons[:0], "list")
	case d.Degraded && onFailure != nil:
		d.Outcome, d.Reasons = *onFailure, append(d.Reasons[:0], "store_failure")
	default:
		d.judgeRules()
	}
}

// judgeRules: the strictest enforced rule decides, and the reasons are those that
// agree with it. Shadow rules are reported all the same.
func (d *Decision) judgeRules() {
	d.Outcome = Allow
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Rule.Mode == Enforce {
			d.Outcome = max(d.Outcome, r.Outcome)
		}
	}
	d.Reasons = d.Reasons[:0]
	if d.Outcome == Allow {
		return
	}
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Rule.Mode == Enforce && r.Outcome == d.Outcome {
			d.Reasons = append(d.Reasons, r.Rule.Name)
		}
	}
}

func (d *Decision) reset(plan *Plan) {
	d.Plan, d.Degraded = plan, false
	d.Rules = slices.Grow(d.Rules[:0], len(plan.rules))
	d.Reasons = d.Reasons[:0]
}
