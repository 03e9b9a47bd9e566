package velocity

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Field is a field of a request: an index of the table of fields.
type Field uint8

// The fields that the program's code names. A field that only a kind reads, by its name,
// needs no constant.
const (
	FieldIP Field = iota
	FieldLast4
	FieldExpMonth
	FieldExpYear
	FieldCardID
	FieldAttemptID
	FieldOutcome
	FieldPer
	FieldValue
	FieldEmail
	FieldDevice
	FieldCart
	FieldAccount
	FieldReason
	FieldCard
	FieldNoIP
	FieldExpiry
	FieldAt
)

// Requests is a set of the requests that take fields.
type Requests uint8

// The requests that take fields.
const (
	CheckRequest   Requests = 1 << iota // a check
	OutcomeRequest                      // the issuer's answer
	SubjectRequest                      // an analyst's, which names a subject
	AttemptRequest                      // an analyst's, which names an attempt

	attemptRequests = CheckRequest | OutcomeRequest
	anyRequest      = attemptRequests | SubjectRequest
)

// fields is the table of fields: to add one, add an entry at the end; nothing else lists
// them. The fields of a request are judged in this order.
var fields = [...]field{
	FieldIP:        {name: "ip", in: attemptRequests, required: exceptWithNoIP, expected: anAddress, judge: judgeAddress},
	FieldLast4:     {name: "last4", in: anyRequest, required: exceptWithCardID, expected: "the card's last four digits, as a string", judge: judgeLast4, panLike: hasOverFourDigits},
	FieldExpMonth:  {name: "exp_month", in: anyRequest, required: exceptWithExpiry, number: true, expected: "a month from 1 to 12", judge: judgeMonth},
	FieldExpYear:   {name: "exp_year", in: anyRequest, required: exceptWithExpiry, number: true, expected: "a year of two digits, or from 2000 to 2099", judge: judgeYear},
	FieldCardID:    {name: "card_id", in: anyRequest, expected: "the payment provider's fingerprint of the card, of 1 to 128 characters, not a card number: before a token of digits alone put a prefix, such as tok_", judge: judgeCardID, panLike: isPANLike},
	FieldAttemptID: {name: "attempt_id", in: attemptRequests | AttemptRequest, expected: "1 to 128 characters", judge: judgeID, panLike: hasPAN},
	FieldOutcome:   {name: "outcome", in: OutcomeRequest},
	FieldPer:       {name: "per", in: SubjectRequest},
	FieldValue:     {name: "value", in: SubjectRequest},
	FieldEmail:     {name: "email", in: attemptRequests, expected: "1 to 256 characters, and not only blanks", judge: judgeMailbox},
	FieldDevice:    {name: "device", in: attemptRequests, expected: "1 to 256 characters", judge: judgeText, panLike: hasPAN},
	FieldCart:      {name: "cart", in: attemptRequests, expected: "1 to 256 characters", judge: judgeText, panLike: hasPAN},
	FieldAccount:   {name: "account", in: attemptRequests, expected: "1 to 256 characters", judge: judgeText, panLike: hasPAN},
	FieldReason:    {name: "reason", in: OutcomeRequest},
	FieldCard:      {name: "card", in: attemptRequests, expected: anOutcomesCardWord, judge: judgeText},
	FieldNoIP:      {name: "no_ip", in: attemptRequests, expected: "in place of ip: " + strings.Join(NoIPReasons, ", "), judge: judgeNoIP},
	FieldExpiry:    {name: "expiry", in: anyRequest, expected: "month and year as in 12/30, 12/2030, 1230, 122030 or 2030-12", judge: judgeExpiry},
	FieldAt:        {name: "at", in: OutcomeRequest, number: true, expected: "when the issuer answered: a time as in 2026-11-28T13:00:00Z (RFC 3339), or Unix time in seconds or milliseconds", judge: judgeTime},
}

// A field is an entry of the table of fields: all that the decoders, the parsers of
// attempts and subjects, and the refusal of card numbers know of it.
type field struct {
	name     string // the contract's, in JSON, forms and URL parameters alike
	in       Requests
	required requirement
	number   bool   // JSON may give a number or a string; otherwise a string only
	expected string // what a valid value is, as the end of "expected ..."
	// judge reads the text, and reports false where it is not valid. nil for a field that
	// the request's own code judges.
	judge func(text string) (value, bool)
	// panLike reports whether the text looks like a whole card number, which is counted; nil
	// where none is looked for. Whether it is refused, judge says: what may be the number of
	// an order is taken.
	panLike func(text string) bool
}

