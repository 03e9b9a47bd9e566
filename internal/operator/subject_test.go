package operator_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// onEverySubject are rules on each kind of subject.
var onEverySubject = []velocity.Rule{
	rule("by_ip", "ip", 1), rule("by_network", "network", 1), counting(rule("by_card", "card", 1), "ips"),
	rule("by_email", "email", 1), rule("by_device", "device", 1), rule("by_cart", "cart", 1), rule("by_account", "account", 1),
}

// attackOn is an attempt that has every subject, the n-th from one shopper.
func attackOn(n int) []string {
	return []string{
		fmt.Sprint("ip=203.0.113.", n), fmt.Sprint("card_id=card ", n),
		"email=Someone@Example.org", "device=Device é", "cart=cart 1", "account=account/1",
	}
}

func TestEverySubjectIsReadAndForgotten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		per, rule string
		json      string // what names it
		form      url.Values
		count     int // after two attempts
		others    string
	}{
		{"ip", "by_ip", `"value":"203.0.113.1"`, url.Values{"value": {"203.0.113.1"}}, 1,
			`"by_network","by_card","by_email","by_device","by_cart","by_account"`},
		{"network", "by_network", `"value":"203.0.113.200"`, url.Values{"value": {"203.0.113.0"}}, 2,
			`"by_ip","by_card","by_email","by_device","by_cart","by_account"`},
		{"card", "by_card", `"card_id":"card 1"`, url.Values{"card_id": {"card 1"}}, 1,
			`"by_ip","by_network","by_email","by_device","by_cart","by_account"`},
		{"email", "by_email", `"value":" someone@EXAMPLE.org "`, url.Values{"value": {"SOMEONE@example.org"}}, 2,
			`"by_ip","by_network","by_card","by_device","by_cart","by_account"`},
		{"device", "by_device", `"value":"Device \u00e9"`, url.Values{"value": {"Device é"}}, 2,
			`"by_ip","by_network","by_card","by_email","by_cart","by_account"`},
		{"cart", "by_cart", `"value":"cart 1"`, url.Values{"value": {"cart 1"}}, 2,
			`"by_ip","by_network","by_card","by_email","by_device","by_account"`},
		{"account", "by_account", `"value":"account/1"`, url.Values{"value": {"account/1"}}, 2,
			`"by_ip","by_network","by_card","by_email","by_device","by_cart"`},
	}
	for _, tt := range tests {
		for _, media := range []string{asJSON, asForm, "Content-Type: application/x-www-form-urlencoded; charset=utf-8"} {
			t.Run(tt.per+" "+media, func(t *testing.T) {
				d := open(t, onEverySubject)
				d.check(t, attackOn(1)...)
				d.check(t, attackOn(2)...)
				body := fmt.Sprintf(`{"per":%q,%s}`, tt.per, tt.json)
				if media != asJSON {
					form := url.Values{"per": {tt.per}}
					for name, value := range tt.form {
						form[name] = value
					}
					body = form.Encode()
				}
				report := func(outcome string, count int, clears int, known, fresh string) string {
					return fmt.Sprintf(`{"per":%q,"rules":[{"name":%q,"outcome":%q,"mode":"enforce","count":%d,"review_over":0,"block_over":1,
						"window_seconds":3600,"clears_in_seconds":%d}],"next":{"known_card":%q,"new_card":%q},"degraded":false}`,
						tt.per, tt.rule, outcome, count, clears, known, fresh)
				}
				want := report("allow", 1, 0, "allow", "block")
				switch {
				case tt.count == 2:
					want = report("block", 2, 3600, "block", "block")
				case tt.per == "card": // what it counts are addresses
					want = report("allow", 1, 0, "allow", "allow")
				}
				for range 3 { // a look counts nothing
					requireJSON(t, want, d.ask(t, "POST", "/v1/subjects/read", body, media))
				}
				fresh := "allow"
				for range 2 { // forgetting twice is as good as once
					requireJSON(t, `{"still_blocked_by":[],"depends_on":[`+tt.others+`]}`, d.ask(t, "POST", "/v1/subjects/forget", body, media))
					requireJSON(t, report("allow", 0, 0, "allow", fresh), d.ask(t, "POST", "/v1/subjects/read", body, media))
				}
				for _, r := range d.check(t, attackOn(1)...).Rules {
					if r.Rule.Name == tt.rule {
						assert.Equal(t, 1, r.Count, "it begins anew")
					} else if r.Rule.Name != "by_ip" && r.Rule.Name != "by_card" { // those saw this attempt's one thing only
						assert.Equal(t, 2, r.Count, "%s was not forgotten", r.Rule.Name)
					}
				}
			})
		}
	}
}

