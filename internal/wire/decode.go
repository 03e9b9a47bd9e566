package wire

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"fraudcheck/internal/velocity"
)

// DecodeError is a request body or query that cannot be taken. It tells what
// was expected and where, never what was sent: a value may be card data.
type DecodeError struct {
	Code   string // body_invalid, field_unknown, field_repeated or field_invalid
	Field  string // empty when no field is at fault, or its name is unfit to show
	Detail string
	// PANLike: the value, of a wrong type, looks like a whole card number.
	PANLike bool
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return e.Code + ": " + e.Detail
	}
	return e.Code + ": " + e.Field + ": " + e.Detail
}

// FieldSet is the set of fields that a route takes: those of a request. Which ones
// they are, velocity's table of fields says.
type FieldSet velocity.Requests

// The fields of each route that takes any.
const (
	CheckFields   = FieldSet(velocity.CheckRequest)
	OutcomeFields = FieldSet(velocity.OutcomeRequest)
	SubjectFields = FieldSet(velocity.SubjectRequest)
)

func (s FieldSet) has(f velocity.Field) bool { return f.In(velocity.Requests(s)) }

// admit finds the field that a request named, if it may be given and was not yet:
// by this text or, when a body follows a query, by the one before.
func (s FieldSet) admit(name string, f *velocity.Fields) (velocity.Field, error) {
	field, known := velocity.FieldByName(name)
	if !known || !s.has(field) {
		return 0, fieldUnknown(name)
	}
	if f.Has(field) {
		return 0, fieldRepeated(field.String())
	}
	return field, nil
}

// PANLike reports whether a request that was refused for err, and of which f holds
// what could be read, has what looks like a whole card number.
func PANLike(f *velocity.Fields, err error) bool {
	var undecoded *DecodeError
	return f.PANLike() || errors.As(err, &undecoded) && undecoded.PANLike
}

// A Decoder reads a body into f. See DecodeJSON and DecodeForm.
type Decoder func(body string, allowed FieldSet, f *velocity.Fields) error

// DecoderFor chooses by the values of Content-Type and Content-Encoding: JSON where
// there is no type, nil for a body nobody can read.
func DecoderFor(contentType, contentEncoding []byte) Decoder {
	switch mediaOf(contentType, contentEncoding) {
	case mediaJSON:
		return DecodeJSON
	case mediaForm:
		return DecodeForm
	}
	return nil
}

// media is how a body is written.
type media int

const (
	mediaOther media = iota
	mediaJSON
	mediaForm
)

func mediaOf(contentType, contentEncoding []byte) media {
	if len(contentEncoding) > 0 && !isWord(contentEncoding, "identity") {
		return mediaOther
	}
	name, _, _ := bytes.Cut(contentType, []byte(";"))
	switch name = bytes.TrimSpace(name); {
	case len(name) == 0, isWord(name, "application/json"):
		return mediaJSON
	case isWord(name, "application/x-www-form-urlencoded"):
		return mediaForm
	}
	return mediaOther
}

// isWord compares ASCII words without regard to case. Only the length keeps
// Unicode's look-alikes out, which are all longer.
func isWord(b []byte, word string) bool {
	return len(b) == len(word) && bytes.EqualFold(b, []byte(word))
}

// bodyInvalid is a fault of grammar; at counts bytes from 0.
func bodyInvalid(at int, expected string) error {
	return &DecodeError{Code: "body_invalid", Detail: fmt.Sprintf("expected %s at byte %d", expected, at)}
}

func fieldInvalid(field, expected string) error {
	return &DecodeError{Code: "field_invalid", Field: field, Detail: "expected " + expected}
}

func fieldRepeated(field string) error {
	return &DecodeError{Code: "field_repeated", Field: field, Detail: "given more than once"}
}

func fieldUnknown(name string) error {
	if !showable(name) {
		name = ""
	}
	return &DecodeError{Code: "field_unknown", Field: name, Detail: "not a field of this request"}
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)
	digitRun   = regexp.MustCompile(`[0-9]{5}`)
)

// showable tells a mistyped name, worth showing to its author, from a value
// that strayed into a name's place: a card number must not come back.
func showable(name string) bool {
	return identifier.MatchString(name) && !digitRun.MatchString(name)
}
