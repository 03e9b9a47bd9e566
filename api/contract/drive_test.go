package contract

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/api"
	"fraudcheck/internal/testbed"
)

// A sample is a request of an operation that is taken.
type sample struct {
	target string // where it is not the path
	body   string
	as     string // Authorization of a caller that may ask
}

const (
	someCheck   = `{"ip":"203.0.113.200","card_id":"pm_200"}`
	someSubject = `{"per":"email","value":"ada@example.com"}`
	someAttempt = `{"attempt_id":"order-1001-1"}`

	setOverride    = op("PUT /v1/addresses/{ip}/override")
	removeOverride = op("DELETE /v1/addresses/{ip}/override")
	someOverride   = `{"decision":"allow","for":"24h","reason":"shared office, ticket 4711"}`
)

// samples are of all operations; a test holds that none is missing.
var samples = map[op]sample{
	"POST /v1/check":             {body: someCheck, as: asCheckout},
	"POST /v1/outcomes":          {body: `{"ip":"203.0.113.200","card_id":"pm_200","outcome":"approved"}`, as: asCheckout},
	"POST /v1/login":             {body: `{"username":"checkout","password":"` + password + `"}`},
	"POST /v1/refresh":           {body: `{"refresh_token":"fc_r_x"}`},
	"POST /v1/logout":            {body: `{}`},
	"GET /v1/me":                 {as: asCheckout},
	"HEAD /v1/me":                {as: asCheckout},
	"GET /healthz":               {},
	"HEAD /healthz":              {},
	"GET /readyz":                {},
	"HEAD /readyz":               {},
	"GET /metrics":               {},
	"GET /openapi.yaml":          {},
	"HEAD /openapi.yaml":         {},
	"GET /v1/addresses/{ip}":     {target: "/v1/addresses/203.0.113.201", as: asDesk},
	"DELETE /v1/addresses/{ip}":  {target: "/v1/addresses/203.0.113.201", as: asDesk},
	setOverride:                  {target: "/v1/addresses/203.0.113.202/override", body: someOverride, as: asDesk},
	removeOverride:               {target: "/v1/addresses/203.0.113.202/override", as: asDesk},
	"GET /v1/overrides":          {as: asDesk},
	"POST /v1/subjects/read":     {body: someSubject, as: asDesk},
	"POST /v1/subjects/forget":   {body: someSubject, as: asDesk},
	"POST /v1/attempts/read":     {body: someAttempt, as: asDesk},
	"GET /v1/blocked":            {as: asDesk},
	"GET /v1/decisions":          {as: asDesk},
	"GET /v1/rules":              {as: asDesk},
	"GET /v1/trends":             {as: asDesk},
	"GET /v1/decisions/stream":   {as: asDesk},
	"HEAD /v1/decisions/stream":  {as: asDesk},
	"GET /v1/logins":             {as: asChief},
	"GET /v1/instances":          {as: asChief},
	"DELETE /v1/logins/{id}":     {target: "/v1/logins/Uu2IkKhVZ3xkq8Yb7c1m0Q", as: asChief},
	"GET /debug/pprof/":          {as: asChief},
	"GET /debug/pprof/{profile}": {target: "/debug/pprof/heap", as: asChief},
}

func samplePath(o op) string {
	if target := samples[o].target; target != "" {
		return target
	}
	return o.path()
}

// A drive makes calls and judges what comes back.
type drive struct {
	*testing.T
	*description
}

// sampleOf is the sample of the operation as a call, with these headers beside it.
func (d *drive) sampleOf(o op, headers ...string) *call {
	s := samples[o]
	if s.as != "" {
		headers = append(headers, s.as)
	}
	return &call{port: d.ports(o)[0], method: o.method(), target: samplePath(o), body: s.body, headers: headers}
}

// anonymous is the sample without its caller.
func (d *drive) anonymous(o op, headers ...string) *call {
	c := d.sampleOf(o, headers...)
	c.headers = headers
	return c
}

// ask makes the call and requires this status, and that the answer is as documented.
func (d *drive) ask(i *testbed.Instance, o op, c *call, status int) answer {
	d.Helper()
	a := c.ask(d.T, i)
	if !assert.Equal(d, status, a.status, "%s: %s %s", o, c.target, a.body) {
		return a
	}
	r := c.request(d.T)
	for _, fault := range d.judge(o, r, a) {
		assert.Fail(d, fault, "%s %d: %s", o, status, a.body)
	}
	return a
}