// A value is what judge made of a field's text: one of the three.
type value struct {
	text    string
	number  int
	address netip.Addr
}

// A requirement says when a field must be present.
type requirement uint8

const (
	never requirement = iota
	exceptWithNoIP
	exceptWithCardID // nor with a card that is known later
	exceptWithExpiry // nor with either of these
)

// requires reports whether the field must be present, given which others are.
func (f *Fields) requires(field Field) bool {
	switch fields[field].required {
	case exceptWithNoIP:
		return !f.Has(FieldNoIP)
	case never:
		return false
	case exceptWithExpiry:
		if f.Has(FieldExpiry) {
			return false
		}
	}
	return !f.Has(FieldCardID) && f.values[FieldCard] != cardLater
}

// String returns the field's name.
func (f Field) String() string { return fields[f].name }

// Number reports whether JSON may give the field's value as a number. Of all other fields
// it is a string.
func (f Field) Number() bool { return fields[f].number }

// In reports whether all of these requests take the field.
func (f Field) In(requests Requests) bool { return fields[f].in&requests == requests }

// PANLike reports whether the text, sent as this field, looks like a whole card
// number: a PAN, primary account number.
func (f Field) PANLike(text string) bool {
	panLike := fields[f].panLike
	return panLike != nil && panLike(text)
}

// FieldNames returns the names of the fields that all of these requests take, in the order
// of the table.
func FieldNames(requests Requests) (names []string) {
	for f := range fields {
		if Field(f).In(requests) {
			names = append(names, fields[f].name)
		}
	}
	return names
}

// FieldByName returns the field with exactly that name; false where there is none.
func FieldByName(name string) (Field, bool) {
	for f := range fieldNames {
		if fieldNames[f] == name {
			return Field(f), true
		}
	}
	return 0, false
}

// fieldNames are the names of the table, close together: every field of every
// request is looked up.
var fieldNames = func() (names [len(fields)]string) {
	for f := range fields {
		names[f] = fields[f].name
	}
	return names
}()

// Fields are the values of one request as they were sent. A field that was sent empty was
// given, and is not present.
type Fields struct {
	values         [len(fields)]string
	given, present uint64 // a bit for each field
}

const _ = uint(64 - len(fields)) // does not compile when a set has too few bits

// Set sets the field's value. Where it has one already, Set leaves it and reports false.
func (f *Fields) Set(field Field, text string) bool {
	if f.Has(field) {
		return false
	}
	f.given |= 1 << field
	if text != "" {
		f.values[field] = text
		f.present |= 1 << field
	}
	return true
}

// Without takes out fields, as if they had not been sent.
func (f *Fields) Without(fields ...Field) {
	for _, field := range fields {
		f.values[field] = ""
		f.given &^= 1 << field
		f.present &^= 1 << field
	}
}

// Given reports whether the field was sent, be it empty.
func (f *Fields) Given(field Field) bool { return f.given&(1<<field) != 0 }

// Has reports whether the field is present.
func (f *Fields) Has(field Field) bool { return f.present&(1<<field) != 0 }

// Value returns the field's text as it was sent; empty where it is not present.
func (f *Fields) Value(field Field) string { return f.values[field] }

// All is an iterator over the fields that are present and their values, in the order of
// the table.
func (f *Fields) All(yield func(Field, string) bool) {
	for field := range fields {
		if f.Has(Field(field)) && !yield(Field(field), f.values[field]) {
			return
		}
	}
}

// PANLike reports whether any field's value looks like a whole card number.
func (f *Fields) PANLike() bool {
	for _, field := range panFields {
		if f.Has(field) && field.PANLike(f.values[field]) {
			return true
		}
	}
	return false
}

// panFields are the fields in which a whole card number is looked for.
var panFields = func() (found []Field) {
	for f := range fields {
		if fields[f].panLike != nil {
			found = append(found, Field(f))
		}
	}
	return found
}()

// A FieldError says why a request's field is not accepted, never what was sent.
type FieldError struct {
	Field    Field
	Missing  bool   // the field is not present
	Expected string // what a valid value is, as the end of "expected ..."
}

func (e *FieldError) Error() string {
	if e.Missing {
		return fmt.Sprintf("%s is missing: expected %s", e.Field, e.Expected)
	}
	return fmt.Sprintf("%s is invalid: expected %s", e.Field, e.Expected)
}
