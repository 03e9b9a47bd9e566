package velocity

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A PAN (primary account number) is the whole number of a card: 12 to 19 digits (ISO/IEC
// 7812). Callers must not send one, and it arrives in many spellings.
const minPAN, maxPAN = 12, 19

// isPANLike reports whether text has 12 to 19 digits and no letter. Every number character
// of Unicode is a digit here (full-width, Arabic, superscript, ...), and everything that is
// neither digit nor letter a separator.
func isPANLike(text string) bool {
	digits := 0
	for _, c := range text {
		switch {
		case c < utf8.RuneSelf:
			if isASCIILetter(byte(c)) {
				return false
			}
			if isASCIIDigit(byte(c)) {
				digits++
			}
		case unicode.IsLetter(c):
			return false
		case unicode.IsNumber(c):
			digits++
		}
	}
	return minPAN <= digits && digits <= maxPAN
}

// hasPAN reports whether text looks like a card number and its last digit is the check
// digit of the others (Luhn, ISO/IEC 7812-1). Of numbers that are no card's one in ten has
// that.
func hasPAN(text string) bool {
	if !isPANLike(text) {
		return false
	}
	var even, odd int // sums with every second digit doubled, counted from the left
	for _, c := range text {
		if !unicode.IsNumber(c) {
			continue
		}
		d, known := digitValue(c)
		if !known {
			return true // such as a superscript: err on the side of a card number
		}
		doubled := 2*d - 9*(d/5)
		even, odd = odd+d, even+doubled
	}
	return even%10 == 0
}

var digitGroups = regexp.MustCompile(`\pN+`)

// holdsPAN reports whether free text may have a card number in it: 12 digits in a row, or
// groups of digits with one blank, hyphen or full stop between them that together have its
// check digit.
func holdsPAN(text string) bool {
	groups := digitGroups.FindAllStringIndex(text, -1)
	for i, first := range groups {
		if utf8.RuneCountInString(text[first[0]:first[1]]) >= minPAN {
			return true
		}
		for j := i + 1; j < len(groups); j++ {
			if gap := text[groups[j-1][1]:groups[j][0]]; len(gap) != 1 || !strings.Contains(" -.", gap) {
				break
			}
			if hasPAN(text[first[0]:groups[j][1]]) {
				return true
			}
		}
	}
	return false
}

// digitValue returns the value of a decimal digit. Every script's digits are ten
// neighbours, from 0 to 9.
func digitValue(c rune) (value int, known bool) {
	if c < utf8.RuneSelf {
		return int(c - '0'), true
	}
	for _, r := range unicode.Nd.R16 {
		if rune(r.Lo) <= c && c <= rune(r.Hi) {
			return int(c-rune(r.Lo)) % 10, true
		}
	}
	for _, r := range unicode.Nd.R32 {
		if rune(r.Lo) <= c && c <= rune(r.Hi) {
			return int(c-rune(r.Lo)) % 10, true
		}
	}
	return 0, false
}

// hasOverFourDigits reports whether text has more digits than a card shows at its end, in
// any spelling.
func hasOverFourDigits(text string) bool {
	digits := 0
	for _, c := range text {
		if unicode.IsNumber(c) {
			digits++
		}
	}
	return digits > 4
}

func isASCIIDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
