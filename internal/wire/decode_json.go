package wire

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"fraudcheck/internal/velocity"
)

// DecodeJSON reads one flat JSON object (RFC 8259) into f. Beside what that grammar does
// not allow, it refuses nested values, repeated names and names in another spelling.
// Numbers are taken only for fields that may be numbers, and kept as they were sent.
// allowed is the set of fields that the route takes.
//
// Values without escapes are substrings of body, so the fields keep the whole body alive.
// After an error, a *[DecodeError], f holds the fields before the one at fault.
//
// It is written by hand because encoding/json accepts a name given twice and names in any
// letter case.
func DecodeJSON(body string, allowed FieldSet, f *velocity.Fields) error {
	c := jsonCursor{text: body}
	return c.object(func() error { return c.member(allowed, f) })
}

// A jsonCursor is a place in a JSON text. It needs no stack, since nothing nests in a
// request: a nested value is refused at its first byte.
type jsonCursor struct {
	text  string
	at    int  // of the next byte, from 0
	ascii bool // what quoted returned last is ASCII, and so UTF-8
}

// object reads an object that is all of the text. It calls member at the start of each
// member, to read the member's name and value.
func (c *jsonCursor) object(member func() error) error {
	c.skipSpace()
	if !c.take('{') {
		if beginsAsForm(c.text) {
			return formAsJSON
		}
		return c.expected("'{'")
	}
	c.skipSpace()
	for more := !c.take('}'); more; {
		c.skipSpace()
		if err := member(); err != nil {
			return err
		}
		c.skipSpace()
		if more = !c.take('}'); more && !c.take(',') {
			return c.expected("',' or '}'")
		}
	}
	c.skipSpace()
	if c.at < len(c.text) {
		return c.expected("nothing more")
	}
	return nil
}

// member reads one field into f.
func (c *jsonCursor) member(allowed FieldSet, f *velocity.Fields) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	field, err := allowed.admit(name, f)
	if err != nil {
		return err
	}
	if err := c.colon(); err != nil {
		return err
	}
	value, err := c.value(field)
	if err != nil {
		return err
	}
	f.Set(field, value) // admit has seen that f lacks it
	return nil
}

// colon reads the colon between a name and its value, with the blanks around it.
func (c *jsonCursor) colon() error {
	c.skipSpace()
	if !c.take(':') {
		return c.expected("':'")
	}
	c.skipSpace()
	return nil
}

// name reads the name of a member.
func (c *jsonCursor) name() (string, error) {
	start := c.at
	if !c.take('"') {
		return "", c.expected("a name in double quotes")
	}
	name, err := c.quoted()
	if err == nil && !c.ascii && !utf8.ValidString(name) {
		err = bodyInvalid(start, "a name in valid UTF-8")
	}
	return name, err
}

// value reads the field's value. The first byte tells its type, so a value of a wrong
// type is refused before it is read. The digits of a number are read all the same: a card
// number that was sent as one is to be counted. null is no value, and no text.
func (c *jsonCursor) value(field velocity.Field) (string, error) {
	number := field.Number()
	switch first := c.peek(); {
	case c.take('"'):
		value, err := c.quoted()
		if err != nil {
			return "", err
		}
		if !c.ascii && !utf8.ValidString(value) {
			return "", fieldInvalid(field.String(), "valid UTF-8")
		}
		return value, nil
	case number && (first == '-' || isDigit(first)):
		return c.number()
	case strings.HasPrefix(c.text[c.at:], "null"):
		c.at += len("null")
		return "", nil // as if it were absent
	// No value begins with that byte: the body is at fault, not the field.
	case !strings.ContainsRune("-0123456789tfn{[", rune(first)):
		return "", c.expected("a value")
	case number:
		return "", fieldInvalid(field.String(), "a number or a string")
	default:
		return "", &DecodeError{
			Code: "field_invalid", Field: field.String(), Detail: "expected a string",
			PANLike: field.PANLike(c.mantissa()),
		}
	}
}