// taken is ask for a request that the document must take, too.
func (d *drive) taken(i *testbed.Instance, o op, c *call, status int) answer {
	d.Helper()
	ok, why := d.takes(c.request(d.T))
	assert.True(d, ok, "%s: the document does not take what the program takes: %s %s: %s", o, c.target, c.body, why)
	return d.ask(i, o, c, status)
}

// refused is ask for a request that the document must refuse, too.
func (d *drive) refused(i *testbed.Instance, o op, c *call) answer {
	d.Helper()
	ok, _ := d.takes(c.request(d.T))
	assert.False(d, ok, "%s: the document takes what the program refuses: %s %s", o, c.target, c.body)
	return d.ask(i, o, c, 400)
}

// authenticated reports whether the operation needs a caller.
func (d *drive) authenticated(o op) bool { return samples[o].as != "" }

func (d *drive) documents(o op, status int) bool { r, _ := d.response(o, status); return r != nil }

// safe reports whether the operation changes nothing.
func (o op) safe() bool { return o.method() == "GET" || o.method() == "HEAD" }

// TestEveryOperationAndErrorIsAsDocumented is one run over all: at its end, everything
// documented was met.
func TestEveryOperationAndErrorIsAsDocumented(t *testing.T) {
	d := &drive{t, describe(t, api.Document)}
	for _, o := range d.ops() {
		require.Contains(t, samples, o, "a new operation needs its sample")
	}
	plain := start(t, "")
	d.driveExamples(plain)
	d.driveChecks(plain)
	d.driveLogins(plain)
	d.driveOperators(plain)
	d.driveHTTP(plain)
	d.driveCallers(plain)
	d.driveFields(plain)
	d.driveStreams(plain)
	d.driveGuessing(start(t, "  tokens: {ttl: 1s, refresh_ttl: 1s}\n"))
	d.driveBusy(start(t, busySettings))
	d.driveAway()
	// A fault of the program cannot be asked for. That its answer is the example, another
	// test of the document holds.
	unmet := slices.DeleteFunc(d.unmet(), func(what string) bool {
		return strings.Contains(what, " 500") || strings.HasSuffix(what, "/Internal internal")
	})
	assert.Empty(t, unmet, "documented, and not met")
}

// driveExamples sends every example of a request.
func (d *drive) driveExamples(i *testbed.Instance) {
	for _, o := range d.ops() {
		body, _ := d.follow(d.node(o)["requestBody"], "")
		content, _ := body["content"].(object)
		for media, c := range content {
			examples, _ := c.(object)["examples"].(object)
			for _, name := range slices.Sorted(maps.Keys(examples)) {
				e := examples[name]
				value := asJSON(e.(object)["value"]).(map[string]any)
				if o == "POST /v1/refresh" {
					value["refresh_token"] = d.login(i).json["refresh_token"]
				}
				c := d.sampleOf(o)
				c.media, c.body = media, encode(media, value)
				status := 200
				for s := range d.node(o)["responses"].(object) {
					if s[0] == '2' {
						_, err := fmt.Sscan(s, &status)
						require.NoError(d, err)
					}
				}
				d.taken(i, o, c, status)
			}
		}
	}
}

func (d *drive) login(i *testbed.Instance) answer {
	d.Helper()
	return d.taken(i, "POST /v1/login", d.sampleOf("POST /v1/login"), 200)
}

// driveChecks brings every decision about.
func (d *drive) driveChecks(i *testbed.Instance) {
	const o = op("POST /v1/check")
	for card := range 6 {
		c := d.sampleOf(o)
		c.body = fmt.Sprintf(`{"ip":"203.0.113.77","card_id":"pm_%d"}`, card)
		d.taken(i, o, c, 200)
	}
	c := d.sampleOf(o)
	c.body = `{"ip":"198.51.100.9","card_id":"pm_1"}`
	d.taken(i, o, c, 200)
	two := d.sampleOf("GET /v1/blocked")
	two.target += "?limit=2"
	d.taken(i, "GET /v1/blocked", two, 200)
	c.body = `{"ip":"203.0.113.79","card_id":"pm_1","email":"eve@example.com"}`
	d.taken(i, o, c, 200)
	c = d.sampleOf(o)
	c.target, c.body = o.path()+"?ip=203.0.113.78&last4=4242&exp_month=1&exp_year=30&email=", ""
	d.taken(i, o, c, 200)
	c = d.sampleOf("POST /v1/outcomes")
	c.target, c.body = "/v1/outcomes?ip=203.0.113.78&card_id=pm_1&outcome=declined", ""
	d.taken(i, "POST /v1/outcomes", c, 202)
}

