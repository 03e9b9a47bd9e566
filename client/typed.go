package fraudcheck

import (
	"strings"
	"unicode"
)

// The longest texts that the service takes, in characters.
const (
	maxTyped = 256 // of what the shopper types or brings along
	maxID    = 128
)

// acceptable returns the attempt with an AttemptID, and with what the shopper types made
// such that the service takes it: a shopper must not be able to prevent the check. All
// else is the shop's, and stays as it is.
func (a Attempt) acceptable() Attempt {
	// Text that remains does not consist of blanks; those behind it the service drops.
	a.Email = cut(strings.TrimLeftFunc(a.Email, unicode.IsSpace), maxTyped)
	a.Device = cut(a.Device, maxTyped)
	a.Cart = cut(a.Cart, maxTyped)
	a.Account = cut(a.Account, maxTyped)
	a.AttemptID = cut(idOf(a.AttemptID), maxID)
	return a
}

// cut returns the first characters of the text. A byte that is not UTF-8 is one: encoding
// as JSON replaces each.
func cut(text string, limit int) string {
	n := 0
	for at := range text {
		if n == limit {
			return text[:at]
		}
		n++
	}
	return text
}