// number reads a number and returns it as it was sent, 1.0 and 1e1 included.
func (c *jsonCursor) number() (string, error) {
	start := c.at
	c.take('-')
	if !c.take('0') && !c.digits() { // a digit after a leading zero is refused by the caller
		return "", c.expected("a digit")
	}
	if c.take('.') && !c.digits() {
		return "", c.expected("a digit")
	}
	if c.take('e') || c.take('E') {
		if !c.take('+') {
			c.take('-')
		}
		if !c.digits() {
			return "", c.expected("a digit")
		}
	}
	return c.text[start:c.at], nil
}

// digits steps over digits; it reports whether there was at least one.
func (c *jsonCursor) digits() bool {
	start := c.at
	for isDigit(c.peek()) {
		c.at++
	}
	return c.at > start
}

// mantissa reads what stands before the exponent of a number, whatever its grammar.
func (c *jsonCursor) mantissa() string {
	start := c.at
	for b := c.peek(); isDigit(b) || b == '-' || b == '.'; b = c.peek() {
		c.at++
	}
	return c.text[start:c.at]
}

// quoted reads the rest of a string after its opening quote. The caller checks that the
// result is valid UTF-8, and names the string in the error.
func (c *jsonCursor) quoted() (string, error) {
	var unescaped []byte // nil until there is an escape
	run := c.at          // where the text begins that is not in unescaped yet
	var bits byte        // of all bytes together
	for c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b == '"':
			last := c.text[run:c.at]
			c.at++
			if c.ascii = bits < utf8.RuneSelf && unescaped == nil; unescaped == nil {
				return last, nil
			}
			return string(append(unescaped, last...)), nil
		case b == '\\':
			var err error
			if unescaped, err = c.escape(append(unescaped, c.text[run:c.at]...)); err != nil {
				return "", err
			}
			run = c.at
		case b < 0x20:
			return "", c.expected("an escape in place of a control character")
		default:
			bits |= b
			c.at++
		}
	}
	return "", c.expected("a closing quote")
}

// escape reads one escape (RFC 8259 section 7) and appends the character for which it
// stands. Its error is at the backslash.
func (c *jsonCursor) escape(to []byte) ([]byte, error) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

	escape := c.text[c.at:]
	if strings.HasPrefix(escape, `\u`) {
		return c.unicodeEscape(to)
	}
	if len(escape) < 2 {
		return nil, c.expected("an escape")
	}
	i := strings.IndexByte(letters, escape[1])
	if i < 0 {
		return nil, c.expected("an escape")
	}
	c.at += 2
	return append(to, meanings[i]), nil
}

// unicodeEscape reads a \u escape, or two that are a surrogate pair. For a surrogate
// without its other half it appends a byte that is never valid UTF-8, so that the
// caller's check refuses it.
func (c *jsonCursor) unicodeEscape(to []byte) ([]byte, error) {
	r, ok := codeUnit(c.text[c.at:])
	if !ok {
		return nil, c.expected("an escape with four hexadecimal digits")
	}
	c.at += len(`\u0000`)
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(to, r), nil
	}
	low, _ := codeUnit(c.text[c.at:])
	pair := utf16.DecodeRune(r, low)
	if pair == utf8.RuneError {
		return append(to, 0xff), nil
	}
	c.at += len(`\u0000`)
	return utf8.AppendRune(to, pair), nil
}

// codeUnit reads the escape at the start of s: \u and four hexadecimal digits.
func codeUnit(s string) (rune, bool) {
	if len(s) < len(`\u0000`) || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// skipSpace steps over the four kinds of white space that JSON knows.
func (c *jsonCursor) skipSpace() {
	for c.at < len(c.text) && c.text[c.at] <= ' ' && (c.take(' ') || c.take('\n') || c.take('\r') || c.take('\t')) {
	}
}

// peek returns the byte at the cursor, 0 at the end: the grammar allows a NUL nowhere.
func (c *jsonCursor) peek() byte {
	if c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

// take steps over b if it is the byte at the cursor, and reports whether it was. At the
// end it is false for every b.
func (c *jsonCursor) take(b byte) bool {
	if c.at == len(c.text) || c.text[c.at] != b {
		return false
	}
	c.at++
	return true
}

// expected is the error for a text that has something else at the cursor.
func (c *jsonCursor) expected(what string) error { return bodyInvalid(c.at, what) }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
