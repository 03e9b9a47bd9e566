package wire

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// DecodeWords reads a body of a few strings, a flat JSON object or a form, as strictly as
// [DecodeJSON] and [DecodeForm] do. names are the fields that it may have; those that it
// lacks are not in the result. The error is a *[DecodeError], or a *[Problem] for a body
// of another media type.
func DecodeWords(body string, contentType, contentEncoding []byte, names ...string) (map[string]string, error) {
	words := make(map[string]string, len(names))
	admit := func(name string) error {
		if !slices.Contains(names, name) {
			return fieldUnknown(name)
		}
		if _, given := words[name]; given {
			return fieldRepeated(name)
		}
		return nil
	}
	if body == "" {
		return words, nil
	}
	switch mediaOf(contentType, contentEncoding) {
	case mediaJSON:
		c := jsonCursor{text: body}
		return words, c.object(func() error { return c.word(admit, words) })
	case mediaForm:
		return words, formPairs(body, func(name, raw string) error {
			if err := admit(name); err != nil {
				return err
			}
			value, err := formValue(name, raw)
			words[name] = value
			return err
		})
	}
	return nil, NoMedia
}

// word reads a member whose value must be a string into words.
func (c *jsonCursor) word(admit func(string) error, words map[string]string) error {
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
	if !c.take('"') {
		if !strings.ContainsRune("-0123456789tfn{[", rune(c.peek())) {
			return c.expected("a value")
		}
		return fieldInvalid(name, "a string")
	}
	value, err := c.quoted()
	if err == nil && !utf8.ValidString(value) {
		err = fieldInvalid(name, "valid UTF-8")
	}
	words[name] = value
	return err
}
