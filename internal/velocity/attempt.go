package velocity

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

const (
	maxText = 256 // characters of email, device, cart, account
	maxID   = 128 // characters of card_id, attempt_id

	anAddress = "an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7"
)

// An Attempt is one presentation of a card, judged valid. It holds plain values
// only: nothing of the request's memory but what the fields hold, and no card digit
// in readable form beyond the short life of the check.
type Attempt struct {
	Address netip.Addr // the shopper's, IPv4 wherever one is inside

	card identity
	// What few rules ask for is hashed when one does.
	attempt string
	texts   [FieldAccount - FieldEmail + 1]string // email, device, cart, account
}

// text is where the text of a field from email to account is kept.
func (a *Attempt) text(field Field) *string { return &a.texts[field-FieldEmail] }

// ParseAttempt judges the fields of a check or an outcome; it is the only place
// where an address or a card digit is looked at. attempt_id must be present: the
// caller makes one where the shop sent none. The error is a *FieldError.
func ParseAttempt(f *Fields) (Attempt, error) {
	var a Attempt
	if err := a.parse(f); err != nil {
		return Attempt{}, err
	}
	return a, nil
}

func (a *Attempt) parse(f *Fields) error {
	if !f.Has(FieldIP) {
		return &FieldError{Field: FieldIP, Missing: true, Expected: anAddress}
	}
	var ok bool
	if a.Address, ok = ParseAddress(f.Value(FieldIP)); !ok {
		return &FieldError{Field: FieldIP, Expected: anAddress}
	}
	if err := a.parseCard(f); err != nil {
		return err
	}
	var err error
	if f.Has(FieldAttemptID) {
		if a.attempt, err = parseText(FieldAttemptID, f.Value(FieldAttemptID), maxID, false); err != nil {
			return err
		}
	}
	for field := FieldEmail; field <= FieldAccount; field++ {
		if f.Has(field) {
			if *a.text(field), err = parseText(field, f.Value(field), maxText, field == FieldEmail); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseText reads a caller's string. Of a mailbox blanks around it and ASCII letter
// case do not matter; what else two share is for their provider to say.
func parseText(field Field, text string, limit int, mailbox bool) (string, error) {
	if err := checkLength(field, text, limit); err != nil {
		return "", err
	}
	if mailbox {
		if text = strings.TrimSpace(text); text == "" {
			return "", &FieldError{Field: field, Expected: "more than blanks"}
		}
	}
	return text, nil
}

func checkLength(field Field, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n < 1 || n > limit {
		expected := "1 to 256 characters"
		if limit == maxID {
			expected = "1 to 128 characters"
		}
		return &FieldError{Field: field, Expected: expected}
	}
	return nil
}

// parseCard settles which card it is: the provider's fingerprint when given,
// else last four digits and expiry. What was sent must be valid either way.
func (a *Attempt) parseCard(f *Fields) error {
	byID := f.Has(FieldCardID)
	last4, err := parseLast4(f, byID)
	if err != nil {
		return err
	}
	month, err := parseNumber(f, FieldExpMonth, byID, "a month from 1 to 12", func(digits string, n int) (int, bool) {
		return n, len(digits) <= 2 && 1 <= n && n <= 12
	})
	if err != nil {
		return err
	}
	year, err := parseNumber(f, FieldExpYear, byID, "a year of two digits, or from 2000 to 2099", func(digits string, n int) (int, bool) {
		if len(digits) == 2 {
			return 2000 + n, true
		}
		return n, len(digits) == 4 && 2000 <= n && n <= 2099
	})
	if err != nil {
		return err
	}
	if !byID {
		a.card = cardIdentity(last4, month, year)
		return nil
	}
	id := f.Value(FieldCardID)
	if err := checkLength(FieldCardID, id, maxID); err != nil {
		return err
	}
	if PANLike(FieldCardID, id) {
		return &FieldError{Field: FieldCardID, PANLike: true, Expected: "the payment provider's fingerprint of the card, not a card number"}
	}
	a.card = textIdentity(id, false)
	return nil
}

func parseLast4(f *Fields, optional bool) (string, error) {
	const expected = "the card's last four digits, as a string"
	last4 := f.Value(FieldLast4)
	if !f.Has(FieldLast4) {
		if optional {
			return "", nil
		}
		return "", &FieldError{Field: FieldLast4, Missing: true, Expected: expected}
	}
	if len(last4) != 4 || countDigits(last4) != 4 {
		return "", &FieldError{Field: FieldLast4, PANLike: PANLike(FieldLast4, last4), Expected: expected}
	}
	return last4, nil
}

// parseNumber reads a short run of ASCII digits; valid turns it into the value.
func parseNumber(f *Fields, field Field, optional bool, expected string, valid func(string, int) (int, bool)) (int, error) {
	if !f.Has(field) {
		if optional {
			return 0, nil
		}
		return 0, &FieldError{Field: field, Missing: true, Expected: expected}
	}
	text := f.Value(field)
	if text == "" || len(text) > 4 || countDigits(text) != len(text) {
		return 0, &FieldError{Field: field, Expected: expected}
	}
	n := 0
	for i := range len(text) {
		n = n*10 + int(text[i]-'0')
	}
	n, ok := valid(text, n)
	if !ok {
		return 0, &FieldError{Field: field, Expected: expected}
	}
	return n, nil
}

// looksLikePAN: nothing but the 12 to 19 digits of a card number, spaces and dashes aside.
func looksLikePAN(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c != ' ' && c != '-':
			return false
		}
	}
	return 12 <= digits && digits <= 19
}

func countDigits(text string) (n int) {
	for i := range len(text) {
		if c := text[i]; '0' <= c && c <= '9' {
			n++
		}
	}
	return n
}
