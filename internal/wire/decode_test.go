package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

type decoder func(text string, allowed FieldSet, f *velocity.Fields) error

// The contract's lists, kept apart from the code's.
var (
	checkFields = []string{
		"ip", "last4", "exp_month", "exp_year", "card_id", "attempt_id",
		"email", "device", "cart", "account", "card", "no_ip", "expiry",
	}
	everyField = []string{
		"ip", "last4", "exp_month", "exp_year", "card_id", "attempt_id",
		"outcome", "email", "device", "cart", "account", "reason", "card", "no_ip", "expiry", "at",
	}
)

// sent lists what f holds, by the contract's names.
func sent(t testing.TB, f *velocity.Fields) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range everyField {
		field, ok := velocity.FieldByName(name)
		require.True(t, ok, name)
		if f.Has(field) {
			got[name] = f.Value(field)
		}
	}
	return got
}

func requireDecodeError(t testing.TB, err error) *DecodeError {
	t.Helper()
	var fault *DecodeError
	require.ErrorAs(t, err, &fault)
	return fault
}

func TestRoutesTakeTheirFields(t *testing.T) {
	for _, name := range everyField {
		field, ok := velocity.FieldByName(name)
		require.True(t, ok, name)
		assert.True(t, OutcomeFields.has(field), name)
		assert.Equal(t, slices.Contains(checkFields, name), CheckFields.has(field), name)
	}
}