func TestACardIsNamedAsACheckNamesIt(t *testing.T) {
	t.Parallel()
	digits := []string{"last4=4242", "exp_month=1", "exp_year=2030"}
	tests := []struct {
		name, body string
		shown      []string
		count      int
	}{
		{"by fingerprint", `{"per":"card","card_id":"pm_1"}`, []string{"card_id=pm_1"}, 2},
		{"by digits", `{"per":"card","last4":"4242","exp_month":1,"exp_year":2030}`, digits, 2},
		{"by digits, in other words", `{"per":"card","last4":"4242","exp_month":"01","exp_year":"30"}`, digits, 2},
		{"by digits, with the expiry in one", `{"per":"card","last4":"4242","expiry":"01 / 30"}`, digits, 2},
		{"a fingerprint goes before digits and expiry", `{"per":"card","card_id":"pm_1","last4":"4242","expiry":"01/2030"}`, []string{"card_id=pm_1"}, 2},
		{"a fingerprint goes before digits", `{"per":"card","card_id":"pm_1","last4":"4242","exp_month":1,"exp_year":2030}`, []string{"card_id=pm_1"}, 2},
		{"another expiry is another card", `{"per":"card","last4":"4242","exp_month":2,"exp_year":2030}`, digits, 0},
		{"digits do not name a fingerprint", `{"per":"card","last4":"4242","exp_month":1,"exp_year":2030}`, append([]string{"card_id=pm_1"}, digits...), 0},
		{"letter case matters", `{"per":"card","card_id":"PM_1"}`, []string{"card_id=pm_1"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, []velocity.Rule{counting(rule("ips_per_card", "card", 5), "ips")})
			for n := range 2 {
				d.check(t, append([]string{fmt.Sprint("ip=203.0.113.", n)}, tt.shown...)...)
			}
			read := d.ask(t, "POST", "/v1/subjects/read", tt.body)
			assert.Equal(t, []string{fmt.Sprint("ips_per_card=", tt.count)}, countsOf(t, read), "without a Content-Type it is JSON")
			d.ask(t, "POST", "/v1/subjects/forget", tt.body)
			after := d.check(t, append([]string{"ip=203.0.113.9"}, tt.shown...)...)
			assert.Equal(t, 3-tt.count, after.Rules[0].Count, "forgotten is what was named")
		})
	}
}

// Only e-mail addresses are the same in other letters.
func TestOtherSubjectsAreExactBytes(t *testing.T) {
	d := open(t, onEverySubject)
	d.check(t, attackOn(1)...)
	for per, values := range map[string][]string{
		"device":  {"device é", "Device é ", "Device e\u0301"},
		"cart":    {"Cart 1", " cart 1"},
		"account": {"account%2F1", "account"},
		"email":   {"someone@example.com", "someone@exämple.org"},
	} {
		for _, value := range values {
			a := d.ask(t, "POST", "/v1/subjects/read", fmt.Sprintf(`{"per":%q,"value":%q}`, per, value))
			assert.Equal(t, []string{"by_" + per + "=0"}, countsOf(t, a), value)
		}
	}
}

func TestASubjectThatNoRuleWatches(t *testing.T) {
	d := open(t, nil)
	requireJSON(t, `{"per":"email","watched":false,"rules":[],"next":{"known_card":"allow","new_card":"allow"},"degraded":false}`,
		d.ask(t, "POST", "/v1/subjects/read", `{"per":"email","value":"a@example.org"}`))
	requireJSON(t, `{"still_blocked_by":[],"depends_on":["cards_per_ip"]}`,
		d.ask(t, "POST", "/v1/subjects/forget", `{"per":"email","value":"a@example.org"}`))
}

func TestAShadowRuleOnASubjectIsReportedOnly(t *testing.T) {
	d := open(t, []velocity.Rule{shadow(rule("by_email", "email", 1)), shadow(rule("by_ip", "ip", 1))})
	d.show(t, "203.0.113.7", 3, "email=a@example.org")
	a := d.ask(t, "POST", "/v1/subjects/read", `{"per":"email","value":"a@example.org"}`)
	assert.Equal(t, []string{"by_email=2"}, countsOf(t, a))
	assert.Equal(t, [2]string{"allow", "allow"}, nextOf(t, a))
	requireJSON(t, `{"still_blocked_by":[],"depends_on":[]}`, d.ask(t, "POST", "/v1/subjects/forget", `{"per":"email","value":"a@example.org"}`))
}

