package velocity

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fieldsOf(pairs ...string) *Fields {
	f := new(Fields)
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		field, ok := FieldByName(name)
		if !ok || !f.Set(field, value) {
			panic(name)
		}
	}
	return f
}

func parseAttempt(t *testing.T, pairs ...string) Attempt {
	a, err := ParseAttempt(fieldsOf(pairs...))
	require.NoError(t, err, pairs)
	return a
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7":               "203.0.113.7",
		"2001:DB8::7":               "2001:db8::7",
		"::ffff:203.0.113.7":        "203.0.113.7",
		"::ffff:cb00:7107":          "203.0.113.7",
		"64:ff9b::203.0.113.7":      "203.0.113.7",
		"64:ff9b::cb00:7107":        "203.0.113.7",
		"64:ff9b:1::203.0.113.7":    "64:ff9b:1::cb00:7107",
		"::203.0.113.7":             "::cb00:7107",
		"0.0.0.0":                   "0.0.0.0",
		"::":                        "::",
		"fe80::1":                   "fe80::1",
		"2001:db8:0:0:0:0:0:1":      "2001:db8::1",
		"2001:db8::00AB":            "2001:db8::ab",
		"255.255.255.255":           "255.255.255.255",
		"":                          "",
		" 203.0.113.7":              "203.0.113.7",
		"203.0.113.7 ":              "203.0.113.7",
		"\t203.0.113.7\r\n":         "203.0.113.7",
		"203.0.113.7:80":            "203.0.113.7",
		"203.0.113.7:0":             "203.0.113.7",
		" 203.0.113.7:51234\n":      "203.0.113.7",
		"[2001:db8::1]":             "2001:db8::1",
		"[2001:db8::1]:443":         "2001:db8::1",
		" [::ffff:203.0.113.7]:443": "203.0.113.7",
		"[203.0.113.7]:443":         "203.0.113.7",
		"2001:db8::1:443":           "2001:db8::1:443", // without brackets all of it is the address
		"203.0.113.7:65536":         "",
		"203.0.113.7:-1":            "",
		"203.0.113.7:+1":            "",
		"203.0.113.7:http":          "",
		"203.0.113.7:":              "",
		"203.0.113.7: 80":           "",
		"203.0.113.7 :80":           "",
		"203.0.113.7:80:80":         "",
		":80":                       "",
		"[2001:db8::1":              "",
		"2001:db8::1]":              "",
		"[[2001:db8::1]]":           "",
		"[2001:db8::1]443":          "",
		"[2001:db8::1]:":            "",
		"[ 2001:db8::1 ]":           "",
		"[fe80::1%eth0]:443":        "",
		"[]:443":                    "",
		"\u00a0203.0.113.7":         "",
		"203.0.113.7, 203.0.113.8":  "",
		"unknown":                   "",
		"null":                      "",
		"203.0.113":                 "",
		"203.0.113.07":              "",
		"0xcb.0.113.7":              "",
		"3405803783":                "",
		"203.0.113.256":             "",
		"203.0.113.7/24":            "",
		"fe80::1%eth0":              "",
		"::ffff:203.0.113.7%eth0":   "",
		"2001:db8::1::":             "",
		"2001:db8":                  "",
		"localhost":                 "",
		"２０３.0.113.7":               "",
		"203.0.113.7\x00":           "",
		"2001:db8::12345":           "",
		"1:2:3:4:5:6:7:8:9":         "",
		strings.Repeat("1", 10_000): "",
	} {
		addr, ok := ParseAddress(text)
		require.Equal(t, want != "", ok, text)
		if ok {
			require.Equal(t, want, addr.String(), text)
		}
	}
}

