package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// encode writes a flat object as JSON or as a form.
func encode(media string, fields map[string]any) string {
	if media == "application/json" {
		text, err := json.Marshal(fields)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, fmt.Sprint(value))
	}
	return form.Encode()
}

// asText reports whether all values are text, as those of a form are.
func asText(fields map[string]any) bool {
	for _, value := range fields {
		if _, ok := value.(string); !ok {
			return false
		}
	}
	return true
}

var long = map[int]string{128: strings.Repeat("ä", 128), 129: strings.Repeat("ä", 129), 256: strings.Repeat("ä", 256), 257: strings.Repeat("ä", 257)}

// values are what each field is sent as, beside the others of a request that is taken.
var values = map[string][]any{
	"ip": {
		"203.0.113.7", " 203.0.113.7\t", "203.0.113.7:51234", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "::ffff:203.0.113.7",
		"64:ff9b::203.0.113.7", "", nil, 7, true, "localhost", "unknown", "fe80::1%eth0", "203.0.113.7, 203.0.113.8",
	},
	"at": {
		"2026-11-28T13:00:00Z", "2026-11-28t13:00:00.5+01:00", " 1795000000 ", 1795000000, 1795000000.5, "1795000000.123", 1795000000123, 0, "", nil,
		"x", true, -1, "-1", "2026-11-28", "2026-11-28T13:00:00", "2026-13-28T13:00:00Z", "2026-11-28T24:00:00Z", "2026-11-28 13:00:00Z", "100000000000000", 100000000000000,
	},
	"no_ip": {"renewal", "phone", "unknown", "", nil, "x", 1},
	"expiry": {
		"12/30", "12/2030", "1230", "122030", "2030-12", "12 / 30", " 12/30 ", "1/30", "2030-1", "12 30", "12  2030", "", nil,
		"13/30", "00/30", "12-30", "130", "12/3", "12/1999", "30-12", "2030/12", "12/2100", 1230, true, "x",
	},
	"card":       {"later", "now", "", nil, "pm_1", 1},
	"last4":      {"4242", "0000", "", nil, "424", "42424", "424a", " 4242", 4242, 42.5, true, "4111111111111111"},
	"exp_month":  {1, 12, "1", "01", "12", "", nil, 0, 13, "00", "13", "012", "1.0", -1, 1.5, true, " 1", "x"},
	"exp_year":   {30, 10, 99, 2000, 2030, 2099, "00", "30", "99", "2000", "2099", "", nil, 5, 0, 100, 1999, 2100, "5", "100", "1999", "2100", 2030.5, false},
	"card_id":    {"pm_1", "tok_4111111111111111", "12345678901", "", nil, long[128], long[129], "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "411111111111", 4111, true},
	"attempt_id": {"order-1", "4111111111111111", "", nil, long[128], long[129], 1, false},
	"email":      {"ada@example.com", " ada@example.com ", "not an address", "", nil, long[256], long[257], " ", "\t", 1},
	"device":     {"d", " ", "", nil, long[256], long[257], 1},
	"cart":       {"c", "", nil, long[256], long[257], true},
	"account":    {"a", "", nil, long[256], long[257], 12},
	"outcome":    {"approved", "declined", "error", "", nil, "refused", "Approved", 1},
	"reason":     {"invalid_number", "invalid_credentials", "insufficient_funds", "other", "", nil, "lost", 1},
	"unknown":    {"x", "", nil},
}

// beyond are values that the program judges and a schema cannot.
var beyond = map[string][]any{
	"at":      {"2026-02-30T13:00:00Z"},
	"ip":      {"0203.0.113.7", "203.0.113.777", "203.0.113", ":::"},
	"card_id": {"４１１１１１１１１１１１１１１１"},
}

// bases are requests that are taken, each to be changed by one value.
var bases = func() map[op][]map[string]any {
	checks := []map[string]any{
		{"ip": "203.0.113.7", "last4": "4242", "exp_month": "12", "exp_year": "30"},
		{"ip": "203.0.113.7", "card_id": "pm_1"},
		{"ip": "203.0.113.7", "last4": "4242", "expiry": "12/30"},
		{"ip": "203.0.113.7", "card": "later"},
		{"no_ip": "phone", "card_id": "pm_1"},
		{"no_ip": "phone", "card": "later", "email": "ada@example.com"},
	}
	outcomes := []map[string]any{{"ip": "203.0.113.7", "card": "now", "card_id": "pm_1", "outcome": "error"}}
	for n, check := range checks {
		outcome := maps.Clone(check)
		outcome["outcome"] = []string{"declined", "approved"}[n%2]
		outcomes = append(outcomes, outcome)
	}
	return map[op][]map[string]any{"POST /v1/check": checks, "POST /v1/outcomes": outcomes}
}()

// others are whole requests beside these.
var others = map[op][]string{
	"POST /v1/check":    {`{}`, `{"lastfour":"4242"}`, `{"ip":"203.0.113.7"}`, `{"ip":"203.0.113.7","last4":"4242"}`, `{"ip":"203.0.113.7","last4":"4242","exp_month":1}`, `{"card_id":"pm_1"}`},
	"POST /v1/outcomes": {`{}`, `{"amount":"1"}`, `{"ip":"203.0.113.7","card_id":"pm_1"}`, `{"outcome":"error"}`},
	"POST /v1/subjects/read": {
		`{}`, `{"per":"email"}`, `{"per":"email","value":"a"}`, `{"per":"email","value":""}`, `{"per":"email","value":" "}`, `{"per":"email","value":null}`,
		`{"per":"email","value":1}`, `{"per":"email","value":"a","card_id":"pm_1"}`, `{"per":"email","value":"a","card_id":null}`, `{"per":"email","value":"a","last4":""}`,
		`{"per":"card","card_id":"pm_1"}`, `{"per":"card","card_id":"pm_1","value":""}`, `{"per":"card","card_id":"pm_1","value":"x"}`, `{"per":"card"}`,
		`{"per":"card","last4":"4242","exp_month":12,"exp_year":30}`, `{"per":"card","last4":"4242"}`, `{"per":"ip","value":"203.0.113.7:80"}`, `{"per":"ip","value":"x"}`,
		`{"per":"network","value":"2001:db8::"}`, `{"per":"network","value":"203.0.113.0/24"}`, `{"per":"attempts","value":"x"}`, `{"per":"","value":"x"}`, `{"per":null}`,
		`{"per":"device","value":"d"}`, `{"per":"device","value":" "}`, `{"per":"card","last4":"4242","expiry":"12/30"}`, `{"per":"email","value":"a","expiry":"12/30"}`, `{"per":"cart","value":"c"}`, `{"per":"account","value":"12"}`, `{"per":"account","value":"` + long[257] + `"}`, `{"per":"email","value":"a","ip":"x"}`,
	},
	"POST /v1/subjects/forget": {`{}`, `{"per":"email"}`, `{"per":"card","card_id":"pm_1"}`, `{"per":"email","value":"` + long[256] + `"}`, `{"per":"x"}`, `{"ip":"203.0.113.7"}`},
	"POST /v1/attempts/read":   {`{}`, `{"attempt_id":"4111111111111111"}`, `{"attempt_id":""}`, `{"attempt_id":null}`, `{"attempt_id":1}`, `{"attempt_id":"` + long[128] + `"}`, `{"attempt_id":"` + long[129] + `"}`, `{"ip":"203.0.113.7"}`},
	"POST /v1/login":           {`{}`, `{"username":"checkout"}`, `{"username":"a","password":1}`, `{"username":null,"password":"x"}`, `{"username":"a","password":"b","user":"c"}`},
	"POST /v1/refresh":         {`{}`, `{"refresh_token":null}`, `{"refresh_token":1}`, `{"token":"x"}`},
	"POST /v1/logout":          {`{}`, `{"refresh_token":7}`, `{"token":"x"}`},
}

// driveFields sends many values in each field, as JSON, as a form and as URL parameters:
// what the program refuses the document refuses, and the reverse.
func (d *drive) driveFields(i *testbed.Instance) {
	c := &comparison{drive: d, instance: i}
	for o, all := range bases {
		for _, base := range all {
			for name := range values {
				for _, value := range values[name] {
					c.field(o, base, name, value, true)
				}
				for _, value := range beyond[name] {
					c.field(o, base, name, value, false)
				}
			}
		}
	}
	for o, bodies := range others {
		for _, body := range bodies {
			request := d.sampleOf(o)
			request.body = body
			c.compare(o, request, true)
		}
	}
	require.Greater(d, c.taken, 100)
	require.Greater(d, c.refused, 100)
	for o, body := range map[op]string{ // no schema can say that a name stands twice
		"POST /v1/check": `{"card_id":"pm_1","card_id":"pm_1"}`, "POST /v1/outcomes": `{"card_id":"pm_1","card_id":"pm_1"}`,
		"POST /v1/refresh": `{"refresh_token":"a","refresh_token":"a"}`, "POST /v1/logout": `{"refresh_token":"a","refresh_token":"a"}`,
		"POST /v1/subjects/read": `{"per":"card","per":"card"}`, "POST /v1/subjects/forget": `{"per":"card","per":"card"}`, "POST /v1/attempts/read": `{"attempt_id":"a","attempt_id":"a"}`,
	} {
		twice := d.sampleOf(o)
		twice.body = body
		d.ask(i, o, twice, 400)
	}
	d.ask(i, "POST /v1/login", d.sampleOf("POST /v1/login", asCheckout), 400) // the user is named twice
}

// A comparison is of what the program and the document make of the same requests.
type comparison struct {
	*drive
	instance       *testbed.Instance
	taken, refused int // by the program
}

// field compares the request with the field set to the value, in each form that the
// request may have. exact: the document can tell what is wrong with the value.
func (c *comparison) field(o op, base map[string]any, name string, value any, exact bool) {
	c.Helper()
	fields := maps.Clone(base)
	fields[name] = value
	request := c.sampleOf(o)
	request.body = encode("application/json", fields)
	c.compare(o, request, exact)
	if !asText(fields) {
		return
	}
	request.media, request.body = "application/x-www-form-urlencoded", encode("", fields)
	c.compare(o, request, exact)
	request.target, request.media, request.body = o.path()+"?"+request.body, "", ""
	c.compare(o, request, false) // what parameters must stand together a document cannot say
}

// compare asks the program, and requires that the document takes what it takes; and where
// exact, that it refuses what it refuses.
func (c *comparison) compare(o op, request *call, exact bool) {
	c.Helper()
	r, a := request.request(c.T), request.ask(c.T, c.instance)
	for _, fault := range c.judge(o, r, a) {
		assert.Fail(c, fault, "%s %s %s: %s", o, request.target, request.body, a.body)
	}
	ok, why := c.takes(r)
	if a.status == 400 {
		c.refused++
		assert.False(c, ok && exact, "%s %s %s: the document takes it, the program answers %s", o, request.target, request.body, a.body)
		return
	}
	c.taken++
	assert.True(c, ok, "%s %s %s: the program takes it, the document does not: %s", o, request.target, request.body, why)
}