// cookie is the session's cookie of a login, as a request shows it.
func cookie(login answer) string {
	value, _, _ := strings.Cut(login.header.Get("Set-Cookie"), ";")
	return "Cookie: " + value
}

// jwt is a token of the issuer that the settings name, which ends in so many seconds.
func jwt(ends int) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(fmt.Appendf(nil,
		`{"sub":"checkout-7","aud":"fraudcheck","roles":["checker"],"shop":"berlin","exp":%d}`, time.Now().Unix()+int64(ends)))
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	mac.Write([]byte(text))
	return "Authorization: Bearer " + text + "." + encode(mac.Sum(nil))
}

// driveLogins logs in and out, with everything that a login issues.
func (d *drive) driveLogins(i *testbed.Instance) {
	issued := d.login(i)
	bearer := "Authorization: Bearer " + issued.json["token"].(string)
	for _, shown := range []string{bearer, cookie(issued), jwt(600)} {
		d.taken(i, "GET /v1/me", d.anonymous("GET /v1/me", shown), 200)
		d.taken(i, "POST /v1/check", d.anonymous("POST /v1/check", shown, "Sec-Fetch-Site: same-origin"), 200)
	}
	d.taken(i, "GET /v1/me", d.sampleOf("GET /v1/me"), 200)
	byBasic := &call{port: "operators", method: "POST", target: "/v1/login", headers: []string{asDesk}}
	d.taken(i, "POST /v1/login", byBasic, 200)

	refresh := func(token string, status int) answer {
		c := d.sampleOf("POST /v1/refresh")
		c.body = `{"refresh_token":"` + token + `"}`
		return d.taken(i, "POST /v1/refresh", c, status)
	}
	d.ask(i, "POST /v1/login", d.anonymous("POST /v1/login", "Origin: http://evil.example"), 403)
	d.ask(i, "POST /v1/refresh", d.anonymous("POST /v1/refresh", "Origin: http://evil.example"), 403)
	d.ask(i, "POST /v1/logout", d.anonymous("POST /v1/logout", cookie(issued), "Origin: http://evil.example"), 403)
	refresh("fc_r_x", 401)
	fresh := refresh(issued.json["refresh_token"].(string), 200)
	logout := d.anonymous("POST /v1/logout", "Authorization: Bearer "+fresh.json["token"].(string))
	d.taken(i, "POST /v1/logout", logout, 204)
	d.ask(i, "POST /v1/logout", d.anonymous("POST /v1/logout", basic("checkout", "guess")), 401)
	d.ask(i, "POST /v1/logout", d.anonymous("POST /v1/logout", "Authorization: Basic ?"), 401)
	d.ask(i, "POST /v1/logout", d.anonymous("POST /v1/logout", "Authorization: Bearer fc_a_x"), 401)

	wrong := d.sampleOf("POST /v1/login")
	wrong.body = `{"username":"checkout","password":"guess"}`
	d.taken(i, "POST /v1/login", wrong, 401)
	branch := d.sampleOf("POST /v1/login")
	branch.body = `{"username":"branch","password":"` + password + `"}`
	d.taken(i, "POST /v1/login", branch, 403)
	far := d.sampleOf("POST /v1/login", "X-Forwarded-For: 192.0.2.7") // the proxy says: from where branch may call
	far.body = branch.body
	branch = d.sampleOf("POST /v1/refresh")
	branch.body = `{"refresh_token":"` + d.ask(i, "POST /v1/login", far, 200).json["refresh_token"].(string) + `"}`
	d.taken(i, "POST /v1/refresh", branch, 403)
	malformed := &call{port: "callers", method: "POST", target: "/v1/login", headers: []string{"Authorization: Basic ?"}}
	d.ask(i, "POST /v1/login", malformed, 401)
}

