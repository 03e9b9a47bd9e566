package velocity

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The functions that judge the values of fields, for the table of fields. They are the
// only code that looks at an address or at card digits.

const (
	maxText = 256 // characters of a text such as email, device, cart or account
	maxID   = 128 // characters of card_id, attempt_id

	anAddress = "an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7"
)

func judgeAddress(text string) (value, bool) {
	address, ok := ParseAddress(text)
	return value{address: address}, ok
}

// NoIPReasons are why an attempt has no IP address: a renewal without the shopper, an order
// by phone, or the shop does not know it.
var NoIPReasons = []string{"renewal", "phone", "unknown"}

func judgeNoIP(text string) (value, bool) {
	return value{text: text}, slices.Contains(NoIPReasons, text)
}

func judgeText(text string) (value, bool) { return value{text: text}, isOfLength(text, maxText) }
func judgeID(text string) (value, bool)   { return value{text: text}, isOfLength(text, maxID) }

func judgeCardID(text string) (value, bool) {
	return value{text: text}, isOfLength(text, maxID) && !isPANLike(text)
}

// judgeMailbox drops the blanks around an e-mail address. Which mailbox it reaches is told
// where it is hashed: see mailboxIdentity.
func judgeMailbox(text string) (value, bool) {
	trimmed := strings.TrimSpace(text)
	return value{text: trimmed}, trimmed != "" && isOfLength(text, maxText)
}

// isOfLength reports whether text has from 1 to limit characters.
func isOfLength(text string, limit int) bool {
	n := utf8.RuneCountInString(text)
	return 1 <= n && n <= limit
}

func judgeLast4(text string) (value, bool) {
	return value{text: text}, len(text) == 4 && countDigits(text) == 4
}

func judgeMonth(text string) (value, bool) {
	n, ok := parseNumber(text)
	return value{number: n}, ok && len(text) <= 2 && 1 <= n && n <= 12
}

// judgeYear takes two digits as a year of this century.
func judgeYear(text string) (value, bool) {
	n, ok := parseNumber(text)
	if len(text) == 2 {
		return value{number: 2000 + n}, ok
	}
	return value{number: n}, ok && 2000 <= n && n <= 2099
}

// judgeExpiry reads an expiry as shops hold it: month and year with a slash or a blank
// between them (12/30, 12/2030), or nothing (1230, 122030), or year, hyphen and month
// (2030-12). Blanks may stand around each. The number is 100 times the year plus the month.
func judgeExpiry(text string) (value, bool) {
	text = trimBlanks(text)
	month, year, found := strings.Cut(text, "/")
	if !found {
		if year, month, found = strings.Cut(text, "-"); found && len(trimBlanks(year)) != 4 {
			return value{}, false // 12-30 may be either
		}
	}
	if !found {
		month, year, found = strings.Cut(text, " ")
	}
	if !found && (len(text) == 4 || len(text) == 6) {
		month, year = text[:2], text[2:]
	}
	m, validMonth := judgeMonth(trimBlanks(month))
	y, validYear := judgeYear(trimBlanks(year))
	return value{number: y.number*100 + m.number}, validMonth && validYear
}

// judgeTime reads a time as in RFC 3339, or Unix time: seconds, with a fraction or without,
// or milliseconds, which are told by their size: as seconds they would be after the year
// 5000. The number is in milliseconds since the Unix epoch, and at least 1.
func judgeTime(text string) (value, bool) {
	text = trimBlanks(text)
	if whole, fraction, found := strings.Cut(text, "."); isDigits(whole) && (!found || isDigits(fraction)) {
		const greatest = 1e11 // seconds
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n >= 1000*greatest {
			return value{}, false
		}
		if n < greatest {
			thousandths, _ := strconv.ParseInt((fraction + "000")[:3], 10, 64)
			n = 1000*n + thousandths
		}
		return value{number: int(max(n, 1))}, true
	}
	text = strings.ToUpper(text) // small letters are as good
	t, err := time.Parse(time.RFC3339, text)
	return value{number: int(max(t.UnixMilli(), 1))}, err == nil && rfc3339.MatchString(text)
}

// IsAttemptID reports whether a caller may send the text as attempt_id.
func IsAttemptID(text string) bool { return isOfLength(text, maxID) }

// RequireAttemptID returns a [FieldError] where the fields hold no valid attempt_id.
func RequireAttemptID(f *Fields) error {
	if !IsAttemptID(f.Value(FieldAttemptID)) {
		return &FieldError{Field: FieldAttemptID, Missing: !f.Has(FieldAttemptID), Expected: fields[FieldAttemptID].expected}
	}
	return nil
}

// ParseTime reads a time as the field "at" of an outcome is read: RFC 3339, or Unix time in
// seconds or milliseconds.
func ParseTime(text string) (Time, bool) {
	v, ok := judgeTime(text)
	return Time(v.number), ok
}

// rfc3339 is the form of a time; time.Parse takes a few others.
var rfc3339 = regexp.MustCompile(`^[0-9-]{10}T[0-9]{2}:[0-9:]{5}([.][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

func isDigits(text string) bool { return text != "" && countDigits(text) == len(text) }

// trimBlanks drops the blanks (space, tab, line end) around text.
func trimBlanks(text string) string { return strings.Trim(text, " \t\r\n") }

// parseNumber reads 1 to 4 ASCII digits.
func parseNumber(text string) (n int, ok bool) {
	if text == "" || len(text) > 4 || countDigits(text) != len(text) {
		return 0, false
	}
	for i := range len(text) {
		n = n*10 + int(text[i]-'0')
	}
	return n, true
}

func countDigits(text string) (n int) {
	for i := range len(text) {
		if isASCIIDigit(text[i]) {
			n++
		}
	}
	return n
}
