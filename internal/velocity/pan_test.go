package velocity

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// zeros are "0" in some of the scripts of Unicode; the other digits follow it.
var zeros = []rune{'0', '٠', '۰', '०', '০', '០', '０', '𝟎', '𝟬', '🯰'}

// separators are neither digits nor letters, and stand between a card's digits wherever
// people or programs put them.
var separators = []rune(" -._/,:+*#\t\n\u00a0\u2007\u202f\u2009\u3000\u200b\ufeff–—•·．－\u0301😀")

// A spelling of the digits in some scripts, with separators anywhere.
func spell(t *rapid.T, digits string) string {
	var b strings.Builder
	between := func() {
		for _, c := range rapid.SliceOfN(rapid.SampledFrom(separators), 0, 2).Draw(t, "separators") {
			b.WriteRune(c)
		}
	}
	for _, d := range digits {
		between()
		b.WriteRune(rapid.SampledFrom(zeros).Draw(t, "script") + d - '0')
	}
	between()
	return b.String()
}

func TestACardNumberIsKnownInEverySpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{5,25}`).Draw(t, "digits")
		text := spell(t, digits)
		isLong := len(digits) >= 12 && len(digits) <= 19
		require.Equal(t, isLong, isPANLike(text), text)
		require.Equal(t, isLong && luhn(digits), hasPAN(text), text)
		require.True(t, hasOverFourDigits(text), text)
		letter := rapid.SampledFrom([]string{"x", "Z", "é", "ж", "中", "ª"}).Draw(t, "letter")
		require.False(t, isPANLike(letter+text), text)
		require.False(t, isPANLike(text+letter), text)

		_, err := ParseAttempt(fieldsOf("ip=203.0.113.7", "attempt_id=a", "card_id="+text))
		require.Equal(t, isLong || len([]rune(text)) > maxID, err != nil, text)
		a, err := ParseAttempt(fieldsOf("ip=203.0.113.7", "card_id=a", "attempt_id="+text))
		if len([]rune(text)) <= maxID {
			require.NoError(t, err, "it may be an order's number")
			require.Equal(t, text, a.texts[FieldAttemptID])
		}
	})
}

// luhn is the check of ISO/IEC 7812-1 as the standard words it: from the right, every
// second digit is doubled and its own digits are added.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return sum%10 == 0
}

func TestCheckDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"4111111111111111": true, "5555 5555 5555 4444": true, "378282246310005": true, "6011-0009-9013-9424": true, "３７８２８２２４６３１０００５": true,
		"4111111111111112": false, "4304509873471003": false, "1000000000000000": false, "0000": false, "": false,
		"411111111111111¹":       true, // which digits such characters are is not looked up
		"order-4111111111111111": false,
	} {
		require.Equal(t, want, hasPAN(text), text)
	}
}

// What digitValue relies on: the decimal digits of each script are ten neighbours.
func TestDigitsOfEveryScriptStandInTens(t *testing.T) {
	for _, r := range unicode.Nd.R16 {
		require.Zero(t, (int(r.Hi)-int(r.Lo)+1)%10, "%x", r.Lo)
		require.EqualValues(t, 1, r.Stride, "%x", r.Lo)
	}
	for _, r := range unicode.Nd.R32 {
		require.Zero(t, (int(r.Hi)-int(r.Lo)+1)%10, "%x", r.Lo)
		require.EqualValues(t, 1, r.Stride, "%x", r.Lo)
	}
}

// FuzzCardID holds that no card_id is taken that has 12 to 19 digits and no letter, and
// none refused as a card number that is not so.
func FuzzCardID(f *testing.F) {
	for _, seed := range []string{"tok_1", "4111111111111111", "4111.1111.1111.1111", "４１１１１１１１１１１１１１１１", "4\u00a01", "é", "\xff", "①②③"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		digits, letters := 0, 0
		for _, c := range text {
			if unicode.In(c, unicode.Nd, unicode.Nl, unicode.No) {
				digits++
			}
			if unicode.Is(unicode.L, c) {
				letters++
			}
		}
		like := letters == 0 && 12 <= digits && digits <= 19
		require.Equal(t, like, isPANLike(text))
		_, ok := judgeCardID(text)
		require.False(t, ok && like)
	})
}