// driveOperators asks what only the operators' port has.
func (d *drive) driveOperators(i *testbed.Instance) {
	at := func(o op, target string) *call {
		c := d.sampleOf(o)
		c.target = target
		return c
	}
	const read, forget = op("GET /v1/addresses/{ip}"), op("DELETE /v1/addresses/{ip}")
	d.taken(i, read, at(read, "/v1/addresses/203.0.113.77"), 200)
	d.taken(i, read, at(read, "/v1/addresses/198.51.100.9"), 200)
	d.taken(i, read, at(read, "/v1/addresses/2001:db8::7"), 200)
	d.taken(i, forget, at(forget, "/v1/addresses/203.0.113.77"), 200)
	d.taken(i, forget, at(forget, "/v1/addresses/198.51.100.9"), 200)
	d.refused(i, read, at(read, "/v1/addresses/nowhere"))
	d.refused(i, forget, at(forget, "/v1/addresses/nowhere"))

	d.driveBlocked(i)
	d.driveOverrides(i)
	d.driveDecisions(i)

	eve := d.sampleOf("POST /v1/subjects/read")
	eve.body = `{"per":"email","value":"eve@example.com"}`
	d.taken(i, "POST /v1/subjects/read", eve, 200)
	d.taken(i, "POST /v1/attempts/read", d.sampleOf("POST /v1/attempts/read"), 200)
	for _, o := range d.ops() {
		if strings.HasPrefix(string(o), "GET /debug") {
			d.taken(i, o, d.sampleOf(o), 200)
		}
	}
	const profile = op("GET /debug/pprof/{profile}")
	d.taken(i, profile, at(profile, "/debug/pprof/goroutine?debug=1"), 200)
	d.ask(i, profile, at(profile, "/debug/pprof/heap?seconds=x"), 400)
	d.ask(i, profile, at(profile, "/debug/pprof/nothing"), 404)
	d.taken(i, "GET /metrics", at("GET /metrics", "/metrics?name[]=go_goroutines"), 200)

	const document = op("GET /openapi.yaml")
	tag := d.taken(i, document, d.sampleOf(document), 200).header.Get("ETag")
	for _, o := range []op{document, "HEAD /openapi.yaml"} {
		d.taken(i, o, d.sampleOf(o, "If-None-Match: "+tag), 304)
	}
}

// driveOverrides sets an override, meets it in every answer that shows one, and removes it.
func (d *drive) driveOverrides(i *testbed.Instance) {
	const read, forget, list = op("GET /v1/addresses/{ip}"), op("DELETE /v1/addresses/{ip}"), op("GET /v1/overrides")
	d.taken(i, setOverride, d.sampleOf(setOverride), 200)
	for _, o := range []op{read, forget} {
		c := d.sampleOf(o)
		c.target = "/v1/addresses/203.0.113.202"
		require.NotNil(d, d.taken(i, o, c, 200).json["override"])
	}
	require.NotEmpty(d, d.taken(i, list, d.sampleOf(list), 200).json["overrides"])
	filtered := d.sampleOf(list)
	filtered.target += "?scope=this"
	d.taken(i, list, filtered, 200)
	filtered.target = "/v1/overrides?limit=1"
	d.refused(i, list, filtered)
	d.taken(i, removeOverride, d.sampleOf(removeOverride), 200)

	for _, body := range []string{
		`{"for":"24h","reason":"x"}`, `{"decision":"allow","for":"24h","reason":"x","until":"x"}`, `{"decision":"review","for":"24h","reason":"x"}`,
	} {
		c := d.sampleOf(setOverride)
		c.body = body
		d.refused(i, setOverride, c)
	}
	twice := d.sampleOf(setOverride)
	twice.body = `{"decision":"allow","for":"24h","reason":"x","reason":"y"}`
	d.ask(i, setOverride, twice, 400) // a schema sees the last one only
	long := d.sampleOf(setOverride)
	long.body = strings.Replace(someOverride, "24h", "48h", 1)
	d.taken(i, setOverride, long, 403)
	for _, o := range []op{setOverride, removeOverride} {
		c := d.sampleOf(o)
		c.target = "/v1/addresses/nowhere/override"
		d.refused(i, o, c)
	}
	for _, o := range []op{read, forget, removeOverride, "DELETE /v1/logins/{id}"} {
		c := d.sampleOf(o)
		c.target += "?scope=this"
		d.refused(i, o, c)
	}
}