var nine = `{"per":"cart","value":"` + strings.Repeat("x", 9<<10) + `"}`

func TestEveryRefusalOfASubject(t *testing.T) {
	t.Parallel()
	const someone = `{"per":"email","value":"hidden@example.org"}`
	tests := []struct {
		name, body string
		headers    []string
		status     int
		code       string
		field      string
	}{
		{"nothing", ``, nil, 400, "field_missing", "per"},
		{"nothing, of a type nobody reads", ``, []string{asText}, 400, "field_missing", "per"},
		{"an empty object", `{}`, nil, 400, "field_missing", "per"},
		{"an empty form", ``, []string{asForm}, 400, "field_missing", "per"},
		{"no per", `{"value":"hidden@example.org"}`, nil, 400, "field_missing", "per"},
		{"no per, in a form", `value=hidden`, []string{asForm}, 400, "field_missing", "per"},
		{"an empty per", `{"per":"","value":"hidden"}`, nil, 400, "field_missing", "per"},
		{"an unknown per", `{"per":"hidden","value":"hidden"}`, nil, 400, "field_invalid", "per"},
		{"per in other letters", `{"per":"Email","value":"hidden"}`, nil, 400, "field_invalid", "per"},
		{"per what is only counted", `{"per":"attempts","value":"hidden"}`, nil, 400, "field_invalid", "per"},
		{"per a number", `{"per":1}`, nil, 400, "field_invalid", "per"},
		{"per null", `{"per":null}`, nil, 400, "field_missing", "per"},

		{"no value", `{"per":"email"}`, nil, 400, "field_missing", "value"},
		{"no value, in a form", `per=device`, []string{asForm}, 400, "field_missing", "value"},
		{"no address", `{"per":"ip"}`, nil, 400, "field_missing", "value"},
		{"an empty value", `{"per":"device","value":""}`, nil, 400, "field_missing", "value"},
		{"a blank email", `{"per":"email","value":" \t"}`, nil, 400, "field_invalid", "value"},
		{"257 characters", `{"per":"cart","value":"` + strings.Repeat("é", 257) + `"}`, nil, 400, "field_invalid", "value"},
		{"a value that is a number", `{"per":"account","value":4242}`, nil, 400, "field_invalid", "value"},
		{"a value that is an object", `{"per":"account","value":{"hidden":1}}`, nil, 400, "field_invalid", "value"},
		{"a value that is a list", `{"per":"account","value":["hidden"]}`, nil, 400, "field_invalid", "value"},
		{"invalid UTF-8", "{\"per\":\"account\",\"value\":\"hidden\xff\"}", nil, 400, "field_invalid", "value"},
		{"no address but a name", `{"per":"ip","value":"hidden"}`, nil, 400, "field_invalid", "value"},
		{"no address but a network", `{"per":"network","value":"203.0.113.0/24"}`, nil, 400, "field_invalid", "value"},

		{"a card by value", `{"per":"card","value":"hidden"}`, nil, 400, "field_invalid", "value"},
		{"a card by value too", `{"per":"card","card_id":"pm_1","value":"hidden"}`, nil, 400, "field_invalid", "value"},
		{"no card", `{"per":"card"}`, nil, 400, "field_missing", "last4"},
		{"half a card", `{"per":"card","last4":"9173","exp_year":2087}`, nil, 400, "field_missing", "exp_month"},
		{"three digits", `{"per":"card","last4":"917","exp_month":1,"exp_year":2087}`, nil, 400, "field_invalid", "last4"},
		{"digits as a number", `{"per":"card","last4":9173,"exp_month":1,"exp_year":2087}`, nil, 400, "field_invalid", "last4"},
		{"a 13th month", `{"per":"card","last4":"9173","exp_month":13,"exp_year":2087}`, nil, 400, "field_invalid", "exp_month"},
		{"another century", `{"per":"card","last4":"9173","exp_month":1,"exp_year":1999}`, nil, 400, "field_invalid", "exp_year"},
		{"an empty fingerprint", `{"per":"card","card_id":""}`, nil, 400, "field_missing", "last4"},
		{"a fingerprint that is a card number", `{"per":"card","card_id":"4111 1111-11119173"}`, nil, 400, "field_invalid", "card_id"},
		{"last four digits that are a card number", `{"per":"card","last4":"4111111111119173","exp_month":1,"exp_year":2087}`, nil, 400, "field_invalid", "last4"},

		{"an email with a card_id", `{"per":"email","value":"hidden","card_id":"hidden"}`, nil, 400, "field_invalid", "card_id"},
		{"an email with digits", `{"per":"email","value":"hidden","last4":"9173"}`, nil, 400, "field_invalid", "last4"},
		{"an address with an expiry", `{"per":"ip","value":"203.0.113.7","exp_month":1}`, nil, 400, "field_invalid", "exp_month"},
		{"a cart with an expiry", `per=cart&value=hidden&exp_year=2087`, []string{asForm}, 400, "field_invalid", "exp_year"},

		{"a check's field", `{"per":"email","email":"hidden@example.org"}`, nil, 400, "field_unknown", "email"},
		{"a check's field, in a form", `per=ip&ip=203.0.113.7`, []string{asForm}, 400, "field_unknown", "ip"},
		{"an attempt", `{"per":"email","value":"hidden","attempt_id":"hidden"}`, nil, 400, "field_unknown", "attempt_id"},
		{"an outcome", `{"per":"email","value":"hidden","outcome":"declined"}`, nil, 400, "field_unknown", "outcome"},
		{"a field nobody knows", `{"per":"email","subject":"hidden"}`, nil, 400, "field_unknown", "subject"},
		{"a card number for a field", `{"per":"card","4111111111119173":"hidden"}`, nil, 400, "field_unknown", ""},
		{"a field twice", `{"per":"email","value":"hidden","value":"hidden"}`, nil, 400, "field_repeated", "value"},
		{"a field twice, in a form", `per=email&per=email&value=hidden`, []string{asForm}, 400, "field_repeated", "per"},
		{"a list", `[` + someone + `]`, nil, 400, "body_invalid", ""},
		{"an unfinished object", someone[:len(someone)-1], nil, 400, "body_invalid", ""},
		{"two objects", someone + someone, nil, 400, "body_invalid", ""},
		{"an unfinished escape", `per=email&value=%2`, []string{asForm}, 400, "field_invalid", "value"},

		{"9 KiB", nine, nil, 413, "body_too_large", ""},
		{"9 KiB of a form", "per=cart&value=" + strings.Repeat("x", 9<<10), []string{asForm}, 413, "body_too_large", ""},
		{"one byte too many", strings.Repeat(" ", 8<<10+1-len(someone)) + someone, nil, 413, "body_too_large", ""},
		{"413 before 415", nine, []string{asText}, 413, "body_too_large", ""},
		{"plain text", someone, []string{asText}, 415, "media_type", ""},
		{"a form with files", "--x\r\n\r\n--x--", []string{"Content-Type: multipart/form-data; boundary=x"}, 415, "media_type", ""},
		{"compressed", someone, []string{asJSON, "Content-Encoding: gzip"}, 415, "media_type", ""},
		{"415 before 400", `{"per":`, []string{asText}, 415, "media_type", ""},
	}
	for _, path := range []string{"/v1/subjects/read", "/v1/subjects/forget"} {
		t.Run(path, func(t *testing.T) {
			d := open(t, onEverySubject)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					a := d.ask(t, "POST", path, tt.body, tt.headers...)
					doortest.RequireProblem(t, a, tt.status, tt.code, tt.field)
					for _, word := range []string{"hidden", "9173", "2087", "411111"} {
						assert.NotContains(t, a.Body, word, "a refusal does not say what a field held")
					}
				})
			}
			require.Zero(t, d.memory.Stats().Records, "what is refused changes nothing")
			for _, word := range []string{"hidden", "9173", "2087", "411111", "203.0.113"} {
				assert.NotContains(t, d.all.Log.Text(), word)
			}
		})
	}
}

func TestABodyOfExactlyTheLimitIsRead(t *testing.T) {
	d := open(t, nil)
	const someone = `{"per":"email","value":"a@example.org"}`
	a := d.ask(t, "POST", "/v1/subjects/read", strings.Repeat(" ", 8<<10-len(someone))+someone)
	require.Equal(t, 200, a.Status, a.Body)
}

// Proxies log URLs: who puts a subject there learns that it is not read.
func TestASubjectIsNotTakenFromTheURL(t *testing.T) {
	d := open(t, nil)
	a := d.ask(t, "POST", "/v1/subjects/read?per=email&value=hidden%40example.org", "")
	doortest.RequireProblem(t, a, 400, "field_unknown", "per")
	assert.NotContains(t, a.Body, "hidden")
	assert.NotContains(t, d.all.Log.Text(), "hidden")
}
