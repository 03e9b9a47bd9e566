package velocity

import (
	"fmt"
	"slices"
)

// A kind is something a rule can watch (a subject), count (an element), or both.
// It is all that is known of it: what is stored, named in the configuration, found
// in an attempt and said to an analyst.
type kind struct {
	id      byte   // stands in store keys and records: never changed, never reused, not 0
	subject string // the name after "per:", empty when it cannot be watched
	element string // the name after "count:", empty when it cannot be counted
	from    *source
	// grows is by what a subject's next attempt adds to the count.
	grows growth
	// declines: counted when the issuer declined, never when the card was shown.
	declines bool
	// warning is what to warn of when a rule watches it, enforcedWarning when an
	// enforced rule does. Empty for nothing.
	warning, enforcedWarning string
}

// kinds is the table of kinds: adding one is adding an entry, and nothing else lists
// them. Their order decides nothing but that of names in messages.
var kinds = [...]kind{
	{id: 1, subject: "ip", element: "ips", from: fromAddress(func(p *Plan) (bits4, bits6 int) { return 32, p.ipv6Prefix })},
	{id: 2, subject: "network", from: fromAddress(func(*Plan) (bits4, bits6 int) { return networkBits4, networkBits6 })},
	{id: 3, subject: "card", element: "cards", from: fromCard, grows: byCard,
		warning: "counts per card: send card_id, or strangers whose cards share last four digits and expiry are counted as one"},
	{id: 4, subject: "email", from: fromMailbox("email"),
		enforcedWarning: "blocks by email: an attacker can fill a victim's address and lock the victim out; consider mode: shadow"},
	{id: 5, subject: "device", from: fromText("device")},
	{id: 6, subject: "cart", from: fromText("cart")},
	{id: 7, subject: "account", from: fromText("account")},
	{id: 8, element: "attempts", from: fromAttempt, grows: byAttempt},
	{id: 9, element: "declined_cards", from: fromCard, declines: true},
	// Which attempts a list of declines has heard of, so that an outcome delivered
	// twice counts once. No rule can name it.
	{id: declinedAttemptsID, from: fromAttempt, declines: true},
}

const declinedAttemptsID = 10

// A growth says which attempt adds an element to a list, as far as that is known
// beforehand.
type growth uint8

const (
	unforeseen growth = iota // it depends on what else the attempt shows
	byCard                   // one with a card that does not count yet
	byAttempt                // every one that is not a retry
)

// A source finds a kind's identity in an attempt. Kinds that share one are two ways
// of counting the same thing.
type source struct {
	// identity says which one it is in this attempt; unknown when the attempt has none.
	identity func(*Attempt, *Plan) identity
	// name reads into the attempt what names a subject to an analyst: the field
	// value, or others in its place. The error is a *FieldError. nil for a kind that
	// cannot be watched.
	name func(*Attempt, *Fields) error
	// address: nothing but the shopper's address decides the identity.
	address bool
}

var (
	fromCard = &source{
		identity: func(a *Attempt, _ *Plan) identity { return a.card },
		name: func(a *Attempt, f *Fields) error {
			if f.Has(FieldValue) {
				return &FieldError{Field: FieldValue, Expected: "no value: a card is named by card_id, or by last4, exp_month and exp_year"}
			}
			return a.parse(f, SubjectRequest)
		},
	}
	fromAttempt = &source{
		identity: func(a *Attempt, _ *Plan) identity { return attemptIdentity(a.texts[FieldAttemptID], &a.card) },
	}
)

// fromAddress is for networks around the shopper's address, of so many bits.
func fromAddress(bits func(*Plan) (bits4, bits6 int)) *source {
	return &source{
		identity: func(a *Attempt, p *Plan) identity {
			bits4, bits6 := bits(p)
			return networkIdentity(a.Address, bits4, bits6)
		},
		name: func(a *Attempt, f *Fields) error {
			v, err := subjectValue(f, FieldIP)
			a.Address = v.address
			return err
		},
		address: true,
	}
}

// fromText is for the exact bytes of a field.
func fromText(name string) *source { return fromField(name, false) }

// fromMailbox is for a field that holds an e-mail address: ASCII letter case does
// not matter.
func fromMailbox(name string) *source { return fromField(name, true) }

func fromField(name string, fold bool) *source {
	field, ok := FieldByName(name)
	if !ok { // a mistake in the table of kinds: no program with it starts
		panic(fmt.Sprintf("velocity: the table of fields has no %q", name))
	}
	return &source{
		identity: func(a *Attempt, _ *Plan) identity { return textIdentity(a.texts[field], fold) },
		name: func(a *Attempt, f *Fields) error {
			v, err := subjectValue(f, field)
			a.texts[field] = v.text
			return err
		},
	}
}

// subjectValue judges the field value as the given field, where no other field may
// name the subject. The error is a *FieldError.
func subjectValue(f *Fields, as Field) (value, error) {
	for field := range f.All {
		if field.In(SubjectRequest) && field != FieldPer && field != FieldValue {
			return value{}, &FieldError{Field: field, Expected: "no card where per is not card"}
		}
	}
	if !f.Has(FieldValue) {
		return value{}, &FieldError{Field: FieldValue, Missing: true, Expected: "the subject's " + f.Value(FieldPer)}
	}
	v, ok := fields[as].judge(f.Value(FieldValue))
	if !ok {
		return value{}, &FieldError{Field: FieldValue, Expected: fields[as].expected}
	}
	return v, nil
}

// kindNamed finds the kind whose configurable name, one of subjectName and
// elementName, is this one; nil where there is none.
func kindNamed(name string, of func(*kind) string) *kind {
	for i := range kinds {
		if n := of(&kinds[i]); n != "" && n == name {
			return &kinds[i]
		}
	}
	return nil
}

func subjectName(k *kind) string { return k.subject }
func elementName(k *kind) string { return k.element }

// kindNames lists the configurable names, for error texts.
func kindNames(of func(*kind) string) (names []string) {
	for i := range kinds {
		if n := of(&kinds[i]); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// AddressSubjects returns the names of the subjects that an address alone decides: itself
// and the networks around it.
func AddressSubjects() (names []string) {
	for i := range kinds {
		if k := &kinds[i]; k.subject != "" && k.from.address {
			names = append(names, k.subject)
		}
	}
	return names
}

// kindIndex is the place in kinds of the kind with that id, which may be any; -1
// where there is none.
func kindIndex(id byte) int { return int(kindIndexes[id]) }

var kindIndexes = func() (indexes [256]int8) {
	for id := range indexes {
		indexes[id] = int8(slices.IndexFunc(kinds[:], func(k kind) bool { return int(k.id) == id }))
	}
	return indexes
}()
