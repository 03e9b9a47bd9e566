package wire

import (
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

// FuzzDecodeJSON holds DecodeJSON against referenceJSON: the same bodies are
// taken, with the same values.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, ` { } `, `{}{}`, `null`, `[]`, "\ufeff{}",
		`{"ip":"203.0.113.7","last4":"4242","exp_month":4,"exp_year":2030}`,
		`{"ip":"a","email":"é@example.com","device":"b","cart":"c","account":"d","card_id":"e","attempt_id":"f"}`,
		`{"outcome":"declined"}`,
		`{"ip":"a","ip":"b"}`, `{"ip":"a","i\u0070":"b"}`,
		`{"ip":null,"email":""}`, `{"ip":null,"ip":"a"}`, `{"ip":nulL}`, `{"exp_month":null}`, `{"reason":"other"}`,
		`{"IP":"a"}`, `{"laſt4":"4242"}`, `{"last4":4242}`, `{"ip":null}`,
		`{"ip":"a"} x`, `{"ip":"a",}`, `{"ip":"a"}` + "\x00", `{"ip":"a"/**/}`,
		`{"exp_month":01}`, `{"exp_month":1.}`, `{"exp_month":-1.5e+7}`, `{"exp_month":"04"}`, `{"exp_month":+1}`,
		`{"cart":"\"\\\/\b\f\n\r\t\u0041"}`, `{"cart":"\ud83d\ude00"}`, `{"cart":"\ud83d"}`, `{"cart":"\ud83d\ud83d\ude00"}`,
		`{"cart":"\\ud83d"}`, `{"cart":"\ufffd"}`, "{\"cart\":\"\xff\"}", "{\"cart\":\"a\nb\"}", `{"cart":"\uD83D\u0041"}`,
		strings.Repeat("[", 4000), `{"cart":` + strings.Repeat("[", 4000), `{"cart":{"ip":"a"}}`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, outcome bool) {
		var got velocity.Fields
		err := DecodeJSON(body, routeFields(outcome), &got)
		want, ok := referenceJSON(body, outcome)
		if !ok {
			requireHarmless(t, err)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, want, sent(t, &got))
	})
}

// FuzzDecodeForm asks that what DecodeForm takes means the same to net/url, and
// the same again after net/url has written it.
func FuzzDecodeForm(f *testing.F) {
	for _, seed := range []string{
		"", "&", "=", "ip", "ip=", "ip=a&", "ip=a&&cart=b", "ip=a&ip=b", "ip=a&%69p=b",
		"ip=203.0.113.7&last4=4242&exp_month=4&exp_year=2030", "outcome=declined",
		"cart=a+b%20c%2B", "cart=%zz", "cart=%4", "cart=%", "cart=%+1", "cart=a;ip=b", "cart=a=b", "cart=%2541",
		"email=é", "email=%c3%a9", "email=%ff", "email=\xff", "email=%ed%a0%80",
		"IP=a", "laſt4=4242", "4242424242424242=a", "ip%00=a",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, outcome bool) {
		allowed := routeFields(outcome)
		var first velocity.Fields
		if err := DecodeForm(text, allowed, &first); err != nil {
			requireHarmless(t, err)
			require.False(t, referenceForm(text, outcome), "refused a good form")
			return
		}
		require.True(t, referenceForm(text, outcome), "took a bad form")

		// net/url refuses a bare ';', an ordinary byte here.
		values, err := url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
		require.NoError(t, err)
		require.Equal(t, sent(t, &first), single(t, values))

		var again velocity.Fields
		require.NoError(t, DecodeForm(values.Encode(), allowed, &again))
		assert.Equal(t, first, again)
	})
}

func routeFields(outcome bool) FieldSet {
	if outcome {
		return OutcomeFields
	}
	return CheckFields
}

// routeTakes says the same as routeFields, from the contract's list.
func routeTakes(name string, outcome bool) bool {
	for _, known := range everyField {
		if name == known {
			return outcome || name != "outcome" && name != "reason"
		}
	}
	return false
}

