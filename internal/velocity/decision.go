package velocity

import "slices"

// An Outcome is what a rule finds for an attempt, and what all rules together decide.
// Outcomes are ordered: the greater one is the stricter one.
type Outcome uint8

// The outcomes, from the most lenient to the strictest.
const (
	Allow Outcome = iota
	Review
	Block
)

// outcomes are all of them, each at its own index.
var outcomes = [...]Outcome{Allow, Review, Block}

// String returns the outcome as the contract spells it.
func (o Outcome) String() string { return [...]string{"allow", "review", "block"}[o] }

// A Decision is the answer to a check, with what it rests on.
type Decision struct {
	Outcome Outcome
	// Reasons are the names of the enforced rules whose outcome is the decision, none
	// for Allow; or "override" alone, or "list", or "store_failure".
	Reasons []string
	// Rules are the results of all rules for which the attempt has the subject, in
	// configuration order.
	Rules    []RuleResult
	Plan     *Plan // the plan that was in force
	Degraded bool  // some record came from this instance's own knowledge only, or its clock is off
	// StoreFailed and ClockOff say why it is Degraded: the shared store did not answer in
	// time, or its memory is not trusted; the clock is off (see [Clock]). Otherwise there was
	// no turn in time to ask the store.
	StoreFailed, ClockOff bool
	// UnboundedLater says that the card is not known before the charge and no enforced rule
	// counts attempts: nothing bounds how many such checks pass before their cards are told.
	UnboundedLater bool
	// Suspect is why the attempt's address is hardly a shopper's, so that rules on it do not
	// block; Settled says that it did not come to that: a list or an override decided.
	Suspect Suspicion
	Settled bool
}

// A RuleResult is what one rule found.
type RuleResult struct {
	Rule    *Rule
	Outcome Outcome
	Count   int // distinct elements, the attempt's own included; at block_over + 1 it means "at least"
	// ClearsIn is in how many seconds the count is at most review_over, or block_over where
	// there is no review stage, and no hold runs.
	ClearsIn int
	Held     bool // the rule's hold runs, and so it blocks whatever the count
	// Suspect: the subject is hardly a shopper's address, and the rule is not enforced there:
	// Outcome is at most what the [CollapseGuard] says.
	Suspect bool
}

// boundsLater reports whether the rule blocks attempts whose card is not known.
func (r RuleResult) boundsLater() bool {
	return r.Rule.Mode == Enforce && !r.Suspect && kindNamed(r.Rule.Count, elementName).grows == byAttempt
}

// judge sets the outcome and its reasons. The first of these decides: an override in
// force; the entry of the network lists; onFailure, where it is set and the store failed;
// the enforced rules.
func (d *Decision) judge(override *Outcome, listed *Entry, onFailure *Outcome) {
	d.Settled = override != nil || listed != nil
	switch {
	case override != nil:
		d.Outcome, d.Reasons = *override, append(d.Reasons[:0], "override")
	case listed != nil:
		d.Outcome, d.Reasons = listed.Outcome, append(d.Reasons[:0], "list")
	case d.StoreFailed && onFailure != nil:
		d.Outcome, d.Reasons = *onFailure, append(d.Reasons[:0], "store_failure")
	default:
		d.judgeRules()
	}
}

// judgeRules lets the strictest enforced rule decide; the reasons are all enforced
// rules with that outcome. Shadow rules have no effect.
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

// reset empties the decision and keeps its memory.
func (d *Decision) reset(plan *Plan) {
	d.Plan, d.Degraded, d.StoreFailed = plan, false, false
	d.Rules = slices.Grow(d.Rules[:0], len(plan.rules))
	d.Reasons = d.Reasons[:0]
}
