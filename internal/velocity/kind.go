package velocity

import (
	"fmt"
	"slices"
)

// A kind is something that a rule can watch (a subject), count (an element), or both. An
// entry of the table of kinds is all that the program knows of it.
type kind struct {
	id      byte    // in store keys and records: not 0, never changed, never reused
	subject string  // the name after "per:"; empty for a kind that cannot be watched
	element string  // the name after "count:"; empty for a kind that cannot be counted
	logged  string  // the name in the decision log of a kind that cannot be watched; empty for one that is not in it
	from    *source // where in an attempt it is
	grows   growth  // which attempts add to the count
	// declines: an element is added when the issuer declined, never by a check.
	declines bool
	// completes: an element is added when an outcome tells the card of a check that did not
	// know it, never by a check.
	completes bool
	// warning is shown for a rule that watches the kind, enforcedWarning for such a rule
	// that is enforced; empty for none.
	warning, enforcedWarning string
}

// kinds is the table of kinds: to add one, add an entry; nothing else lists them. Their
// order is that of the names in messages, and has no other meaning.
var kinds = [...]kind{
	{id: 1, subject: "ip", element: "ips", from: fromAddress(func(p *Plan) (bits4, bits6 int) { return 32, p.ipv6Prefix })},
	{id: 2, subject: "network", from: fromAddress(func(*Plan) (bits4, bits6 int) { return networkBits4, networkBits6 })},
	{id: 3, subject: "card", element: "cards", from: fromCard, grows: byCard,
		warning: "counts per card: send card_id, or strangers whose cards share last four digits and expiry are counted as one"},
	{id: 4, subject: "email", element: "emails", from: fromMailbox("email"),
		enforcedWarning: "blocks by email: an attacker can fill a victim's address and lock the victim out; consider mode: shadow"},
	{id: 5, subject: "device", element: "devices", from: fromText("device")},
	{id: 6, subject: "cart", from: fromText("cart")},
	{id: 7, subject: "account", element: "accounts", from: fromText("account")},
	{id: 8, element: "attempts", from: fromAttempt, grows: byAttempt},
	{id: 9, element: "declined_cards", from: fromCard, declines: true},
	// Every rule on declines has this list, so that an outcome delivered twice counts once.
	{id: declinesID, element: "declines", from: fromAttempt, declines: true},
	{id: 11, element: "expiries", logged: "expiry", from: fromExpiry},
	// The attempts whose card an outcome has told, so that it counts once too. No rule can
	// name them.
	{id: completedID, from: fromAttempt, completes: true},
}

const (
	declinesID  = 10
	completedID = 13
)

// A growth says which of a subject's attempts add an element of the kind, as far as an
// analyst can be told before the next one.
type growth uint8

const (
	unforeseen growth = iota // that depends on what the attempt shows beside the card
	byCard                   // an attempt with a card that does not count yet
	byAttempt                // every attempt that is not a retry
)

// A source is the part of an attempt that makes a kind's identity. Two kinds that share a
// source count the same thing in two ways.
type source struct {
	// identity returns the identity in this attempt; unknown where the attempt has none.
	identity func(*Attempt, *Plan) identity
	// name reads into the attempt the fields by which an analyst names a subject: value,
	// or others in its place. The error is a *FieldError. nil for a kind that cannot be
	// watched.
	name func(*Attempt, *Fields) error
	// address: the shopper's address alone makes the identity.
	address bool
	field   Field // whose text alone makes the identity; 0 for none
}

var (
	fromCard = &source{
		identity: func(a *Attempt, _ *Plan) identity { return a.card },
		name: func(a *Attempt, f *Fields) error {
			if f.Has(FieldValue) {
				return &FieldError{Field: FieldValue, Expected: "no value: a card is named by card_id, or by last4 and its expiry"}
			}
			return a.parse(f, SubjectRequest)
		},
	}
	fromAttempt = &source{
		identity: func(a *Attempt, _ *Plan) identity { return attemptIdentity(a.texts[FieldAttemptID], &a.card) },
	}
	fromExpiry = &source{
		identity: func(a *Attempt, _ *Plan) identity { return expiryIdentity(a.month, a.year) },
	}
)

// fromAddress is the network around the shopper's address with these lengths in bits, for
// IPv4 and IPv6.
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

// fromText is the exact bytes of the field with that name.
func fromText(name string) *source { return fromField(name, textIdentity) }

// fromMailbox is the field with that name, as the mailbox that an e-mail address reaches.
func fromMailbox(name string) *source { return fromField(name, mailboxIdentity) }

func fromField(name string, of func(text string) identity) *source {
	field, ok := FieldByName(name)
	if !ok { // a mistake in the table of kinds: no program with it starts
		panic(fmt.Sprintf("velocity: the table of fields has no %q", name))
	}
	return &source{
		field:    field,
		identity: func(a *Attempt, _ *Plan) identity { return of(a.texts[field]) },
		name: func(a *Attempt, f *Fields) error {
			v, err := subjectValue(f, field)
			a.texts[field] = v.text
			return err
		},
	}
}

// subjectValue reads the field value, judged as that field, and refuses the other fields
// that can name a subject. The error is a *FieldError.
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

// kindNamed returns the kind with that name as of gives it, which is subjectName or
// elementName; nil where there is none.
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

// kindNames returns the names that of gives, for error texts.
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

// kindIndex returns the index in kinds of the kind with that id; -1 where there is none.
// Ids need not be dense.
func kindIndex(id byte) int { return int(kindIndexes[id]) }

var kindIndexes = func() (indexes [256]int8) {
	for id := range indexes {
		indexes[id] = int8(slices.IndexFunc(kinds[:], func(k kind) bool { return int(k.id) == id }))
	}
	return indexes
}()
