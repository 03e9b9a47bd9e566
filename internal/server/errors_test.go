package server_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		return raw("POST /v1/check", body, append(headers, asCheckout)...)
	}
	tests := []struct {
		name    string
		request string
		status  int
		code    string
		field   string
	}{
		{"no such path", raw("GET /", ""), 404, "not_found", ""},
		{"a path in other letters", raw("POST /V1/check", someCard, asCheckout), 404, "not_found", ""},
		{"a path with a slash at its end", raw("POST /v1/check/", someCard, asCheckout), 404, "not_found", ""},
		{"a path with two slashes", raw("POST //v1/check", someCard, asCheckout), 404, "not_found", ""},
		{"a path that climbs", raw("POST /v1/x/../check", someCard, asCheckout), 404, "not_found", ""},
		{"an escaped path", raw("POST /v1/%63heck", someCard, asCheckout), 404, "not_found", ""},
		{"404 before 405", raw("BREW /coffee", ""), 404, "not_found", ""},
		{"404 before 401", raw("POST /v1/nowhere", notJSON), 404, "not_found", ""},
		{"404 before 413", raw("POST /v1/nowhere", nine), 404, "not_found", ""},
		{"404 before 413, in chunks", raw("POST /v1/nowhere", nineChunked, chunked), 404, "not_found", ""},

		{"a check is no GET", raw("GET /v1/check?ip=203.0.113.7", "", asCheckout), 405, "method", ""},
		{"nor a PUT", raw("PUT /v1/check", someCard, asCheckout), 405, "method", ""},
		{"methods have letter case", raw("post /v1/check", someCard, asCheckout), 405, "method", ""},
		{"an outcome is no DELETE", raw("DELETE /v1/outcomes", "", asCheckout), 405, "method", ""},
		{"health is no POST", raw("POST /healthz", "{}"), 405, "method", ""},
		{"nor is readiness", raw("POST /readyz", "{}"), 405, "method", ""},
		{"405 before 401", raw("GET /v1/check", ""), 405, "method", ""},
		{"405 before 413", raw("PATCH /v1/check", nine), 405, "method", ""},

		{"nobody", raw("POST /v1/check", someCard), 401, "authorization_missing", ""},
		{"nobody, for an outcome", raw("POST /v1/outcomes", someCard), 401, "authorization_missing", ""},
		{"nothing in the header", raw("POST /v1/check", someCard, "Authorization: "), 401, "authorization_missing", ""},
		{"a scheme alone", raw("POST /v1/check", someCard, "Authorization: Basic"), 401, "authorization_malformed", ""},
		{"another scheme", raw("POST /v1/check", someCard, "Authorization: Bearer abc.def.ghi"), 401, "authorization_malformed", ""},
		{"not base64", raw("POST /v1/check", someCard, "Authorization: Basic checkout:open"), 401, "authorization_malformed", ""},
		{"no colon", raw("POST /v1/check", someCard, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("checkout"))), 401, "authorization_malformed", ""},
		{"two headers", raw("POST /v1/check", someCard, asCheckout, asPayments), 401, "authorization_malformed", ""},
		{"twice the same header", raw("POST /v1/check", someCard, asCheckout, strings.ToLower(asCheckout[:13])+asCheckout[13:]), 401, "authorization_malformed", ""},
		{"a stranger", raw("POST /v1/check", someCard, basic("stranger", checkoutPassword)), 401, "credentials_invalid", ""},
		{"a wrong password", raw("POST /v1/check", someCard, basic("checkout", "sesame")), 401, "credentials_invalid", ""},
		{"credentials in the URL", raw("POST http://checkout:open%20sesame@fraudcheck.test/v1/check", someCard), 401, "authorization_missing", ""},
		{"401 before 413", raw("POST /v1/check", nine), 401, "authorization_missing", ""},
		{"401 before 413, in chunks", raw("POST /v1/check", nineChunked, chunked), 401, "authorization_missing", ""},
		{"401 before 415", raw("POST /v1/check", someCard, asText), 401, "authorization_missing", ""},
		{"401 before 400", raw("POST /v1/check?bogus=1", notJSON, basic("checkout", "sesame")), 401, "credentials_invalid", ""},

		{"another network", raw("POST /v1/check", someCard, asBranch), 403, "network_refused", ""},
		{"another network, of which a stranger says it is theirs", raw("POST /v1/check", someCard, asBranch, "X-Forwarded-For: 192.0.2.1"), 403, "network_refused", ""},
		{"401 before 403", raw("POST /v1/check", someCard, basic("branch", "far")), 401, "credentials_invalid", ""},
		{"another role", raw("POST /v1/check", someCard, asAnalyst), 403, "role_missing", ""},
		{"403 before 413", raw("POST /v1/outcomes", nine, asAnalyst), 403, "role_missing", ""},
		{"403 before 400", raw("POST /v1/check", notJSON, asAnalyst), 403, "role_missing", ""},

		{"9 KiB", checking(nine), 413, "body_too_large", ""},
		{"9 KiB of an operator", raw("POST /v1/outcomes", nine, asOperator), 413, "body_too_large", ""},
		{"one byte too many", checking(strings.Repeat(" ", 8<<10+1-len(someCard)) + someCard), 413, "body_too_large", ""},
		{"1 MiB", checking(strings.Repeat("x", 1<<20)), 413, "body_too_large", ""},
		{"9 KiB in one chunk", checking(nineChunked, chunked), 413, "body_too_large", ""},
		{"9 KiB in many chunks", checking(manyChunks, chunked), 413, "body_too_large", ""},
		{"on a path that takes none", raw("GET /healthz", nine), 413, "body_too_large", ""},
		{"413 before 415", checking(nine, asText), 413, "body_too_large", ""},

		{"plain text", checking(someCard, asText), 415, "media_type", ""},
		{"a form with files", checking("--x\r\n\r\n--x--", "Content-Type: multipart/form-data; boundary=x"), 415, "media_type", ""},
		{"almost JSON", checking(someCard, "Content-Type: application/jsonp"), 415, "media_type", ""},
		{"a look-alike letter", checking(someCard, "Content-Type: application/j\u017fon"), 415, "media_type", ""},
		{"compressed", checking(someCard, asJSON, "Content-Encoding: gzip"), 415, "media_type", ""},
		{"415 before 400, in the body", checking(notJSON, asText), 415, "media_type", ""},
		{"415 before 400, in the URL", raw("POST /v1/check?bogus=1", someCard, asText, asCheckout), 415, "media_type", ""},

		{"nothing", checking(""), 400, "field_missing", "ip"},
		{"an empty object", checking("{}"), 400, "field_missing", "ip"},
		{"only an address", checking(`{"ip":"203.0.113.7"}`), 400, "field_missing", "last4"},
		{"no month", checking(`{"ip":"203.0.113.7","last4":"4242","exp_year":30}`), 400, "field_missing", "exp_month"},
		{"no year", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":12}`), 400, "field_missing", "exp_year"},
		{"no outcome", raw("POST /v1/outcomes", someCard, asCheckout), 400, "field_missing", "outcome"},
		{"octal", checking(`{"ip":"0203.0.113.7","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a zone", checking(`{"ip":"fe80::1%eth0","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"a name", checking(`{"ip":"localhost","card_id":"pm_1"}`), 400, "field_invalid", "ip"},
		{"three digits", checking(`{"ip":"203.0.113.7","last4":"424","exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"digits as a number", checking(`{"ip":"203.0.113.7","last4":4242,"exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"digits of another alphabet", checking(`{"ip":"203.0.113.7","last4":"٤٢٤٢","exp_month":12,"exp_year":30}`), 400, "field_invalid", "last4"},
		{"a 13th month", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":13,"exp_year":30}`), 400, "field_invalid", "exp_month"},
		{"a month with a fraction", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":1.0,"exp_year":30}`), 400, "field_invalid", "exp_month"},
		{"a year of another century", checking(`{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":1999}`), 400, "field_invalid", "exp_year"},
		{"an empty fingerprint", checking(`{"ip":"203.0.113.7","card_id":""}`), 400, "field_invalid", "card_id"},
		{"a blank email", checking(`{"ip":"203.0.113.7","card_id":"pm_1","email":" "}`), 400, "field_invalid", "email"},
		{"null", checking(`{"ip":"203.0.113.7","card_id":"pm_1","device":null}`), 400, "field_invalid", "device"},
		{"257 characters", checking(`{"ip":"203.0.113.7","card_id":"pm_1","cart":"` + strings.Repeat("x", 257) + `"}`), 400, "field_invalid", "cart"},
		{"not UTF-8", checking("{\"ip\":\"203.0.113.7\",\"card_id\":\"pm_1\",\"account\":\"\xff\"}"), 400, "field_invalid", "account"},
		{"half an escape", raw("POST /v1/check?ip=203.0.113.7&card_id=pm_1&cart=%4", "", asCheckout), 400, "field_invalid", "cart"},
		{"another outcome", raw("POST /v1/outcomes?ip=203.0.113.7&card_id=pm_1&outcome=refused", "", asCheckout), 400, "field_invalid", "outcome"},
		{"a mistyped name", checking(`{"ip":"203.0.113.7","lastfour":"4242"}`), 400, "field_unknown", "lastfour"},
		{"a name in other letters", checking(`{"IP":"203.0.113.7"}`), 400, "field_unknown", "IP"},
		{"a name unfit to show", checking(`{"4242424242424242":"x"}`), 400, "field_unknown", ""},
		{"an outcome in a check", checking(`{"outcome":"declined"}`), 400, "field_unknown", "outcome"},
		{"a key twice", checking(`{"ip":"203.0.113.7","ip":"203.0.113.7"}`), 400, "field_repeated", "ip"},
		{"in the URL and the form", raw("POST /v1/check?card_id=pm_1", "card_id=pm_1", asForm, asCheckout), 400, "field_repeated", "card_id"},
		{"cut short", checking(notJSON), 400, "body_invalid", ""},
		{"more than one object", checking(someCard + "{}"), 400, "body_invalid", ""},
		{"a form called JSON", checking("ip=203.0.113.7"), 400, "body_invalid", ""},
		{"a form without values", checking("ip&last4", asForm), 400, "body_invalid", ""},
		{"a GET with a body", raw("GET /healthz", "{}"), 400, "body_invalid", ""},
		{"a GET with a body in chunks", raw("GET /readyz", "2\r\n{}"+lastChunk, chunked), 400, "body_invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(d.log.all())
			requireProblem(t, d.ask(t, tt.request), tt.status, tt.code, tt.field)
			lines := d.log.all()[before:]
			require.Len(t, lines, 2, "what was asked, and what was answered")
			assert.Equal(t, tt.code, lines[1].attrs["code"])
		})
	}
	assert.Equal(t, 1, d.ask(t, check("203.0.113.7", 1)).count(t), "a refused request counts nothing")
}

func TestABodyOf8KiBIsTaken(t *testing.T) {
	d := open(t)
	body := strings.Repeat(" ", 8<<10-len(someCard)) + someCard
	assert.Equal(t, 200, d.ask(t, raw("POST /v1/check", body, asCheckout)).status)
	body = "2000\r\n" + body + lastChunk
	assert.Equal(t, 200, d.ask(t, raw("POST /v1/check", body, asCheckout, chunked)).status)
}

func TestA405NamesWhatIsAllowed(t *testing.T) {
	d := open(t)
	assert.Equal(t, "POST", d.ask(t, raw("GET /v1/check", "")).header.Get("Allow"))
	assert.Equal(t, "POST", d.ask(t, raw("OPTIONS /v1/outcomes", "")).header.Get("Allow"))
	assert.Equal(t, "GET, HEAD", d.ask(t, raw("DELETE /healthz", "")).header.Get("Allow"))
	assert.Equal(t, "GET, HEAD", d.ask(t, raw("POST /readyz", "")).header.Get("Allow"))
}

func TestAHeadIsAnsweredWithoutABody(t *testing.T) {
	l := open(t).dial(t)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/check": 405, "/nowhere": 404} {
		a := l.ask(raw("HEAD "+path, ""))
		assert.Equal(t, status, a.status, path)
		assert.Empty(t, a.body, path)
		assert.Equal(t, 200, l.ask(raw("GET /healthz", "")).status, "the connection goes on")
	}
}

func TestARefusalLeavesTheConnectionUsable(t *testing.T) {
	l := open(t).dial(t)
	for i, request := range []string{
		raw("POST /v1/nowhere", someCard), raw("PUT /v1/check", someCard), raw("POST /v1/check", someCard),
		raw("POST /v1/check", someCard, asAnalyst), raw("POST /v1/check", someCard, asText, asCheckout),
		raw("POST /v1/check", notJSON, asCheckout), raw("GET /healthz", "{}"),
	} {
		a := l.ask(request)
		assert.GreaterOrEqual(t, a.status, 400)
		assert.False(t, a.close, a.body)
		assert.Equal(t, min(i+1, 6), l.ask(check("203.0.113.7", i)).count(t), request)
	}
}

func TestAStrangerIsAnsweredAsAWrongPassword(t *testing.T) {
	d := open(t)
	date := regexp.MustCompile(`(?m)^Date: .*\r\n`)
	whole := func(authorization string) string {
		l := d.dial(t)
		l.send(raw("POST /v1/check", someCard, authorization, "X-Request-ID: one-and-the-same", "Connection: close"))
		var text strings.Builder
		_, err := l.r.WriteTo(&text)
		require.NoError(t, err)
		return date.ReplaceAllString(text.String(), "")
	}
	wrong := whole(basic("checkout", "sesame"))
	require.Contains(t, wrong, "credentials_invalid")
	assert.Equal(t, wrong, whole(basic("stranger", "sesame")))
	assert.Equal(t, wrong, whole(basic("stranger", checkoutPassword)))
	assert.Equal(t, wrong, whole(basic("", "")))
}

// Wherever a card number strays, it is seen neither in the answer nor in the log.
func TestACardNumberNeverComesBack(t *testing.T) {
	const pan = "4111111111111111"
	tests := []struct{ name, request, code, field string }{
		{"as last4", raw("POST /v1/check", `{"ip":"203.0.113.7","last4":"`+pan+`","exp_month":12,"exp_year":30}`, asCheckout), "field_invalid", "last4"},
		{"as last4, in a form", raw("POST /v1/check", "ip=203.0.113.7&last4="+pan, asForm, asCheckout), "field_invalid", "last4"},
		{"as last4, in the URL", raw("POST /v1/check?ip=203.0.113.7&last4="+pan, "", asCheckout), "field_invalid", "last4"},
		{"as last4 of an outcome", raw("POST /v1/outcomes", `{"ip":"203.0.113.7","last4":"`+pan+`","exp_month":12,"exp_year":30,"outcome":"declined"}`, asCheckout), "field_invalid", "last4"},
		{"as card_id", raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"`+pan+`"}`, asCheckout), "field_invalid", "card_id"},
		{"as card_id, with blanks", raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"4111 1111 1111 1111"}`, asCheckout), "field_invalid", "card_id"},
		{"as card_id, with dashes", raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":" 4111-1111-1111-1111"}`, asCheckout), "field_invalid", "card_id"},
		{"as last4 beside a card_id", raw("POST /v1/check", `{"ip":"203.0.113.7","card_id":"pm_1","last4":"`+pan+`"}`, asCheckout), "field_invalid", "last4"},
		{"as ip", raw("POST /v1/check", `{"ip":"`+pan+`"}`, asCheckout), "field_invalid", "ip"},
		{"as exp_month", raw("POST /v1/check", `{"ip":"203.0.113.7","last4":"4242","exp_month":`+pan+`}`, asCheckout), "field_invalid", "exp_month"},
		{"as outcome", raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"pm_1","outcome":"`+pan+`"}`, asCheckout), "field_invalid", "outcome"},
		{"as a name", raw("POST /v1/check", `{"`+pan+`":"x"}`, asCheckout), "field_unknown", ""},
		{"in a name", raw("POST /v1/check?card"+pan+"=1", "", asCheckout), "field_unknown", ""},
		{"in an unknown field", raw("POST /v1/check", `{"card_number":"`+pan+`"}`, asCheckout), "field_unknown", "card_number"},
		{"as the whole body", raw("POST /v1/check", pan, asCheckout), "body_invalid", ""},
		{"as a media type", raw("POST /v1/check", someCard, "Content-Type: "+pan+"/"+pan, asCheckout), "media_type", ""},
		{"as a path", raw("POST /"+pan, ""), "not_found", ""},
		{"as a method", raw(pan+" /v1/check", ""), "method", ""},
		{"as credentials", raw("POST /v1/check", someCard, basic(pan, pan)), "credentials_invalid", ""},
		{"as a scheme", raw("POST /v1/check", someCard, "Authorization: "+pan+" x"), "authorization_malformed", ""},
		{"as a request id", raw("POST /v1/nowhere", "", "X-Request-ID: "+pan), "not_found", ""},
		{"as a header", raw("POST /v1/nowhere", "", "X-"+pan+": "+pan, "X-Forwarded-For: "+pan), "not_found", ""},
		{"as a host", strings.Replace(raw("GET /nowhere", ""), "fraudcheck.test", pan, 1), "not_found", ""},
		{"as malformed HTTP", "POST /v1/check HTTP/1.1\r\n" + pan + "\r\n\r\n", "body_invalid", ""},
	}
	digits := regexp.MustCompile(`(4111[ -]?1111)|(\D4242\D)`)
	d := open(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := d.ask(t, tt.request)
			assert.Equal(t, tt.code, a.json["code"], a.body)
			if tt.field != "" {
				assert.Equal(t, tt.field, a.json["field"])
			}
			assert.NotRegexp(t, digits, a.body)
			assert.NotRegexp(t, digits, headerText(a.header))
		})
	}
	assert.NotRegexp(t, digits, d.log.text())
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}