func TestInvalidAttemptsNameTheField(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct {
		change  string // of a valid attempt: name=value, or -name
		field   Field
		missing bool
		panLike bool
	}{
		{"-ip", FieldIP, true, false},
		{"ip=", FieldIP, true, false},
		{"ip=10.0.0", FieldIP, false, false},
		{"-last4", FieldLast4, true, false},
		{"last4=", FieldLast4, true, false},
		{"last4=424", FieldLast4, false, false},
		{"last4=4 42", FieldLast4, false, false},
		{"last4=42a2", FieldLast4, false, false},
		{"last4=４２４２", FieldLast4, false, false},
		{"last4=42424", FieldLast4, false, true},
		{"last4=42.4.2-4", FieldLast4, false, true},
		{"last4=４２４２４", FieldLast4, false, true},
		{"last4=4242424242424242", FieldLast4, false, true},
		{"last4=4242 4242 4242 4242", FieldLast4, false, true},
		{"-exp_month", FieldExpMonth, true, false},
		{"exp_month=0", FieldExpMonth, false, false},
		{"exp_month=13", FieldExpMonth, false, false},
		{"exp_month=001", FieldExpMonth, false, false},
		{"exp_month=-1", FieldExpMonth, false, false},
		{"exp_month=1.0", FieldExpMonth, false, false},
		{"exp_month=", FieldExpMonth, true, false},
		{"-exp_year", FieldExpYear, true, false},
		{"exp_year=5", FieldExpYear, false, false},
		{"exp_year=130", FieldExpYear, false, false},
		{"exp_year=1999", FieldExpYear, false, false},
		{"exp_year=2100", FieldExpYear, false, false},
		{"exp_year=02030", FieldExpYear, false, false},
		{"exp_year=99999999999999999999", FieldExpYear, false, false},
		{"card_id=" + long(129), FieldCardID, false, false},
		{"card_id=424242424242", FieldCardID, false, true},
		{"card_id=4242-4242 4242-4242", FieldCardID, false, true},
		{"card_id=4111.1111.1111.1111", FieldCardID, false, true},
		{"card_id=4111_1111/1111+1111", FieldCardID, false, true},
		{"card_id=4111\u00a01111\u202f1111\u20091111", FieldCardID, false, true},
		{"card_id=４１１１１１１１１１１１１１１１", FieldCardID, false, true},
		{"card_id=٤١١١١١١١١١١١١١١١", FieldCardID, false, true},
		{"card_id=4111111111111¹①Ⅰ", FieldCardID, false, true},
		{"card_id=4304509873471003", FieldCardID, false, true},
		{"card_id=4242424242424242424", FieldCardID, false, true},
		{"attempt_id=" + long(129), FieldAttemptID, false, false},
		{"email= \t ", FieldEmail, false, false},
		{"email=" + long(257), FieldEmail, false, false},
		{"device=" + long(257), FieldDevice, false, false},
	} {
		f := fieldsOf("attempt_id=a")
		if strings.HasPrefix(c.change, "attempt_id") {
			f = new(Fields)
		}
		for _, p := range []string{"ip=203.0.113.7", "last4=4242", "exp_month=12", "exp_year=30", c.change} {
			name, value, given := strings.Cut(p, "=")
			changed, _, _ := strings.Cut(strings.TrimPrefix(c.change, "-"), "=")
			if !given || name == changed && p != c.change {
				continue
			}
			field, _ := FieldByName(name)
			require.True(t, f.Set(field, value))
		}
		_, err := ParseAttempt(f)
		var wrong *FieldError
		require.ErrorAs(t, err, &wrong, c.change)
		require.Equal(t, c.field, wrong.Field, c.change)
		require.Equal(t, c.missing, wrong.Missing, c.change)
		require.Equal(t, c.panLike, c.field.PANLike(f.Value(c.field)), c.change)
		if _, value, _ := strings.Cut(c.change, "="); len(value) > 3 {
			require.NotContains(t, wrong.Error(), value)
		}
	}
}

