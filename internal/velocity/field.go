package velocity

import "fmt"

// A Field is one of the names a caller may send. Its String is the contract's
// spelling, in JSON, forms and URL parameters alike.
type Field uint8

// The fields of an attempt; then the one an outcome adds, and the two that name a
// subject to an analyst.
const (
	FieldIP Field = iota
	FieldLast4
	FieldExpMonth
	FieldExpYear
	FieldCardID
	FieldAttemptID
	FieldEmail
	FieldDevice
	FieldCart
	FieldAccount
	FieldOutcome
	FieldPer
	FieldValue
	fieldCount
)

var fieldNames = [fieldCount]string{
	"ip", "last4", "exp_month", "exp_year", "card_id", "attempt_id",
	"email", "device", "cart", "account", "outcome", "per", "value",
}

func (f Field) String() string { return fieldNames[f] }

// FieldByName finds the field a caller named; the spelling must be exact.
func FieldByName(name string) (Field, bool) {
	for f, n := range fieldNames {
		if n == name {
			return Field(f), true
		}
	}
	return 0, false
}

// Fields are the raw values of one request, before anything was judged. A field
// that was sent empty is present; one that was not sent is not.
type Fields struct {
	values  [fieldCount]string
	present uint16
}

// Set notes a value; it reports false when the field already has one.
func (f *Fields) Set(name Field, value string) bool {
	if f.Has(name) {
		return false
	}
	f.values[name] = value
	f.present |= 1 << name
	return true
}

// Has reports whether the field was sent.
func (f *Fields) Has(name Field) bool { return f.present&(1<<name) != 0 }

// Value is the field's raw text, empty when it was not sent.
func (f *Fields) Value(name Field) string { return f.values[name] }

// PANLike reports whether a field looks like a whole card number: more than four
// digits as last4, or a card_id of nothing but 12 to 19.
func (f *Fields) PANLike() bool {
	return PANLike(FieldLast4, f.Value(FieldLast4)) || PANLike(FieldCardID, f.Value(FieldCardID))
}

// PANLike reports whether the value looks like a whole card number in that field.
func PANLike(field Field, value string) bool {
	switch field {
	case FieldLast4:
		return countDigits(value) > 4
	case FieldCardID:
		return looksLikePAN(value)
	}
	return false
}

// A FieldError says what is wrong with one field, never what it held.
type FieldError struct {
	Field    Field
	Missing  bool   // the field was not sent
	PANLike  bool   // the value looks like a whole card number
	Expected string // what a valid value is, as the end of "expected ..."
}

func (e *FieldError) Error() string {
	if e.Missing {
		return fmt.Sprintf("%s is missing: expected %s", e.Field, e.Expected)
	}
	return fmt.Sprintf("%s is invalid: expected %s", e.Field, e.Expected)
}
