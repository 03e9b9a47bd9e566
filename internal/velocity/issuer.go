package velocity

import "slices"

// An IssuerAnswer is what came of a charge, as the contract spells it.
type IssuerAnswer struct {
	Outcome string // approved, declined or error
	Reason  string // why it was declined; empty for the other two
}

const (
	declined          = "declined"
	insufficientFunds = "insufficient_funds"
	otherReason       = "other"
)

// IssuerAnswers are all answers that there are. An error is trouble of the processor or the
// network.
var IssuerAnswers = []IssuerAnswer{
	{Outcome: "approved"},
	{declined, "invalid_number"}, {declined, "invalid_credentials"}, {declined, insufficientFunds}, {declined, otherReason},
	{Outcome: "error"},
}

// LateAnswer stands for an answer that was too old to count: see [Checker.Answered]. No
// caller can send it.
var LateAnswer = IssuerAnswer{Outcome: "late"}

// parseIssuerAnswer judges the fields outcome and reason. A decline without a reason has
// the reason other. The error is a *FieldError.
func parseIssuerAnswer(f *Fields) (IssuerAnswer, error) {
	a := IssuerAnswer{f.Value(FieldOutcome), f.Value(FieldReason)}
	isOutcome := slices.ContainsFunc(IssuerAnswers, func(o IssuerAnswer) bool { return o.Outcome == a.Outcome })
	if !isOutcome {
		return a, &FieldError{Field: FieldOutcome, Missing: !f.Has(FieldOutcome), Expected: "approved, declined or error"}
	}
	if a.Outcome == declined && a.Reason == "" {
		a.Reason = otherReason
	}
	if a.Outcome != declined && a.Reason != "" {
		return a, &FieldError{Field: FieldReason, Expected: "no reason beside the outcome " + a.Outcome + ": it says why an issuer declined"}
	}
	if !slices.Contains(IssuerAnswers, a) {
		return a, &FieldError{Field: FieldReason, Expected: "invalid_number, invalid_credentials, insufficient_funds or other"}
	}
	return a, nil
}

// counts reports whether the answer says something about the card: a decline does, unless
// the card is good and only the account is empty. An approval is no sign of an attack.
func (a IssuerAnswer) counts() bool { return a.Outcome == declined && a.Reason != insufficientFunds }

// verb says what the answer does to the records of the attempt's subjects; read for nothing.
func (a IssuerAnswer) verb(of *Attempt) verb {
	completes := of.texts[FieldCard] == cardNow
	switch {
	case a.counts() && completes:
		return completeDeclined
	case a.counts():
		return decline
	case completes:
		return complete
	}
	return read
}
