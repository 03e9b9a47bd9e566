package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"fraudcheck/internal/velocity"
)

// DecodeForm reads application/x-www-form-urlencoded text, a body or a URL's query, into
// f: name=value pairs separated by &, with + and %XX as escapes. allowed is the set of
// fields that the route takes. Values without escapes are substrings of text. After an
// error, a *[DecodeError], f holds the fields before the one at fault.
func DecodeForm(text string, allowed FieldSet, f *velocity.Fields) error {
	return formPairs(text, func(name, raw string) error {
		field, err := allowed.admit(name, f)
		if err != nil {
			return err
		}
		value, err := formValue(field.String(), raw)
		if err == nil {
			f.Set(field, value) // admit has seen that f lacks it
		}
		return err
	})
}

// formPairs calls add with each name and its value, which is still escaped, until add
// fails. An empty pair, as in a&&b, is refused. The error says so where the text is JSON.
func formPairs(text string, add func(name, raw string) error) error {
	err := eachPair(text, add)
	if err != nil && beginsAsJSON(text) {
		return jsonAsForm
	}
	return err
}

// eachPair is formPairs for text that is a form.
func eachPair(text string, add func(name, raw string) error) error {
	rest, more := text, text != ""
	for more {
		at := len(text) - len(rest) // the byte at which the pair begins
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		rawName, raw, ok := strings.Cut(pair, "=")
		if !ok {
			return bodyInvalid(at, "name=value")
		}
		name, ok := unescapeForm(rawName)
		if !ok {
			return bodyInvalid(at, "a name in valid percent-encoding")
		}
		if !utf8.ValidString(name) {
			return bodyInvalid(at, "a name in valid UTF-8")
		}
		if err := add(name, raw); err != nil {
			return err
		}
	}
	return nil
}

// formValue unescapes the value of a field; name is for the error. The value must be
// UTF-8.
func formValue(name, raw string) (string, error) {
	value, ok := unescapeForm(raw)
	if !ok {
		return "", fieldInvalid(name, "valid percent-encoding")
	}
	if !utf8.ValidString(value) {
		return "", fieldInvalid(name, "valid UTF-8")
	}
	return value, nil
}

// unescapeForm replaces + by a blank and %XX by the byte; it reports false for any other
// use of %. Text without an escape is returned as it is, without a copy.
func unescapeForm(s string) (string, bool) {
	if !strings.ContainsAny(s, "+%") {
		return s, true
	}
	unescaped := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			unescaped = append(unescaped, ' ')
		case '%':
			if len(s) < i+3 {
				return "", false
			}
			b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			unescaped = append(unescaped, byte(b))
			i += 2
		default:
			unescaped = append(unescaped, s[i])
		}
	}
	return string(unescaped), true
}