func TestDecodeJSONAccepts(t *testing.T) {
	type values = map[string]string
	tests := []struct {
		name, body string
		want       values
	}{
		{"no fields", `{}`, values{}},
		{"white space around everything", " \t\r\n{ \t\r\n\"ip\" \t\r\n: \t\r\n\"a\" , \"cart\" : \"b\" } \t\r\n", values{"ip": "a", "cart": "b"}},
		{"every field", `{"ip":"a","last4":"b","exp_month":"c","exp_year":"d","card_id":"e","attempt_id":"f","email":"g","device":"h","cart":"i","account":"j","outcome":"k"}`,
			values{"ip": "a", "last4": "b", "exp_month": "c", "exp_year": "d", "card_id": "e", "attempt_id": "f", "email": "g", "device": "h", "cart": "i", "account": "j", "outcome": "k"}},
		{"a field sent empty is absent", `{"email":"","exp_month":"","ip":"a"}`, values{"ip": "a"}},
		{"null is absent", `{"email":null,"last4" : null ,"exp_month":null,"ip":"a","outcome":null}`, values{"ip": "a"}},
		{"expiry as numbers", `{"exp_month":4,"exp_year":2030}`, values{"exp_month": "4", "exp_year": "2030"}},
		{"numbers stay as they were written", `{"exp_month":-0.50e+10,"exp_year":1E2}`, values{"exp_month": "-0.50e+10", "exp_year": "1E2"}},
		{"a zero", `{"exp_month":0}`, values{"exp_month": "0"}},
		{"every short escape", `{"cart":"\"\\\/\b\f\n\r\t"}`, values{"cart": "\"\\/\b\f\n\r\t"}},
		{"text between escapes", `{"cart":"a\tb\u0063d"}`, values{"cart": "a\tbcd"}},
		{"hexadecimal in both cases", `{"cart":"\u00e9\u00E9"}`, values{"cart": "éé"}},
		{"an escaped NUL", `{"cart":"\u0000"}`, values{"cart": "\x00"}},
		{"a surrogate pair", `{"cart":"\ud83d\ude00"}`, values{"cart": "😀"}},
		{"a real replacement character", `{"cart":"\ufffd�"}`, values{"cart": "��"}},
		{"UTF-8 as it is", `{"email":"é😀"}`, values{"email": "é😀"}},
		{"DEL is no control character to JSON", "{\"cart\":\"\x7f\"}", values{"cart": "\x7f"}},
		{"an escaped name", `{"\u0069p":"a"}`, values{"ip": "a"}},
		{"JSON inside a string", `{"cart":"{\"ip\":[1]}"}`, values{"cart": `{"ip":[1]}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f velocity.Fields
			require.NoError(t, DecodeJSON(tt.body, OutcomeFields, &f))
			assert.Equal(t, tt.want, sent(t, &f))
		})
	}
}

func TestDecodeJSONRefusesBadGrammar(t *testing.T) {
	tests := []struct {
		name, body, detail string
	}{
		{"nothing", ``, "expected '{' at byte 0"},
		{"only white space", " \n", "expected '{' at byte 2"},
		{"a byte order mark", "\ufeff{}", "expected '{' at byte 0"},
		{"an array", `[]`, "expected '{' at byte 0"},
		{"a string", `"ip"`, "expected '{' at byte 0"},
		{"null", `null`, "expected '{' at byte 0"},
		{"white space of another alphabet", "\u00a0{}", "expected '{' at byte 0"},
		{"form feed is not white space", "\f{}", "expected '{' at byte 0"},
		{"only a brace", `{`, "expected a name in double quotes at byte 1"},
		{"a comma alone", `{,}`, "expected a name in double quotes at byte 1"},
		{"a trailing comma", `{"ip":"a",}`, "expected a name in double quotes at byte 10"},
		{"two commas", `{"ip":"a",,"cart":"b"}`, "expected a name in double quotes at byte 10"},
		{"no comma", `{"ip":"a" "cart":"b"}`, "expected ',' or '}' at byte 10"},
		{"a name without quotes", `{ip:"a"}`, "expected a name in double quotes at byte 1"},
		{"single quotes", `{'ip':'a'}`, "expected a name in double quotes at byte 1"},
		{"a comment", `{/* */"ip":"a"}`, "expected a name in double quotes at byte 1"},
		{"a number for a name", `{1:"a"}`, "expected a name in double quotes at byte 1"},
		{"no colon", `{"ip" "a"}`, "expected ':' at byte 6"},
		{"an equals sign", `{"ip"="a"}`, "expected ':' at byte 5"},
		{"no value", `{"ip":}`, "expected a value at byte 6"},
		{"cut before the value", `{"ip":`, "expected a value at byte 6"},
		{"a NUL for a value", "{\"ip\":\x00}", "expected a value at byte 6"},
		{"a bare word", `{"ip":allow}`, "expected a value at byte 6"},
		{"cut in a value", `{"ip":"a`, "expected a closing quote at byte 8"},
		{"cut in a name", `{"ip`, "expected a closing quote at byte 4"},
		{"cut after a value", `{"ip":"a"`, "expected ',' or '}' at byte 9"},
		{"cut after a number", `{"exp_month":1`, "expected ',' or '}' at byte 14"},
		{"trailing text", `{"ip":"a"}x`, "expected nothing more at byte 10"},
		{"a second object", `{}{}`, "expected nothing more at byte 2"},
		{"a trailing NUL", "{}\x00", "expected nothing more at byte 2"},
		{"a line feed in a string", "{\"ip\":\"a\n\"}", "expected an escape in place of a control character at byte 8"},
		{"a NUL in a string", "{\"ip\":\"\x00\"}", "expected an escape in place of a control character at byte 7"},
		{"a tab in a name", "{\"i\tp\":\"a\"}", "expected an escape in place of a control character at byte 3"},
		{"an unknown escape", `{"ip":"\x41"}`, "expected an escape at byte 7"},
		{"an upper case escape", `{"ip":"\U0041"}`, "expected an escape at byte 7"},
		{"an unknown escape in a name", `{"\q":"a"}`, "expected an escape at byte 2"},
		{"cut after a backslash", `{"ip":"\`, "expected an escape at byte 7"},
		{"too few digits in an escape", `{"ip":"\u12"}`, "expected an escape with four hexadecimal digits at byte 7"},
		{"a sign in an escape", `{"ip":"\u+123"}`, "expected an escape with four hexadecimal digits at byte 7"},
		{"an underscore in an escape", `{"ip":"\u1_23"}`, "expected an escape with four hexadecimal digits at byte 7"},
		{"a bad escape after half a pair", `{"ip":"\ud83d\uzzzz"}`, "expected an escape with four hexadecimal digits at byte 13"},
		{"cut after half a pair", `{"ip":"\ud83d`, "expected a closing quote at byte 13"},
		{"invalid UTF-8 in a name", "{\"i\xffp\":\"a\"}", "expected a name in valid UTF-8 at byte 1"},
		{"half a pair in a name", `{"\ud83d":"a"}`, "expected a name in valid UTF-8 at byte 1"},
		{"a leading zero", `{"exp_month":01}`, "expected ',' or '}' at byte 14"},
		{"a negative leading zero", `{"exp_month":-01}`, "expected ',' or '}' at byte 15"},
		{"a plus sign", `{"exp_month":+1}`, "expected a value at byte 13"},
		{"a minus alone", `{"exp_month":-}`, "expected a digit at byte 14"},
		{"a point without digits", `{"exp_month":1.}`, "expected a digit at byte 15"},
		{"a point first", `{"exp_month":.5}`, "expected a value at byte 13"},
		{"an exponent without digits", `{"exp_month":1e}`, "expected a digit at byte 15"},
		{"a signed exponent without digits", `{"exp_month":1e+}`, "expected a digit at byte 16"},
		{"a doubly signed exponent", `{"exp_month":1e+-1}`, "expected a digit at byte 16"},
		{"hexadecimal", `{"exp_month":0x4}`, "expected ',' or '}' at byte 14"},
		{"infinity", `{"exp_month":-Infinity}`, "expected a digit at byte 14"},
		{"not a number", `{"exp_month":NaN}`, "expected a value at byte 13"},
		{"nothing but brackets", strings.Repeat("[", 4000), "expected '{' at byte 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := DecodeJSON(tt.body, OutcomeFields, new(velocity.Fields))
			assert.Equal(t, &DecodeError{Code: "body_invalid", Detail: tt.detail}, requireDecodeError(t, err))
		})
	}
}

func TestDecodeJSONRefusesWrongValues(t *testing.T) {
	const text, numberOrText = "expected a string", "expected a number or a string"
	tests := []struct {
		name, body, field, detail string
	}{
		{"almost null", `{"ip":nul}`, "ip", text},
		{"true", `{"email":true}`, "email", text},
		{"false", `{"email":false}`, "email", text},
		{"an object", `{"cart":{}}`, "cart", text},
		{"an array", `{"cart":["a"]}`, "cart", text},
		{"a number for digits that may start with zero", `{"last4":4242}`, "last4", text},
		{"a negative number", `{"account":-1}`, "account", text},
		{"almost null for an expiry", `{"exp_month":nil}`, "exp_month", numberOrText},
		{"true for an expiry", `{"exp_year":true}`, "exp_year", numberOrText},
		{"an array for an expiry", `{"exp_year":[2030]}`, "exp_year", numberOrText},
		{"deep nesting, left unread", `{"cart":` + strings.Repeat("[", 4000), "cart", text},
		{"deep objects, left unread", `{"cart":` + strings.Repeat(`{"":`, 1000), "cart", text},
		{"invalid UTF-8", "{\"email\":\"a\xff\"}", "email", "expected valid UTF-8"},
		{"overlong UTF-8", "{\"email\":\"\xc0\xaf\"}", "email", "expected valid UTF-8"},
		{"UTF-8 cut short", "{\"email\":\"\xe2\x82\"}", "email", "expected valid UTF-8"},
		{"a surrogate in UTF-8", "{\"email\":\"\xed\xa0\x80\"}", "email", "expected valid UTF-8"},
		{"invalid UTF-8 beside an escape", "{\"email\":\"\\n\xff\"}", "email", "expected valid UTF-8"},
		{"a high surrogate alone", `{"email":"\ud83d"}`, "email", "expected valid UTF-8"},
		{"a low surrogate alone", `{"email":"\ude00"}`, "email", "expected valid UTF-8"},
		{"a pair the wrong way round", `{"email":"\ude00\ud83d"}`, "email", "expected valid UTF-8"},
		{"a high surrogate before another escape", `{"email":"\ud83d\u0041"}`, "email", "expected valid UTF-8"},
		{"a high surrogate before a pair", `{"email":"\ud83d\ud83d\ude00"}`, "email", "expected valid UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := DecodeJSON(tt.body, OutcomeFields, new(velocity.Fields))
			assert.Equal(t, &DecodeError{Code: "field_invalid", Field: tt.field, Detail: tt.detail}, requireDecodeError(t, err))
		})
	}
}

func TestDecodeFormAccepts(t *testing.T) {
	type values = map[string]string
	tests := []struct {
		name, text string
		want       values
	}{
		{"no fields", "", values{}},
		{"fields in any order", "exp_year=2030&ip=203.0.113.7", values{"exp_year": "2030", "ip": "203.0.113.7"}},
		{"a field sent empty is absent", "email=&ip=a&cart=", values{"ip": "a"}},
		{"a plus is a space", "cart=a+b", values{"cart": "a b"}},
		{"an escaped plus is a plus", "email=a%2Bb%40example.com", values{"email": "a+b@example.com"}},
		{"hexadecimal in both cases", "cart=%c3%a9%C3%A9", values{"cart": "éé"}},
		{"escaped separators", "cart=%26%3D%3B%25", values{"cart": "&=;%"}},
		{"UTF-8 as it is", "cart=é", values{"cart": "é"}},
		{"an equals sign in a value", "cart=a=b=", values{"cart": "a=b="}},
		{"a semicolon is an ordinary byte", "cart=a;ip=b", values{"cart": "a;ip=b"}},
		{"an escape is undone once", "cart=%2541", values{"cart": "%41"}},
		{"an escaped name", "%69p=a", values{"ip": "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f velocity.Fields
			require.NoError(t, DecodeForm(tt.text, OutcomeFields, &f))
			assert.Equal(t, tt.want, sent(t, &f))
		})
	}
}

func TestDecodeFormRefuses(t *testing.T) {
	const percent, utf8 = "expected valid percent-encoding", "expected valid UTF-8"
	tests := []struct {
		name, text string
		want       DecodeError
	}{
		{"an empty pair", "ip=a&&cart=b", DecodeError{Code: "body_invalid", Field: "", Detail: "expected name=value at byte 5"}},
		{"a leading ampersand", "&ip=a", DecodeError{Code: "body_invalid", Field: "", Detail: "expected name=value at byte 0"}},
		{"a trailing ampersand", "ip=a&", DecodeError{Code: "body_invalid", Field: "", Detail: "expected name=value at byte 5"}},
		{"only an ampersand", "&", DecodeError{Code: "body_invalid", Field: "", Detail: "expected name=value at byte 0"}},
		{"no equals sign", "ip", DecodeError{Code: "body_invalid", Field: "", Detail: "expected name=value at byte 0"}},
		{"a bad escape in a name", "i%zz=a", DecodeError{Code: "body_invalid", Field: "", Detail: "expected a name in valid percent-encoding at byte 0"}},
		{"invalid UTF-8 in a name", "ip=a&%ff=b", DecodeError{Code: "body_invalid", Field: "", Detail: "expected a name in valid UTF-8 at byte 5"}},
		{"a name with a space", "ip+=a", DecodeError{Code: "field_unknown", Field: "", Detail: "not a field of this request, which takes " + strings.Join(everyField, ", ")}},
		{"no name", "=a", DecodeError{Code: "field_unknown", Field: "", Detail: "not a field of this request, which takes " + strings.Join(everyField, ", ")}},
		{"a bad escape", "cart=%zz", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"half an escape", "cart=%4", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"a percent alone", "cart=%", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"an escape that ends in the next pair", "cart=%4&ip=a", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"a signed escape", "cart=%+1", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"an escape of another kind", "cart=%u0041", DecodeError{Code: "field_invalid", Field: "cart", Detail: percent}},
		{"escaped invalid UTF-8", "email=%ff", DecodeError{Code: "field_invalid", Field: "email", Detail: utf8}},
		{"raw invalid UTF-8", "email=\xff", DecodeError{Code: "field_invalid", Field: "email", Detail: utf8}},
		{"an escaped surrogate", "email=%ed%a0%80", DecodeError{Code: "field_invalid", Field: "email", Detail: utf8}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := DecodeForm(tt.text, OutcomeFields, new(velocity.Fields))
			assert.Equal(t, &tt.want, requireDecodeError(t, err))
		})
	}
}

func TestAFieldIsTakenOnce(t *testing.T) {
	tests := []struct {
		name   string
		decode decoder
		text   string
	}{
		{"JSON", DecodeJSON, `{"ip":"a","ip":"b"}`},
		{"JSON, the same value", DecodeJSON, `{"ip":"a","ip":"a"}`},
		{"JSON, empty the first time", DecodeJSON, `{"ip":"","ip":"a"}`},
		{"JSON, null the first time", DecodeJSON, `{"ip":null,"ip":"a"}`},
		{"JSON, null twice", DecodeJSON, `{"ip":null,"ip":null}`},
		{"form, empty the first time", DecodeForm, "ip=&ip=a"},
		{"JSON, escaped the second time", DecodeJSON, `{"ip":"a","i\u0070":"b"}`},
		{"JSON, escaped the first time", DecodeJSON, `{"\u0069p":"a","ip":"b"}`},
		{"JSON, of the wrong type the second time", DecodeJSON, `{"ip":"a","ip":null}`},
		{"form", DecodeForm, "ip=a&ip=b"},
		{"form, escaped the second time", DecodeForm, "ip=a&%69%70=b"},
		{"form, with a bad escape the second time", DecodeForm, "ip=a&ip=%"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fault := requireDecodeError(t, tt.decode(tt.text, CheckFields, new(velocity.Fields)))
			assert.Equal(t, &DecodeError{Code: "field_repeated", Field: "ip", Detail: "given more than once"}, fault)
		})
	}
}

// Clients that forget the Content-Type, or set a wrong one, are told.
func TestABodyOfTheOtherMediaTypeIsTold(t *testing.T) {
	for _, body := range []string{
		`{"ip":"203.0.113.7"}`, ` {"ip":"a=b"}`, "\r\n{}", `{"a":"b&c=d"}`, "[1]", `{"email":"a=%zz"}`,
	} {
		assert.Same(t, jsonAsForm, requireDecodeError(t, DecodeForm(body, CheckFields, new(velocity.Fields))), body)
		_, err := DecodeStrings(body, []byte("application/x-www-form-urlencoded"), nil, "username")
		assert.Same(t, jsonAsForm, requireDecodeError(t, err), body)
	}
	for _, body := range []string{"ip=203.0.113.7", "ip=", "ip=a&card_id=b", "username=x"} {
		assert.Same(t, formAsJSON, requireDecodeError(t, DecodeJSON(body, CheckFields, new(velocity.Fields))), body)
		_, err := DecodeStrings(body, nil, nil, "username")
		assert.Same(t, formAsJSON, requireDecodeError(t, err), body)
	}
	for _, body := range []string{"4111111111111111", "ip", "=ip", `"ip=a"`, "4111=a"} {
		assert.Contains(t, requireDecodeError(t, DecodeJSON(body, CheckFields, new(velocity.Fields))).Detail, "expected '{'", body)
	}
}

// A card number that was sent as a number, in any way that JSON writes one.
func TestACardNumberSentAsANumberIsTold(t *testing.T) {
	for number, like := range map[string]bool{
		"4111111111111111": true, "-4111111111111111": true, "4111111111111111.0": true, "4.111111111111111e15": true, "4111111111111111E0": true,
		"411111111": false, "4e15": false, "4.0e-400": false, "true": false, "[4111111111111111]": false,
	} {
		for _, field := range []string{"card_id", "last4"} {
			err := DecodeJSON(`{"`+field+`":`+number+`}`, CheckFields, new(velocity.Fields))
			fault := requireDecodeError(t, err)
			assert.Equal(t, field, fault.Field)
			assert.Equal(t, like || field == "last4" && number == "411111111", fault.PANLike, "%s: %s", field, number)
			assert.NotContains(t, fault.Error(), "4111")
		}
	}
}

func TestAFieldIsTakenOnceFromQueryAndBody(t *testing.T) {
	for name, decode := range map[string]func(f *velocity.Fields) error{
		"JSON": func(f *velocity.Fields) error { return DecodeJSON(`{"cart":"c","ip":"b"}`, CheckFields, f) },
		"form": func(f *velocity.Fields) error { return DecodeForm("cart=c&ip=b", CheckFields, f) },
	} {
		t.Run(name, func(t *testing.T) {
			var f velocity.Fields
			require.NoError(t, DecodeForm("ip=a", CheckFields, &f))
			fault := requireDecodeError(t, decode(&f))
			assert.Equal(t, "field_repeated", fault.Code)
			assert.Equal(t, "ip", fault.Field)
			assert.Equal(t, "a", f.Value(velocity.FieldIP), "the first value stays")
		})
	}
}

func TestUnknownNamesAreShownOnlyWhenHarmless(t *testing.T) {
	tests := []struct {
		why, name, shown string
	}{
		{"a name mistyped", "lastfour", "lastfour"},
		{"another letter case", "Last4", "Last4"},
		{"a field of another route", "outcome", "outcome"},
		{"an underscore first", "_ip", "_ip"},
		{"four digits in a row", "field1234", "field1234"},
		{"thirty-two letters", strings.Repeat("a", 32), strings.Repeat("a", 32)},
		{"thirty-three letters", strings.Repeat("a", 33), ""},
		{"five digits in a row", "field12345", ""},
		{"a card number", "4242424242424242", ""},
		{"a card number behind a letter", "a4242424242424242", ""},
		{"four digits apart", "a_4_1_1_1", "a_4_1_1_1"},
		{"five digits apart", "a_4_1_1_1_1", ""},
		{"a card number with underscores", "a_4111_1111_1111_1111", ""},
		{"a digit first", "4last", ""},
		{"a letter that only looks like one", "laſt4", ""},
		{"white space", "ip ", ""},
		{"an address", "203.0.113.7", ""},
		{"a line feed at the end", "ip\n", ""},
		{"no name", "", ""},
	}
	escape := strings.NewReplacer("\n", `\n`)
	encode := strings.NewReplacer(" ", "+", "\n", "%0A")
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			want := &DecodeError{Code: "field_unknown", Field: tt.shown, Detail: "not a field of this request, which takes " + strings.Join(checkFields, ", ")}
			err := DecodeJSON(`{"`+escape.Replace(tt.name)+`":"a"}`, CheckFields, new(velocity.Fields))
			assert.Equal(t, want, requireDecodeError(t, err))
			err = DecodeForm(encode.Replace(tt.name)+"=a", CheckFields, new(velocity.Fields))
			assert.Equal(t, want, requireDecodeError(t, err))
		})
	}
}

