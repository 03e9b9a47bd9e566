package velocity

import (
	"net/netip"
	"strings"
)

// An Attempt is one presentation of a card, judged valid. It holds plain values
// only: nothing of the request's memory but what the fields hold.
type Attempt struct {
	Address netip.Addr // the shopper's, an IPv4 address inside an IPv6 one as IPv4; not valid where there is none
	// Peer is the other end of the connection that a check came over; not valid where that
	// is not known. It is nobody's subject: see [Plan.Suspect].
	Peer netip.Addr

	card identity // unknown where it is known later
	// month and year are the expiry shown beside a card_id, of one card now this one and
	// now another; 0 without both. Without card_id the expiry makes the card: see card.
	month, year int
	at          Time                // when the issuer answered; 0 where that was not told
	texts       [len(fields)]string // by field; hashed only where a rule asks for one
}

// later reports whether the card is not known before the charge.
func (a *Attempt) later() bool { return a.texts[FieldCard] == cardLater }

// countedAt is the time at which what the attempt shows is counted: for an outcome when the
// issuer answered, if that was told and is not later than clocks may differ; otherwise now.
func (a *Attempt) countedAt(now Time) Time {
	if a.at == 0 || a.at > now+ahead {
		return now
	}
	return a.at
}

// ParseAttempt judges the fields of a check. attempt_id must be present: the caller makes
// one where the shop sent none. The error is a *FieldError; the attempt is then empty.
func ParseAttempt(f *Fields) (a Attempt, err error) {
	if err = a.parse(f, CheckRequest); err == nil {
		err = a.checkSubject()
	}
	if err != nil {
		a = Attempt{}
	}
	return a, err
}

// ParseOutcome judges the fields of an outcome, which are those of its check and the
// issuer's answer. The error is a *FieldError; the attempt is then empty.
func ParseOutcome(f *Fields) (a Attempt, answer IssuerAnswer, err error) {
	if err = a.parse(f, OutcomeRequest); err == nil {
		if err = a.checkSubject(); err == nil {
			answer, err = parseIssuerAnswer(f)
		}
	}
	if err != nil {
		a = Attempt{}
	}
	return a, answer, err
}

// checkSubject returns the error of an attempt in which nothing can be watched.
func (a *Attempt) checkSubject() error {
	if a.Address.IsValid() {
		return nil
	}
	copied := *a // allocated, and only where there is no address
	var names []string
	for i := range kinds {
		k := &kinds[i]
		if k.subject == "" || k.from.address {
			continue
		}
		if id := k.from.identity(&copied, nil); id.known() {
			return nil
		}
		names = append(names, k.subject)
	}
	return &FieldError{Field: FieldIP, Missing: true, Expected: "with no_ip at least one of " + strings.Join(names, ", ")}
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
		case FieldExpiry:
			month, year = v.number%100, v.number/100
		case FieldAt:
			a.at = Time(v.number)
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