// driveDecisions lists decisions by every filter.
func (d *drive) driveDecisions(i *testbed.Instance) {
	const list = op("GET /v1/decisions")
	ask := func(query string) *call {
		c := d.sampleOf(list)
		c.target += "?" + query
		return c
	}
	page := d.taken(i, list, ask("ip=203.0.113.77&limit=1"), 200)
	id := page.json["decisions"].([]any)[0].(map[string]any)["request_id"].(string)
	for _, query := range []string{
		"before=" + page.json["next"].(string), "decision=block&rule=cards_per_ip", "decision=&rule=&ip=&attempt_id=&request_id=&since=&scope=&before=",
		"ip=203.0.113.0/24", "request_id=" + id, "since=2026-11-28T13:00:00Z", "since=1795870800.5", "attempt_id=order-1001-1", "attempt=k7qm2xpz", "attempt=", "scope=this", "ip=198.51.100.250",
	} {
		d.taken(i, list, ask(query), 200)
	}
	for _, query := range []string{"decision=deny", "rule=Cards", "ip=nowhere", "limit=1001", "before=7", "scope=all", "request_id=%2F"} {
		d.refused(i, list, ask(query))
	}
	for _, query := range []string{"card=k7qm2xpz", "ip=203.0.113.77&ip=203.0.113.77", "since=yesterday"} { // the document cannot say it
		d.ask(i, list, ask(query), 400)
	}
}

// driveStreams opens more streams of decisions than there may be.
func (d *drive) driveStreams(i *testbed.Instance) {
	const stream = op("GET /v1/decisions/stream")
	for _, query := range []string{"?decision=block&rule=cards_per_ip", "?since=2026-11-28T13:00:00Z", "?ip=203.0.113.0/24&scope=this"} {
		c := d.sampleOf(stream)
		c.target += query
		a := d.taken(i, stream, c, 200)
		assert.True(d, strings.HasPrefix(string(a.body), ": "), "%s", a.body)
	}
	for _, query := range []string{"?decision=no", "?card=k7qm2xpz", "?ip=203.0.113.7&ip=203.0.113.7"} {
		c := d.sampleOf(stream)
		c.target += query
		d.ask(i, stream, c, 400)
	}
	for range 64 {
		conn, err := net.Dial("tcp", i.Operators)
		require.NoError(d, err)
		defer conn.Close()
		c := d.sampleOf(stream)
		_, err = io.WriteString(conn, c.head())
		require.NoError(d, err)
		_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 200")))
		require.NoError(d, err)
	}
	d.ask(i, stream, d.sampleOf(stream), 503)
}

// driveHTTP asks each operation as HTTP should not be spoken, and each GET and HEAD as it
// should.
func (d *drive) driveHTTP(i *testbed.Instance) {
	other := map[string]string{"callers": "operators", "operators": "callers"}
	for _, o := range d.ops() {
		if o.safe() {
			d.taken(i, o, d.sampleOf(o), 200)
		}
		d.ask(i, o, d.sampleOf(o, asCheckout, asCheckout), 400) // two Authorization headers
		switch {
		case o.safe():
			c := d.sampleOf(o)
			c.body = "{}"
			d.ask(i, o, c, 400)
		case o.method() == "DELETE":
			d.ask(i, o, d.sampleOf(o, "Host: another.test"), 400)
		}
		c := d.sampleOf(o)
		c.body = strings.Repeat(" ", 9<<10)
		d.ask(i, o, c, 413)
		d.ask(i, o, d.sampleOf(o, "Expect: a cake"), 417)
		c = d.sampleOf(o, "X-Long: "+strings.Repeat("x", 9<<10))
		d.ask(i, o, c, 431)
		c = d.sampleOf(o, "Transfer-Encoding: gzip")
		c.body = ""
		d.ask(i, o, c, 501)
		c = d.sampleOf(o)
		c.version = "HTTP/1.9"
		d.ask(i, o, c, 505)
		if d.documents(o, 415) {
			c = d.sampleOf(o)
			c.media, c.body = "text/plain", "x"
			d.ask(i, o, c, 415)
		}
		if d.documents(o, 405) {
			c = d.anonymous(o)
			c.method, c.body = "BREW", ""
			d.ask(i, o, c, 405)
		}
		if d.documents(o, 404) && !strings.Contains(o.path(), "/pprof/") {
			c = d.anonymous(o)
			c.port = other[c.port]
			d.ask(i, o, c, 404)
		}
	}
	// The body of each operation, as it should not be written.
	for o, c := range map[op]*call{
		"POST /v1/check":    {body: someCheck, media: "application/x-www-form-urlencoded"},
		"POST /v1/login":    {body: "username=checkout", media: "application/json"},
		"POST /v1/refresh":  {body: `{"refresh_token":"fc_r_x"} x`},
		"POST /v1/outcomes": {body: "[]"}, "POST /v1/logout": {body: "[]"},
		setOverride:              {body: "[]"},
		"POST /v1/subjects/read": {body: "[]"}, "POST /v1/subjects/forget": {body: "[]"}, "POST /v1/attempts/read": {body: "[]"},
	} {
		bad := d.sampleOf(o)
		bad.body, bad.media = c.body, c.media
		d.refused(i, o, bad)
	}
	missing := d.sampleOf("DELETE /v1/logins/{id}")
	d.ask(i, "DELETE /v1/logins/{id}", missing, 404)
	none := d.sampleOf("GET /debug/pprof/")
	none.port, none.headers = "callers", nil
	d.ask(i, "GET /debug/pprof/", none, 404)
}