func TestSpellingsOfOneCardHaveOneIdentity(t *testing.T) {
	card := func(pairs ...string) identity {
		return parseAttempt(t, append(pairs, "ip=203.0.113.7")...).card
	}
	one := card("last4=4242", "exp_month=1", "exp_year=30")
	require.Equal(t, one, card("last4=4242", "exp_month=01", "exp_year=2030"))
	require.NotEqual(t, one, card("last4=4243", "exp_month=1", "exp_year=30"))
	require.NotEqual(t, one, card("last4=4242", "exp_month=11", "exp_year=30"))
	require.NotEqual(t, one, card("last4=4242", "exp_month=1", "exp_year=31"))
	require.NotEqual(t, one, card("card_id=4242"))

	id := card("card_id=tok_A")
	require.Equal(t, id, card("card_id=tok_A", "last4=4242", "exp_month=1", "exp_year=30"), "the fingerprint is the identity when given")
	require.Equal(t, id, card("card_id=tok_A", "last4=4242"))
	require.NotEqual(t, id, card("card_id=tok_a"))
	require.NotEqual(t, id, card("card_id= tok_A"))
	card("card_id=42424242424")          // 11 digits, no card number is that short
	card("card_id=42424242424242424242") // 20, nor that long
	card("card_id=card-4242424242424242")

	card("card_id=4111x1111x1111x1111")

	f := fieldsOf("ip=203.0.113.7", "card_id=tok_A", "last4=4242424242424242")
	_, err := ParseAttempt(f)
	var wrong *FieldError
	require.ErrorAs(t, err, &wrong, "what is sent must be valid all the same")
	require.True(t, f.PANLike())
}

func TestSpellingsOfOneMailboxHaveOneIdentity(t *testing.T) {
	email := func(text string) identity {
		a := parseAttempt(t, "ip=203.0.113.7", "card_id=t", "email="+text)
		return kindNamed("email", subjectName).from.identity(&a, nil)
	}
	require.Equal(t, email("eve@example.com"), email(" Eve@EXAMPLE.com\n"))
	require.NotEqual(t, email("émile@example.com"), email("Émile@example.com"), "ASCII only")
	require.Equal(t, email("eve@example.com"), email("eve+1@example.com"))

	exact := parseAttempt(t, "ip=203.0.113.7", "card_id=t", "device=D ", "cart=d ")
	again := parseAttempt(t, "ip=203.0.113.7", "card_id=t", "device=D ")
	require.NotEqual(t, exact.texts[FieldDevice], exact.texts[FieldCart])
	require.Equal(t, exact.texts[FieldDevice], again.texts[FieldDevice])
}

func TestTextsOfTheGreatestLengthAreHashedWhole(t *testing.T) {
	most := strings.Repeat("\U0001F6D2", maxText)
	a := parseAttempt(t, "ip=203.0.113.7", "card_id=t", "account="+most)
	b := parseAttempt(t, "ip=203.0.113.7", "card_id=t", "account="+most[:len(most)-4]+"\U0001F6D3")
	require.NotEqual(t, a.texts[FieldAccount], b.texts[FieldAccount])
}

func TestNetworksThatBeginAlikeAreApart(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8::1")
	require.NotEqual(t, networkIdentity(addr, 32, 64), networkIdentity(addr, 32, 56))
	require.NotEqual(t,
		networkIdentity(netip.MustParseAddr("::cb00:7107"), 32, 128),
		networkIdentity(netip.MustParseAddr("203.0.113.7"), 32, 128))
	require.Equal(t, "203.0.113.0/24", Network(netip.MustParseAddr("203.0.113.7")).String())
	require.Equal(t, "2001:db8:1::/48", Network(netip.MustParseAddr("2001:db8:1:2::3")).String())
}

func TestTheTablesHaveNoEntryTwice(t *testing.T) {
	seen := map[any]bool{byte(0): true, "": true}
	once := func(what any) {
		t.Helper()
		require.False(t, seen[what], "%v", what)
		seen[what] = true
	}
	for _, k := range kinds {
		once(k.id)
		if k.subject != "" {
			once("per " + k.subject)
			require.NotNil(t, k.from.name, "an analyst can name a subject: %s", k.subject)
		}
		if k.element != "" {
			once("count " + k.element)
		}
	}
	for _, f := range fields {
		once(f.name)
		require.NotZero(t, f.in, f.name)
		require.True(t, f.judge == nil || f.expected != "", "%s says what it expects", f.name)
	}
}
