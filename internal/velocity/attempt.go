package velocity

import "net/netip"

// An Attempt is one presentation of a card, judged valid. It holds plain values
// only: nothing of the request's memory but what the fields hold.
type Attempt struct {
	Address netip.Addr // the shopper's; an IPv4 address inside an IPv6 one is IPv4

	card identity // unknown where it is known later
	// month and year are the expiry shown beside a card_id, of one card now this one and
	// now another; 0 without both. Without card_id the expiry makes the card: see card.
	month, year int
	texts       [len(fields)]string // by field; hashed only where a rule asks for one
}

// later reports whether the card is not known before the charge.
func (a *Attempt) later() bool { return a.texts[FieldCard] == cardLater }

// ParseAttempt judges the fields of a check. attempt_id must be present: the caller makes
// one where the shop sent none. The error is a *FieldError; the attempt is then empty.
func ParseAttempt(f *Fields) (a Attempt, err error) {
	if err = a.parse(f, CheckRequest); err != nil {
		a = Attempt{}
	}
	return a, err
}

// ParseOutcome judges the fields of an outcome, which are those of its check and the
// issuer's answer. The error is a *FieldError; the attempt is then empty.
func ParseOutcome(f *Fields) (a Attempt, answer IssuerAnswer, err error) {
	if err = a.parse(f, OutcomeRequest); err == nil {
		answer, err = parseIssuerAnswer(f)
	}
	if err != nil {
		a = Attempt{}
	}
	return a, answer, err
}

// parse judges the fields that these requests take, in the order of the table, and fills
// a. Every field that is present must be valid, needed or not.
func (a *Attempt) parse(f *Fields, requests Requests) error {
	if wrong := f.conflict(requests); wrong != nil {
		return wrong
	}
	var month, year int
	for i := range fields {
		field, entry := Field(i), &fields[i]
		if entry.judge == nil || entry.in&requests == 0 {
			continue
		}
		if !f.Has(field) {
			if f.requires(field) {
				return &FieldError{Field: field, Missing: true, Expected: entry.expected}
			}
			continue
		}
		text := f.Value(field)
		v, ok := entry.judge(text)
		if !ok {
			return &FieldError{Field: field, Expected: entry.expected}
		}
		switch field {
		case FieldIP:
			a.Address = v.address
		case FieldExpMonth:
			month = v.number
		case FieldExpYear:
			year = v.number
		default:
			a.texts[field] = v.text
		}
	}
	// The provider's fingerprint is the card's identity where it was given.
	if id := a.texts[FieldCardID]; id != "" {
		a.card = textIdentity(id)
		if month > 0 && year > 0 {
			a.month, a.year = month, year
		}
	} else if !a.later() {
		a.card = cardIdentity(a.texts[FieldLast4], month, year)
	}
	return nil
}
