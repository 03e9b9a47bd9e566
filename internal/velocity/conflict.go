package velocity

// The words of the field card.
const (
	cardLater = "later" // the card is not known before the charge
	cardNow   = "now"   // in an outcome: here is the card of a check that said later
)

const (
	aChecksCardWord    = "later, where the card is not known before the charge, and then no field of the card"
	anOutcomesCardWord = "later, and then no field of the card, or now, which completes a check that said later"
)

// cardFields are the fields that tell a card.
const cardFields = 1<<FieldLast4 | 1<<FieldExpMonth | 1<<FieldExpYear | 1<<FieldExpiry | 1<<FieldCardID

// conflict returns the error of a field that must not be there because of the others, or
// that says which others must be; nil where there is none. It is found before the values
// are judged: what is missing depends on it.
func (f *Fields) conflict(requests Requests) *FieldError {
	switch word := f.values[FieldCard]; {
	case word == "":
	case requests == CheckRequest && (word != cardLater || f.present&cardFields != 0):
		return &FieldError{Field: FieldCard, Expected: aChecksCardWord}
	case word != cardLater && word != cardNow, word == cardLater && f.present&cardFields != 0:
		return &FieldError{Field: FieldCard, Expected: anOutcomesCardWord}
	}
	if f.Has(FieldNoIP) && f.Has(FieldIP) {
		return &FieldError{Field: FieldNoIP, Expected: "no ip beside it"}
	}
	if f.Has(FieldExpiry) && (f.Has(FieldExpMonth) || f.Has(FieldExpYear)) {
		return &FieldError{Field: FieldExpiry, Expected: "no exp_month and no exp_year beside it"}
	}
	return nil
}