// referenceJSON reads a body by way of encoding/json, closing every gap that
// package leaves open; ok says whether the contract lets the body in.
func referenceJSON(body string, outcome bool) (values map[string]string, ok bool) {
	if !json.Valid([]byte(body)) || !utf8.ValidString(body) || loneSurrogate(body) {
		return nil, false
	}
	tokens := json.NewDecoder(strings.NewReader(body))
	tokens.UseNumber()
	if open, err := tokens.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	values, seen := map[string]string{}, map[string]bool{}
	for tokens.More() {
		token, err := tokens.Token()
		name, isString := token.(string)
		if err != nil || !isString || !routeTakes(name, outcome) {
			return nil, false
		}
		if seen[name] {
			return nil, false
		}
		seen[name] = true
		token, err = tokens.Token()
		if err != nil {
			return nil, false
		}
		switch value := token.(type) {
		case nil:
		case string:
			if value != "" {
				values[name] = value
			}
		case json.Number:
			if name != "exp_month" && name != "exp_year" {
				return nil, false
			}
			values[name] = value.String()
		default:
			return nil, false
		}
	}
	if end, err := tokens.Token(); err != nil || end != json.Delim('}') {
		return nil, false
	}
	_, err := tokens.Token()
	return values, err == io.EOF
}

// Matched from left to right, so that an escaped backslash hides what follows
// it, and a pair hides its halves; the group is a half that was left.
var escapes = regexp.MustCompile(`\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)`)

// loneSurrogate looks for what encoding/json would turn into U+FFFD. The body
// is valid JSON, so backslashes are in strings only.
func loneSurrogate(body string) bool {
	for _, match := range escapes.FindAllStringSubmatch(body, -1) {
		if match[1] != "" {
			return true
		}
	}
	return false
}

// referenceForm says by way of net/url whether the contract lets a form in.
func referenceForm(text string, outcome bool) bool {
	if text == "" {
		return true
	}
	seen := map[string]bool{}
	for _, pair := range strings.Split(text, "&") {
		rawName, rawValue, ok := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if !ok || nameErr != nil || valueErr != nil || seen[name] || !routeTakes(name, outcome) || !utf8.ValidString(value) {
			return false
		}
		seen[name] = true
	}
	return true
}

func single(t *testing.T, values url.Values) map[string]string {
	t.Helper()
	flat := map[string]string{}
	for name, all := range values {
		require.Len(t, all, 1)
		if all[0] != "" { // an empty field is absent
			flat[name] = all[0]
		}
	}
	return flat
}

var (
	harmlessDetail = regexp.MustCompile(`^(` +
		`given more than once|not a field of this request, which takes [a-z0-9_, ]+|this was read as (a form|JSON); for (JSON|a form) send Content-Type: application/(json|x-www-form-urlencoded)|` +
		`expected (a string|a number or a string|valid UTF-8|valid percent-encoding)|` +
		`expected ('\{'|':'|',' or '\}'|a value|a digit|a closing quote|nothing more|name=value|an escape` +
		`|an escape with four hexadecimal digits|an escape in place of a control character` +
		`|a name in (double quotes|valid UTF-8|valid percent-encoding)) at byte [0-9]+)$`)
	harmlessField = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,31})?$`)
)

// requireHarmless holds that an error is one of the contract's and made of
// nothing but our own words and, perhaps, a name.
func requireHarmless(t *testing.T, err error) {
	t.Helper()
	fault := requireDecodeError(t, err)
	require.Contains(t, []string{"body_invalid", "field_unknown", "field_repeated", "field_invalid"}, fault.Code)
	require.Regexp(t, harmlessDetail, fault.Detail)
	require.Regexp(t, harmlessField, fault.Field)
	require.NotRegexp(t, `([0-9].*){5}`, fault.Field)
}
