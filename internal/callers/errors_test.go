package callers_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

const (
	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
	asText = "Content-Type: text/plain"
)

const (
	someCard  = `{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}`
	notJSON   = `{"ip":`
	chunked   = "Transfer-Encoding: chunked"
	lastChunk = "\r\n0\r\n\r\n"
)

// nine is a body of 9 KiB, valid in all but its length.
var nine = `{"ip":"203.0.113.7","card_id":"pm_1","cart":"` + strings.Repeat("x", 9<<10) + `"}`

func TestEveryRefusal(t *testing.T) {
	d := open(t)
	nineChunked := "2400\r\n" + nine[:9<<10] + lastChunk
	manyChunks := strings.Repeat("400\r\n"+nine[:1<<10]+"\r\n", 9) + lastChunk[2:]
	checking := func(body string, headers ...string) string {
		return doortest.Raw("POST /v1/check", body, append(headers, doortest.AsCheckout)...)
	}
	tests := []struct {
		name    string
		request string
		status  int
		code    string
		field   string
	}{
		{"no such path", doortest.Raw("GET /", ""), 404, "not_found", ""},
		{"a path in other letters", doortest.Raw("POST /V1/check", someCard, doortest.AsCheckout), 404, "not_found", ""},
		{"a path with a slash at its end", doortest.Raw("POST /v1/check/", someCard, doortest.AsCheckout), 404, "not_found", ""},
		{"a path with two slashes", doortest.Raw("POST //v1/check", someCard, doortest.AsCheckout), 400, "body_invalid", ""},
		{"a path that climbs", doortest.Raw("POST /v1/x/../check", someCard, doortest.AsCheckout), 404, "not_found", ""},
		{"an escaped path", doortest.Raw("POST /v1/%63heck", someCard, doortest.AsCheckout), 404, "not_found", ""},
		{"404 before 405", doortest.Raw("BREW /coffee", ""), 404, "not_found", ""},
		{"404 before 401", doortest.Raw("POST /v1/nowhere", notJSON), 404, "not_found", ""},
		{"404 before 413", doortest.Raw("POST /v1/nowhere", nine), 404, "not_found", ""},
		{"404 before 413, in chunks", doortest.Raw("POST /v1/nowhere", nineChunked, chunked), 404, "not_found", ""},

		{"a check is no GET", doortest.Raw("GET /v1/check?ip=203.0.113.7", "", doortest.AsCheckout), 405, "method", ""},
		{"nor a PUT", doortest.Raw("PUT /v1/check", someCard, doortest.AsCheckout), 405, "method", ""},
		{"methods have letter case", doortest.Raw("post /v1/check", someCard, doortest.AsCheckout), 405, "method", ""},
		{"an outcome is no DELETE", doortest.Raw("DELETE /v1/outcomes", "", doortest.AsCheckout), 405, "method", ""},
		{"health is no POST", doortest.Raw("POST /healthz", "{}"), 405, "method", ""},
		{"nor is readiness", doortest.Raw("POST /readyz", "{}"), 405, "method", ""},
		{"405 before 401", doortest.Raw("GET /v1/check", ""), 405, "method", ""},
		{"405 before 413", doortest.Raw("PATCH /v1/check", nine), 405, "method", ""},

		{"nobody", doortest.Raw("POST /v1/check", someCard), 401, "authorization_missing", ""},
		{"nobody, for an outcome", doortest.Raw("POST /v1/outcomes", someCard), 401, "authorization_missing", ""},
		{"nothing in the header", doortest.Raw("POST /v1/check", someCard, "Authorization: "), 401, "authorization_missing", ""},
		{"a scheme alone", doortest.Raw("POST /v1/check", someCard, "Authorization: Basic"), 401, "authorization_malformed", ""},
		{"another scheme", doortest.Raw("POST /v1/check", someCard, "Authorization: Bearer abc.def.ghi"), 401, "authorization_malformed", ""},
		{"not base64", doortest.Raw("POST /v1/check", someCard, "Authorization: Basic checkout:open"), 401, "authorization_malformed", ""},
		{"no colon", doortest.Raw("POST /v1/check", someCard, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("checkout"))), 401, "authorization_malformed", ""},
		{"a stranger", doortest.Raw("POST /v1/check", someCard, doortest.Basic("stranger", doortest.CheckoutPassword)), 401, "credentials_invalid", ""},
		{"a wrong password", doortest.Raw("POST /v1/check", someCard, doortest.Basic("checkout", "sesame")), 401, "credentials_invalid", ""},
		{"credentials in the URL", doortest.Raw("POST http://checkout:open%20sesame@fraudcheck.test/v1/check", someCard), 400, "body_invalid", ""},
		{"401 before 413", doortest.Raw("POST /v1/check", nine), 401, "authorization_missing", ""},
		{"401 before 413, in chunks", doortest.Raw("POST /v1/check", nineChunked, chunked), 401, "authorization_missing", ""},
		{"401 before 415", doortest.Raw("POST /v1/check", someCard, asText), 401, "authorization_missing", ""},
		{"401 before 400", doortest.Raw("POST /v1/check?bogus=1", notJSON, doortest.Basic("checkout", "sesame")), 401, "credentials_invalid", ""},

		{"another network", doortest.Raw("POST /v1/check", someCard, doortest.AsBranch), 403, "network_refused", ""},
		{"another network, of which a stranger says it is theirs", doortest.Raw("POST /v1/check", someCard, doortest.AsBranch, "X-Forwarded-For: 192.0.2.1"), 403, "network_refused", ""},
		{"401 before 403", doortest.Raw("POST /v1/check", someCard, doortest.Basic("branch", "far")), 401, "credentials_invalid", ""},
		{"another role", doortest.Raw("POST /v1/check", someCard, doortest.AsAnalyst), 403, "role_missing", ""},
		{"403 before 413", doortest.Raw("POST /v1/outcomes", nine, doortest.AsAnalyst), 403, "role_missing", ""},
		{"403 before 400", doortest.Raw("POST /v1/check", notJSON, doortest.AsAnalyst), 403, "role_missing", ""},

		{"9 KiB", checking(nine), 413, "body_too_large", ""},
		{"9 KiB of an operator", doortest.Raw("POST /v1/outcomes", nine, doortest.AsOperator), 413, "body_too_large", ""},
		{"one byte too many", checking(strings.Repeat(" ", 8<<10+1-len(someCard)) + someCard), 413, "body_too_large", ""},
		{"1 MiB", checking(strings.Repeat("x", 1<<20)), 413, "body_too_large", ""},
		{"9 KiB in one chunk", checking(nineChunked, chunked), 413, "body_too_large", ""},
		{"9 KiB in many chunks", checking(manyChunks, chunked), 413, "body_too_large", ""},
		{"on a path that takes none", doortest.Raw("GET /healthz", nine), 413, "body_too_large", ""},
		{"413 before 415", checking(nine, asText), 413, "body_too_large", ""},

		{"plain text", checking(someCard, asText), 415, "media_type", ""},
		{"a form with files", checking("--x\r\n\r\n--x--", "Content-Type: multipart/form-data; boundary=x"), 415, "media_type", ""},
		{"almost JSON", checking(someCard, "Content-Type: application/jsonp"), 415, "media_type", ""},
		{"a look-alike letter", checking(someCard, "Content-Type: application/j\u017fon"), 415, "media_type", ""},
		{"compressed", checking(someCard, asJSON, "Content-Encoding: gzip"), 415, "media_type", ""},
		{"415 before 400, in the body", checking(notJSON, asText), 415, "media_type", ""},
		{"415 before 400, in the URL", doortest.Raw("POST /v1/check?bogus=1", someCard, asText, doortest.AsCheckout), 415, "media_type", ""},

		{"nothing", checking(""), 400, "field_missing", "ip"},
		{"an empty object", checking("{}"), 400, "field_missing", "ip"},
		{"only an address", checking(`{"ip":"203.0.113.7"}`), 400, "field_missing", "last4"},
		{"no month", checking(`{"ip":"203.0.113.7","last4":"4242","exp_year":30}`), 400, "field_missing", "exp_month"},
		{"no year", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":12}`), 400, "field_missing", "exp_year"},
		{"no outcome", doortest.Raw("POST /v1/outcomes", someCard, doortest.AsCheckout), 400, "field_missing", "outcome"},
		{"octal", checking(`{"ip":"0203.0.113.7","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a zone", checking(`{"ip":"fe80::1%eth0","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a name", checking(`{"ip":"localhost","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"three digits", checking(`{"ip":"203.0.113.7","last4":"424","exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"digits as a number", checking(`{"ip":"203.0.113.7","last4":4242,"exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"digits of another alphabet", checking(`{"ip":"203.0.113.7","last4":"٤٢٤٢","exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"a 13th month", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":13,"exp_year":30}`), 400, "field_invalid", "exp_month"},
		{"a month with a fraction", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":1.0,"exp_year":30}`), 400, "field_invalid", "exp_month"},
		{"a year of another century", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":1999}`), 400, "field_invalid", "exp_year"},
		{"an empty fingerprint", checking(`{"ip":"203.0.113.7","card_id":""}`), 400, "field_missing", "last4"},
		{"an empty address", checking(`{"ip":"","card_id":"pm_1"}`), 400, "field_missing", "ip"},
		{"no address but a null", checking(`{"ip":null,"card_id":"pm_1"}`), 400, "field_missing", "ip"},
		{"two addresses", checking(`{"ip":"203.0.113.7, 203.0.113.8","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a word for an address", checking(`{"ip":"unknown","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a reason beside an approval", doortest.Raw("POST /v1/outcomes?ip=203.0.113.7&card_id=pm_1&outcome=approved&reason=other", "", doortest.AsCheckout), 400, "field_invalid", "reason"},
		{"an unknown reason", doortest.Raw("POST /v1/outcomes?ip=203.0.113.7&card_id=pm_1&outcome=declined&reason=lost", "", doortest.AsCheckout), 400, "field_invalid", "reason"},
		{"a reason in a check", checking(`{"ip":"203.0.113.7","card_id":"pm_1","reason":"other"}`), 400, "field_unknown", "reason"},
		{"a blank email", checking(`{"ip":"203.0.113.7","card_id":"pm_1","email":" "}`), 400, "field_invalid", "email"},
		{"a truth value", checking(`{"ip":"203.0.113.7","card_id":"pm_1","device":true}`), 400, "field_invalid", "device"},
		{"257 characters", checking(`{"ip":"203.0.113.7","card_id":"pm_1","cart":"` + strings.Repeat("x", 257) + `"}`), 400, "field_invalid", "cart"},
		{"not UTF-8", checking("{\"ip\":\"203.0.113.7\",\"card_id\":\"pm_1\",\"account\":\"\xff\"}"), 400, "field_invalid", "account"},
		{"half an escape", doortest.Raw("POST /v1/check?ip=203.0.113.7&card_id=pm_1&cart=%4", "", doortest.AsCheckout), 400, "field_invalid", "cart"},
		{"another outcome", doortest.Raw("POST /v1/outcomes?ip=203.0.113.7&card_id=pm_1&outcome=refused", "", doortest.AsCheckout), 400, "field_invalid", "outcome"},
		{"no_ip, which the configuration does not accept", checking(`{"no_ip":"renewal","card_id":"pm_1"}`), 400, "field_invalid", "no_ip"},
		{"no_ip in an outcome", doortest.Raw("POST /v1/outcomes?no_ip=phone&card_id=pm_1&outcome=approved", "", doortest.AsCheckout), 400, "field_invalid", "no_ip"},
		{"two expiries", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":12,"expiry":"12/30"}`), 400, "field_invalid", "expiry"},
		{"an expiry that may be either", checking(`{"ip":"203.0.113.7","last4":"4242","expiry":"12-30"}`), 400, "field_invalid", "expiry"},
		{"an expiry as a number", checking(`{"ip":"203.0.113.7","last4":"4242","expiry":1230}`), 400, "field_invalid", "expiry"},
		{"a time in a check", checking(`{"ip":"203.0.113.7","card_id":"pm_1","at":1795867200}`), 400, "field_unknown", "at"},
		{"a card that is known later, and is there", checking(`{"ip":"203.0.113.7","card":"later","card_id":"pm_1"}`), 400, "field_invalid", "card"},
		{"now, in a check", checking(`{"ip":"203.0.113.7","card":"now","card_id":"pm_1"}`), 400, "field_invalid", "card"},
		{"a card where a word is expected", checking(`{"ip":"203.0.113.7","card":"pm_1"}`), 400, "field_invalid", "card"},
		{"now, without the card", doortest.Raw("POST /v1/outcomes?ip=203.0.113.7&card=now&outcome=approved", "", doortest.AsCheckout), 400, "field_missing", "last4"},
		{"a mistyped name", checking(`{"ip":"203.0.113.7","lastfour":"4242"}`), 400, "field_unknown", "lastfour"},
		{"a name in other letters", checking(`{"IP":"203.0.113.7"}`), 400, "field_unknown", "IP"},
		{"a name unfit to show", checking(`{"4242424242424242":"x"}`), 400, "field_unknown", ""},
		{"an outcome in a check", checking(`{"outcome":"declined"}`), 400, "field_unknown", "outcome"},
		{"a key twice", checking(`{"ip":"203.0.113.7","ip":"203.0.113.7"}`), 400, "field_repeated", "ip"},
		{"in the URL and the form", doortest.Raw("POST /v1/check?card_id=pm_1", "card_id=pm_1", asForm, doortest.AsCheckout), 400, "field_repeated", "card_id"},
		{"cut short", checking(notJSON), 400, "body_invalid", ""},
		{"more than one object", checking(someCard + "{}"), 400, "body_invalid", ""},
		{"a form called JSON", checking("ip=203.0.113.7"), 400, "body_invalid", ""},
		{"a form without values", checking("ip&last4", asForm), 400, "body_invalid", ""},
		{"a GET with a body", doortest.Raw("GET /healthz", "{}"), 400, "body_invalid", ""},
		{"a GET with a body in chunks", doortest.Raw("GET /readyz", "2\r\n{}"+lastChunk, chunked), 400, "body_invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(d.all.Log.Lines())
			doortest.RequireProblem(t, d.Ask(t, tt.request), tt.status, tt.code, tt.field)
			lines := d.all.Log.Lines()[before:]
			if tt.code != "body_invalid" || len(lines) != 1 { // a target that is not believed is not told
				require.Len(t, lines, 2, "what was asked, and what was answered")
			}
			assert.Equal(t, tt.code, lines[len(lines)-1].Attrs["code"])
		})
	}
	assert.Equal(t, 1, countOf(t, d.Ask(t, check("203.0.113.7", 1))), "a refused request counts nothing")
}

func TestABodyOf8KiBIsTaken(t *testing.T) {
	d := open(t)
	body := strings.Repeat(" ", 8<<10-len(someCard)) + someCard
	assert.Equal(t, 200, d.Ask(t, doortest.Raw("POST /v1/check", body, doortest.AsCheckout)).Status)
	body = "2000\r\n" + body + lastChunk
	assert.Equal(t, 200, d.Ask(t, doortest.Raw("POST /v1/check", body, doortest.AsCheckout, chunked)).Status)
}

func TestA405NamesWhatIsAllowed(t *testing.T) {
	d := open(t)
	assert.Equal(t, "POST", d.Ask(t, doortest.Raw("GET /v1/check", "")).Header.Get("Allow"))
	assert.Equal(t, "POST", d.Ask(t, doortest.Raw("OPTIONS /v1/outcomes", "")).Header.Get("Allow"))
	assert.Equal(t, "GET, HEAD", d.Ask(t, doortest.Raw("DELETE /healthz", "")).Header.Get("Allow"))
	assert.Equal(t, "GET, HEAD", d.Ask(t, doortest.Raw("POST /readyz", "")).Header.Get("Allow"))
}

func TestAHeadIsAnsweredWithoutABody(t *testing.T) {
	l := open(t).Dial(t)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/check": 405, "/nowhere": 404} {
		a := l.Ask(doortest.Raw("HEAD "+path, ""))
		assert.Equal(t, status, a.Status, path)
		assert.Empty(t, a.Body, path)
		assert.Equal(t, 200, l.Ask(doortest.Raw("GET /healthz", "")).Status, "the connection goes on")
	}
}

func TestARefusalLeavesTheConnectionUsable(t *testing.T) {
	l := open(t).Dial(t)
	for i, request := range []string{
		doortest.Raw("POST /v1/nowhere", someCard), doortest.Raw("PUT /v1/check", someCard), doortest.Raw("POST /v1/check", someCard),
		doortest.Raw("POST /v1/check", someCard, doortest.AsAnalyst), doortest.Raw("POST /v1/check", someCard, asText, doortest.AsCheckout),
		doortest.Raw("POST /v1/check", notJSON, doortest.AsCheckout), doortest.Raw("GET /healthz", "{}"),
	} {
		a := l.Ask(request)
		assert.GreaterOrEqual(t, a.Status, 400)
		assert.False(t, a.Close, a.Body)
		assert.Equal(t, min(i+1, 6), countOf(t, l.Ask(check("203.0.113.7", i))), request)
	}
}

func TestAnUnknownUserIsAnsweredLikeAWrongPassword(t *testing.T) {
	d := open(t)
	date := regexp.MustCompile(`(?m)^Date: .*\r\n`)
	whole := func(authorization string) string {
		l := d.Dial(t)
		l.Send(doortest.Raw("POST /v1/check", someCard, authorization, "X-Request-ID: one-and-the-same", "Connection: close"))
		var text strings.Builder
		_, err := l.R.WriteTo(&text)
		require.NoError(t, err)
		return date.ReplaceAllString(text.String(), "")
	}
	wrong := whole(doortest.Basic("checkout", "sesame"))
	require.Contains(t, wrong, "credentials_invalid")
	assert.Equal(t, wrong, whole(doortest.Basic("stranger", "sesame")))
	assert.Equal(t, wrong, whole(doortest.Basic("stranger", doortest.CheckoutPassword)))
	assert.Equal(t, wrong, whole(doortest.Basic("", "")))
}

// Wherever a card number strays, it is seen neither in the answer nor in the log.
func TestACardNumberNeverComesBack(t *testing.T) {
	const pan = "4111111111111111"
	tests := []struct{ name, request, code, field string }{
		{"as last4", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","last4":"`+pan+`","exp_month":12,"exp_year":30}`, doortest.AsCheckout), "field_invalid", "last4"},
		{"as last4, in a form", doortest.Raw("POST /v1/check", "ip=203.0.113.7&last4="+pan, asForm, doortest.AsCheckout), "field_invalid", "last4"},
		{"as last4, in the URL", doortest.Raw("POST /v1/check?ip=203.0.113.7&last4="+pan, "", doortest.AsCheckout), "field_invalid", "last4"},
		{"as last4 of an outcome", doortest.Raw("POST /v1/outcomes", `{"ip":"203.0.113.7","last4":"`+pan+`","exp_month":12,"exp_year":30,"outcome":"declined"}`, doortest.AsCheckout), "field_invalid", "last4"},
		{"as card_id", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"`+pan+`"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, with blanks", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"4111 1111 1111 1111"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, with dashes", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":" 4111-1111-1111-1111"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, with dots", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"4111.1111.1111.1111"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, with no-break spaces", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"4111\u00a01111\u202f1111 1111"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, in full width", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"４１１１１１１１１１１１１１１１"}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"as card_id, as a number", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":`+pan+`}`, doortest.AsCheckout), "field_invalid", "card_id"},
		{"with underscores, in a name", doortest.Raw("POST /v1/check", `{"a_4111_1111_1111_1111":1}`, doortest.AsCheckout), "field_unknown", ""},
		{"as a reason", doortest.Raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"pm_1","outcome":"declined","reason":"`+pan+`"}`, doortest.AsCheckout), "field_invalid", "reason"},
		{"as an e-mail address that is too long", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"pm_1","email":"`+pan+strings.Repeat("x", 256)+`"}`, doortest.AsCheckout), "field_invalid", "email"},
		{"as last4 beside a card_id", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"pm_1","last4":"`+pan+`"}`, doortest.AsCheckout), "field_invalid", "last4"},
		{"as ip", doortest.Raw("POST /v1/check", `{"ip":"`+pan+`"}`, doortest.AsCheckout), "field_invalid", "ip"},
		{"as exp_month", doortest.Raw("POST /v1/check", `{"ip":"203.0.113.7","last4":"4242","exp_month":`+pan+`}`, doortest.AsCheckout), "field_invalid", "exp_month"},
		{"as outcome", doortest.Raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"pm_1","outcome":"`+pan+`"}`, doortest.AsCheckout), "field_invalid", "outcome"},
		{"as a name", doortest.Raw("POST /v1/check", `{"`+pan+`":"x"}`, doortest.AsCheckout), "field_unknown", ""},
		{"in a name", doortest.Raw("POST /v1/check?card"+pan+"=1", "", doortest.AsCheckout), "field_unknown", ""},
		{"in an unknown field", doortest.Raw("POST /v1/check", `{"card_number":"`+pan+`"}`, doortest.AsCheckout), "field_unknown", "card_number"},
		{"as the whole body", doortest.Raw("POST /v1/check", pan, doortest.AsCheckout), "body_invalid", ""},
		{"as a media type", doortest.Raw("POST /v1/check", someCard, "Content-Type: "+pan+"/"+pan, doortest.AsCheckout), "media_type", ""},
		{"as a path", doortest.Raw("POST /"+pan, ""), "not_found", ""},
		{"as a method", doortest.Raw(pan+" /v1/check", ""), "method", ""},
		{"as credentials", doortest.Raw("POST /v1/check", someCard, doortest.Basic(pan, pan)), "credentials_invalid", ""},
		{"as a scheme", doortest.Raw("POST /v1/check", someCard, "Authorization: "+pan+" x"), "authorization_malformed", ""},
		{"as a request id", doortest.Raw("POST /v1/nowhere", "", "X-Request-ID: "+pan), "not_found", ""},
		{"as a header", doortest.Raw("POST /v1/nowhere", "", "X-"+pan+": "+pan, "X-Forwarded-For: "+pan), "not_found", ""},
		{"as a host", strings.Replace(doortest.Raw("GET /nowhere", ""), "fraudcheck.test", pan, 1), "not_found", ""},
		{"as malformed HTTP", "POST /v1/check HTTP/1.1\r\n" + pan + "\r\n\r\n", "body_invalid", ""},
	}
	digits := regexp.MustCompile(`(4111[ ._\x{a0}-]?1111)|４１|(\D4242\D)`)
	d := open(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := d.Ask(t, tt.request)
			assert.Equal(t, tt.code, a.JSON["code"], a.Body)
			if tt.field != "" {
				assert.Equal(t, tt.field, a.JSON["field"])
			}
			assert.NotRegexp(t, digits, a.Body)
			assert.NotRegexp(t, digits, headerText(a.Header))
		})
	}
	assert.NotRegexp(t, digits, d.all.Log.Text())
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}