// driveCallers asks each operation as callers who may not.
func (d *drive) driveCallers(i *testbed.Instance) {
	for _, o := range d.ops() {
		if !d.authenticated(o) {
			continue
		}
		wrong := map[string]string{ // by code
			"authorization_malformed": "Authorization: Basic ?", "credentials_invalid": basic("checkout", "guess"),
			"token_expired": jwt(-60), "token_invalid": "Authorization: Bearer x.y.z",
		}
		d.ask(i, o, d.anonymous(o), 401)
		for _, shown := range wrong {
			d.ask(i, o, d.anonymous(o, shown), 401)
		}
		d.ask(i, o, d.anonymous(o, basic("branch", password)), 403)
		if !strings.HasSuffix(o.path(), "/me") {
			other := asCheckout
			if d.ports(o)[0] == "callers" {
				other = asDesk
			}
			d.ask(i, o, d.anonymous(o, other), 403)
		}
		if !o.safe() {
			d.ask(i, o, d.sampleOf(o, "Origin: http://evil.example"), 403)
		}
	}
	const end = op("DELETE /v1/logins/{id}")
	list := d.taken(i, "GET /v1/logins", d.sampleOf("GET /v1/logins"), 200)
	for _, login := range list.json["logins"].([]any) {
		c := d.sampleOf(end)
		c.target = "/v1/logins/" + login.(map[string]any)["id"].(string)
		d.taken(i, end, c, 204)
	}
	d.login(i)
	d.taken(i, "GET /v1/logins", d.sampleOf("GET /v1/logins"), 200) // one, as in the example
	d.taken(i, "GET /v1/instances", d.sampleOf("GET /v1/instances"), 200)
	rules := d.sampleOf("GET /v1/rules")
	rules.target += "?scope=this"
	d.refused(i, "GET /v1/rules", rules)
	for _, o := range []op{"GET /v1/logins", "GET /v1/instances", "GET /v1/trends"} {
		filtered := d.sampleOf(o)
		filtered.target += "?scope=this"
		d.taken(i, o, filtered, 200)
		filtered.target = o.path() + "?limit=1"
		d.refused(i, o, filtered)
	}
}

// driveGuessing asks each operation after too many wrong credentials, of a program whose
// logins last for a second.
func (d *drive) driveGuessing(i *testbed.Instance) {
	issued := d.login(i)
	me := d.anonymous("GET /v1/me", "Authorization: Bearer "+issued.json["token"].(string))
	require.Eventually(d, func() bool { return me.ask(d.T, i).status == 401 }, testbed.Prompt, testbed.PollInterval)
	refresh := d.sampleOf("POST /v1/refresh")
	refresh.body = `{"refresh_token":"` + issued.json["refresh_token"].(string) + `"}`
	d.ask(i, "POST /v1/refresh", refresh, 401)

	guesses := 0
	for _, o := range d.ops() {
		if !d.documents(o, 429) {
			continue
		}
		c := d.anonymous(o, basic("nobody", "guess"))
		switch o {
		case "POST /v1/refresh":
			c = d.sampleOf(o)
		case "POST /v1/login":
			c.body = ""
		}
		// Of those from one address some 300 are answered at once, and then five a second.
		for c.ask(d.T, i).status == 401 {
			guesses++
			require.Less(d, guesses, 10_000)
		}
		d.ask(i, o, c, 429)
	}
}

