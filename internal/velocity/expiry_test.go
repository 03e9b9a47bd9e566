package velocity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpiryAsShopsHoldIt(t *testing.T) {
	for text, want := range map[string]int{
		"12/30": 203012, "12/2030": 203012, "1230": 203012, "122030": 203012, "2030-12": 203012,
		" 12/30 ": 203012, "12 / 30": 203012, "12 /2030": 203012, "12/ 30\r\n": 203012, "\t1230": 203012,
		"122030 ": 203012, "2030 - 12": 203012, " 2030-12\n": 203012, "12 30": 203012, "12  2030": 203012,
		"01/30": 203001, "1/30": 203001, "1/2030": 203001, "0130": 203001, "012030": 203001, "2030-01": 203001, "2030-1": 203001,
		"12/00": 200012, "12/99": 209912, "122000": 200012, "2099-12": 209912, "01/20": 202001,
		"": 0, " ": 0, "/": 0, "-": 0, "12": 0, "12/": 0, "/30": 0, "12/3": 0, "12/030": 0, "12/130": 0, "12/20300": 0,
		"13/30": 0, "00/30": 0, "0/30": 0, "001/30": 0, "12/1999": 0, "12/2100": 0, "1330": 0, "0030": 0, "3012": 0, "203012": 0,
		"12-30": 0, "30-12": 0, "12-2030": 0, "2030/12": 0, "2030-13": 0, "2030-00": 0, "2030-012": 0, "2030-12-31": 0, "2030": 0,
		"12/30/30": 0, "12.30": 0, "12.2030": 0, "123": 0, "12345": 0, "1 230": 0, "1 2/30": 0, "12/3 0": 0, "12\u00a0/\u00a030": 0,
		"１２/30": 0, "12/30x": 0, "x12/30": 0, "-1/30": 0, "+1/30": 0, "12/-30": 0, "Dec 2030": 0, "4242424242424242": 0,
		"é30": 0, "2030-12/": 0, "12/2030-12": 0, strings.Repeat("1", 8000): 0,
	} {
		v, ok := judgeExpiry(text)
		require.Equal(t, want != 0, ok, "%q", text)
		if ok {
			require.Equal(t, want, v.number, "%q", text)
		}
	}
}

func TestTheExpiryStandsInPlaceOfItsParts(t *testing.T) {
	card := func(pairs ...string) identity {
		return parseAttempt(t, append(pairs, "ip=203.0.113.7", "attempt_id=a")...).card
	}
	require.Equal(t, card("last4=4242", "exp_month=1", "exp_year=30"), card("last4=4242", "expiry=01/30"))
	require.NotEqual(t, card("last4=4242", "exp_month=1", "exp_year=30"), card("last4=4242", "expiry=02/30"))
	require.Equal(t, card("card_id=A"), card("card_id=A", "expiry=01/30"), "beside card_id it is no part of the card")
	require.Equal(t, card("last4=4242", "expiry=01/30"), card("last4=4242", "expiry=01/30", "exp_month=", "exp_year="))

	for _, c := range []struct {
		fields  string
		field   Field
		missing bool
	}{
		{"last4=4242 expiry=1/30 exp_month=1", FieldExpiry, false},
		{"last4=4242 expiry=1/30 exp_year=30", FieldExpiry, false},
		{"card_id=A expiry=1/30 exp_month=1 exp_year=30", FieldExpiry, false},
		{"last4=4242 expiry=13/30", FieldExpiry, false},
		{"card_id=A expiry=soon", FieldExpiry, false},
		{"expiry=1/30", FieldLast4, true},
		{"last4=4242 expiry=", FieldExpMonth, true},
		{"card=later expiry=1/30", FieldCard, false},
	} {
		_, err := ParseAttempt(fieldsOf(append(strings.Fields(c.fields), "ip=203.0.113.7", "attempt_id=a")...))
		var wrong *FieldError
		require.ErrorAs(t, err, &wrong, c.fields)
		require.Equal(t, c.field, wrong.Field, c.fields)
		require.Equal(t, c.missing, wrong.Missing, c.fields)
	}
}

// What is taken is a month and a year, and each of the forms of these is taken as the same.
func FuzzExpiry(f *testing.F) {
	for _, text := range []string{"12/30", "12/2030", "1230", "122030", "2030-12", " 1 / 30 ", "12-30", "é30"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := judgeExpiry(text)
		if !ok {
			return
		}
		month, year := v.number%100, v.number/100
		require.True(t, 1 <= month && month <= 12 && 2000 <= year && year <= 2099, "%q: %v", text, v)
		for _, form := range []string{
			fmt.Sprintf("%02d/%02d", month, year-2000), fmt.Sprintf("%02d/%d", month, year), fmt.Sprintf("%02d%02d", month, year-2000),
			fmt.Sprintf("%02d%d", month, year), fmt.Sprintf("%d-%02d", year, month),
		} {
			again, ok := judgeExpiry(form)
			require.True(t, ok, form)
			require.Equal(t, v, again, "%q and %s", text, form)
		}
	})
}
