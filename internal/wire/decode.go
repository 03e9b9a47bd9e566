package wire

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"fraudcheck/internal/velocity"
)

// A DecodeError says why a body or query is not accepted: what was expected and where,
// never what was sent, which may be card data.
type DecodeError struct {
	Code    string // body_invalid, field_unknown, field_repeated or field_invalid
	Field   string // empty where no field is at fault, or its name must not be shown: see showable
	Detail  string // for people
	PANLike bool   // the value, of a wrong type, looks like a whole card number
}

// Error returns code, field and detail, separated by colons.
func (e *DecodeError) Error() string {
	if e.Field == "" {
		return e.Code + ": " + e.Detail
	}
	return e.Code + ": " + e.Field + ": " + e.Detail
}

// A FieldSet is the set of fields that a route takes: those of a kind of request in the
// table of fields of velocity.
type FieldSet velocity.Requests

// The sets of fields of the routes.
const (
	CheckFields   = FieldSet(velocity.CheckRequest)
	OutcomeFields = FieldSet(velocity.OutcomeRequest)
	SubjectFields = FieldSet(velocity.SubjectRequest)
	AttemptFields = FieldSet(velocity.AttemptRequest)
)

func (s FieldSet) has(f velocity.Field) bool { return f.In(velocity.Requests(s)) }

// admit finds the field with that name, compared exactly. The error is a *DecodeError
// when the route does not take it, or when f has it already, from this text or from the
// query before the body.
func (s FieldSet) admit(name string, f *velocity.Fields) (velocity.Field, error) {
	field, known := velocity.FieldByName(name)
	if !known || !s.has(field) {
		return 0, fieldUnknown(name, velocity.FieldNames(velocity.Requests(s)))
	}
	if f.Given(field) {
		return 0, fieldRepeated(field.String())
	}
	return field, nil
}

// PANLike reports whether a request has a value that looks like a whole card number (a
// primary account number, PAN), for the metric that counts those. err is why it was
// refused, nil where it was not; f holds the fields that were read before the error.
func PANLike(f *velocity.Fields, err error) bool {
	if err == nil || f.PANLike() {
		return f.PANLike()
	}
	var decodeErr *DecodeError // allocated, so not for a request that is well
	return errors.As(err, &decodeErr) && decodeErr.PANLike
}

// A Decoder reads a body into f, as [DecodeJSON] and [DecodeForm] do. allowed is the set
// of fields that the route takes; the error is a *[DecodeError].
type Decoder func(body string, allowed FieldSet, f *velocity.Fields) error

// DecoderFor returns the decoder for these values of Content-Type and Content-Encoding:
// that of JSON where there is no type, nil for types and encodings that are not
// supported, which the caller answers with [UnsupportedMedia].
func DecoderFor(contentType, contentEncoding []byte) Decoder {
	switch mediaOf(contentType, contentEncoding) {
	case mediaJSON:
		return DecodeJSON
	case mediaForm:
		return DecodeForm
	}
	return nil
}

// A media is a supported media type.
type media int

const (
	mediaOther media = iota
	mediaJSON
	mediaForm
)

// mediaOf returns the media type of a body. Parameters such as charset are not looked at:
// the text must be UTF-8 whatever they say. Only the encoding "identity" is supported; a
// compressed body could be far larger than MaxBody.
func mediaOf(contentType, contentEncoding []byte) media {
	if len(contentEncoding) > 0 && !equalFoldASCII(contentEncoding, "identity") {
		return mediaOther
	}
	name, _, _ := bytes.Cut(contentType, []byte(";"))
	switch name = bytes.TrimSpace(name); {
	case len(name) == 0, equalFoldASCII(name, "application/json"):
		return mediaJSON
	case equalFoldASCII(name, "application/x-www-form-urlencoded"):
		return mediaForm
	}
	return mediaOther
}

// equalFoldASCII compares ASCII words in any letter case. Comparing the lengths keeps out
// Unicode's look-alikes of ASCII letters, which take more bytes: bytes.EqualFold takes
// the Kelvin sign for a k.
func equalFoldASCII(b []byte, word string) bool {
	return len(b) == len(word) && bytes.EqualFold(b, []byte(word))
}

// bodyInvalid is the error of a text that breaks the grammar at that byte, from 0.
func bodyInvalid(at int, expected string) error {
	return &DecodeError{Code: "body_invalid", Detail: fmt.Sprintf("expected %s at byte %d", expected, at)}
}

// fieldInvalid is the error of a value that is not of the field's type or not UTF-8.
func fieldInvalid(field, expected string) error {
	return &DecodeError{Code: "field_invalid", Field: field, Detail: "expected " + expected}
}

// fieldRepeated is the error of a field that was given before.
func fieldRepeated(field string) error {
	return &DecodeError{Code: "field_repeated", Field: field, Detail: "given more than once"}
}

// fieldUnknown is the error of a name that the route does not take. It shows the name
// only where it cannot be card data. taken are the names of the fields that there are.
func fieldUnknown(name string, taken []string) error {
	if !showable(name) {
		name = ""
	}
	takes := strings.Join(taken, ", ")
	if takes == "" {
		takes = "none"
	}
	return &DecodeError{Code: "field_unknown", Field: name, Detail: "not a field of this request, which takes " + takes}
}

// The errors of a body that is well-formed, perhaps, as another media type.
var (
	jsonAsForm = &DecodeError{Code: "body_invalid", Detail: "this was read as a form; for JSON send Content-Type: application/json"}
	formAsJSON = &DecodeError{Code: "body_invalid", Detail: "this was read as JSON; for a form send Content-Type: application/x-www-form-urlencoded"}
)

// beginsAsJSON reports whether text can be JSON and no form.
func beginsAsJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

// beginsAsForm reports whether text can be a form and no JSON.
func beginsAsForm(text string) bool {
	name, _, found := strings.Cut(text, "=")
	return found && identifier.MatchString(name)
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)
	fiveDigits = regexp.MustCompile(`([0-9][^0-9]*){5}`)
)

// showable reports whether an unknown name may be shown in the answer: it looks like a
// mistyped name, and not like a value in a name's place, which may be a card number.
func showable(name string) bool {
	return identifier.MatchString(name) && !fiveDigits.MatchString(name)
}