// busySettings take one request at a time, and verify a wrong password for seconds.
const busySettings = `      - {username: slow, encryption: bcrypt, password: $2a$14$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234}
limits: {in_flight: 1, read: 1s}
drain_delay: 1m
`

// driveBusy asks each operation slowly, then while another request is in flight, and then
// of a program that stops.
func (d *drive) driveBusy(i *testbed.Instance) {
	var slow sync.WaitGroup
	late := map[op]answer{}
	var mu sync.Mutex
	for _, o := range d.ops() {
		slow.Go(func() {
			c := d.sampleOf(o)
			c.cut = true
			a := c.ask(d.T, i)
			mu.Lock()
			defer mu.Unlock()
			late[o] = a
		})
	}
	slow.Wait()
	for o, a := range late {
		require.Equal(d, 408, a.status, o)
		for _, fault := range d.judge(o, d.sampleOf(o).request(d.T), a) {
			assert.Fail(d, fault, "%s 408", o)
		}
	}
	for _, port := range []string{"callers", "operators"} {
		held := make(chan answer, 1)
		go func() {
			holder := call{port: port, method: "GET", target: "/v1/me", headers: []string{basic("slow", "guess")}}
			a := holder.ask(d.T, i)
			for a.status == 503 { // the probe was in flight
				a = holder.ask(d.T, i)
			}
			held <- a
		}()
		probe := call{port: port, method: "GET", target: "/v1/me"}
		require.Eventually(d, func() bool { return probe.ask(d.T, i).status == 503 }, testbed.Prompt, testbed.PollInterval)
		for _, o := range d.ops() {
			if d.documents(o, 503) && !strings.HasSuffix(o.path(), "/readyz") && slices.Contains(d.ports(o), port) {
				c := d.sampleOf(o)
				c.port = port
				d.ask(i, o, c, 503)
			}
		}
		select {
		case <-held:
			require.Fail(d, "the request in flight has ended too early")
		default:
		}
		require.Equal(d, 401, (<-held).status)
	}
	require.NoError(d, i.Signal(syscall.SIGTERM))
	probe := call{port: "callers", method: "GET", target: "/readyz"}
	require.Eventually(d, func() bool { return probe.ask(d.T, i).status == 503 }, testbed.Prompt, testbed.PollInterval)
	for _, o := range []op{"GET /readyz", "HEAD /readyz"} {
		d.ask(i, o, d.sampleOf(o), 503)
	}
}

// driveAway asks each operation while memcached is gone.
func (d *drive) driveAway() {
	memcached, err := testbed.NewMemcached(d.Context(), d.TempDir(), "", "-m", "64")
	require.NoError(d, err)
	d.Cleanup(memcached.Kill)
	shared := "store: {kind: memcached, memcached: {servers: [\"" + memcached.Addr + "\"]}}\n"
	knows, i := start(d.T, shared), start(d.T, shared)
	issued := d.login(knows)
	login := d.taken(knows, "GET /v1/logins", d.sampleOf("GET /v1/logins"), 200).json["logins"].([]any)[0].(map[string]any)
	memcached.Kill()

	for _, o := range d.ops() {
		if d.authenticated(o) {
			d.ask(i, o, d.anonymous(o, cookie(issued), "Sec-Fetch-Site: same-origin"), 503)
		}
	}
	for _, o := range []op{"DELETE /v1/addresses/{ip}", setOverride, removeOverride, "POST /v1/subjects/forget", "GET /v1/logins"} {
		d.ask(i, o, d.sampleOf(o), 503)
	}
	refresh := d.sampleOf("POST /v1/refresh")
	refresh.body = `{"refresh_token":"` + issued.json["refresh_token"].(string) + `"}`
	d.ask(i, "POST /v1/refresh", refresh, 503)
	d.ask(i, "POST /v1/logout", d.anonymous("POST /v1/logout", "Authorization: Bearer "+issued.json["token"].(string)), 503)
	end := d.sampleOf("DELETE /v1/logins/{id}")
	end.target = "/v1/logins/" + login["id"].(string)
	d.ask(i, "DELETE /v1/logins/{id}", end, 503)
	d.login(i)
	check := d.sampleOf("POST /v1/check")
	check.body = `{"ip":"203.0.113.99","card_id":"pm_1"}`
	require.Equal(d, true, d.taken(i, "POST /v1/check", check, 200).json["degraded"])
}
