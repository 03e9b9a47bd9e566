package wire

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// DecodeStrings reads a body of a few strings, a flat JSON object or a form, as strictly
// as [DecodeJSON] and [DecodeForm] do: the user name and password of a login, the token
// of a refresh. names are the fields that it may have; the result lacks those that the
// body lacks or has as null, and an empty body has none. The error is a *[DecodeError], or the
// *[Problem] [UnsupportedMedia] for a body of another media type.
func DecodeStrings(body string, contentType, contentEncoding []byte, names ...string) (map[string]string, error) {
	values, seen := make(map[string]string, len(names)), make(map[string]bool, len(names))
	admit := func(name string) error {
		if !slices.Contains(names, name) {
			return fieldUnknown(name, names)
		}
		if seen[name] {
			return fieldRepeated(name)
		}
		seen[name] = true
		return nil
	}
	if body == "" {
		return values, nil
	}
	switch mediaOf(contentType, contentEncoding) {
	case mediaJSON:
		c := jsonCursor{text: body}
		return values, c.object(func() error { return c.stringMember(admit, values) })
	case mediaForm:
		return values, formPairs(body, func(name, raw string) error {
			if err := admit(name); err != nil {
				return err
			}
			value, err := formValue(name, raw)
			values[name] = value
			return err
		})
	}
	return nil, UnsupportedMedia
}

// stringMember reads a member whose value must be a string, or null, into values. admit
// judges the name before the value is read.
func (c *jsonCursor) stringMember(admit func(string) error, values map[string]string) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	if err := admit(name); err != nil {
		return err
	}
	if err := c.colon(); err != nil {
		return err
	}
	if strings.HasPrefix(c.text[c.at:], "null") {
		c.at += len("null")
		return nil
	}
	if !c.take('"') {
		if !strings.ContainsRune("-0123456789tfn{[", rune(c.peek())) {
			return c.expected("a value")
		}
		return fieldInvalid(name, "a string")
	}
	value, err := c.quoted()
	if err == nil && !c.ascii && !utf8.ValidString(value) {
		err = fieldInvalid(name, "valid UTF-8")
	}
	values[name] = value
	return err
}