func TestErrorsNeverRepeatAValue(t *testing.T) {
	const secret = "4242424242424242"
	tests := []struct {
		name   string
		decode decoder
		text   string
	}{
		{"a value repeated", DecodeJSON, `{"cart":"` + secret + `","cart":"` + secret + `"}`},
		{"a number for a string", DecodeJSON, `{"last4":` + secret + `}`},
		{"a number with a leading zero", DecodeJSON, `{"exp_month":0` + secret + `}`},
		{"a value in a name's place", DecodeJSON, `{"` + secret + `":"a"}`},
		{"text after a value", DecodeJSON, `{"cart":"a"` + secret + `}`},
		{"text after the object", DecodeJSON, `{}` + secret},
		{"invalid UTF-8", DecodeJSON, `{"cart":"` + secret + "\xff\"}"},
		{"a bad escape", DecodeJSON, `{"cart":"` + secret + `\u42"}`},
		{"a form value repeated", DecodeForm, "cart=" + secret + "&cart=" + secret},
		{"a form without a name", DecodeForm, secret},
		{"a form with a value for a name", DecodeForm, secret + "=a"},
		{"a form with a bad escape", DecodeForm, "cart=" + secret + "%"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.decode(tt.text, CheckFields, new(velocity.Fields))
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "4242")
		})
	}
}

func TestDecodeErrorReadsAsOneLine(t *testing.T) {
	assert.EqualError(t, &DecodeError{Code: "body_invalid", Detail: "expected '{' at byte 0"},
		"body_invalid: expected '{' at byte 0")
	assert.EqualError(t, &DecodeError{Code: "field_invalid", Field: "ip", Detail: "expected a string"},
		"field_invalid: ip: expected a string")
}

func TestDecodingAllocatesNothing(t *testing.T) {
	tests := []struct {
		name   string
		decode decoder
		text   string
	}{
		{"JSON", DecodeJSON, `{"ip": "203.0.113.7", "last4": "4242", "exp_month": 4, "exp_year": "2030", "email": "é@example.com"}`},
		{"form", DecodeForm, "ip=203.0.113.7&last4=4242&exp_month=4&exp_year=2030&email=é@example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f velocity.Fields
			require.NoError(t, tt.decode(tt.text, CheckFields, &f))
			require.Len(t, sent(t, &f), 5)
			allocations := testing.AllocsPerRun(100, func() {
				f = velocity.Fields{}
				_ = tt.decode(tt.text, CheckFields, &f)
			})
			assert.Zero(t, allocations)
		})
	}
}
