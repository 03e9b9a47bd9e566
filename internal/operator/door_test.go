package operator_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

const (
	someone   = "/v1/addresses/203.0.113.7"
	someEmail = `{"per":"email","value":"a@example.org"}`
)

func TestEachRouteNeedsItsRole(t *testing.T) {
	d := open(t, nil)
	for _, guarded := range []struct{ method, path, body string }{
		{"GET", someone, ""},
		{"DELETE", someone, ""},
		{"PUT", someone + "/override", "{"},
		{"DELETE", someone + "/override", ""},
		{"GET", "/v1/overrides", ""},
		{"GET", "/v1/addresses/localhost", ""},
		{"POST", "/v1/subjects/read", someEmail},
		{"POST", "/v1/subjects/forget", someEmail},
		{"POST", "/v1/subjects/read", "{"},
		{"POST", "/v1/attempts/read", `{"attempt_id":"order-1"}`},
		{"POST", "/v1/subjects/forget", nine},
	} {
		t.Run(guarded.method+" "+guarded.path, func(t *testing.T) {
			ask := func(headers ...string) doortest.Answer {
				return d.anonymous(t, guarded.method, guarded.path, guarded.body, append(headers, asJSON)...)
			}
			refusals := []struct {
				name, code string
				headers    []string
			}{
				{"nobody", "authorization_missing", nil},
				{"nothing", "authorization_missing", []string{"Authorization: "}},
				{"a scheme alone", "authorization_malformed", []string{"Authorization: Basic"}},
				{"another scheme", "authorization_malformed", []string{"Authorization: Bearer abc.def.ghi"}},
				{"not base64", "authorization_malformed", []string{"Authorization: Basic analyst:" + doortest.AnalystPassword}},
				{"a stranger", "credentials_invalid", []string{doortest.Basic("stranger", doortest.AnalystPassword)}},
				{"a wrong password", "credentials_invalid", []string{doortest.Basic("analyst", "lens")}},
			}
			for _, tt := range refusals {
				t.Run(tt.name, func(t *testing.T) { doortest.RequireProblem(t, ask(tt.headers...), 401, tt.code, "") })
			}
			for name, caller := range map[string]string{"a checker": doortest.AsCheckout, "a caller without roles": doortest.AsNobody} {
				t.Run(name, func(t *testing.T) { doortest.RequireProblem(t, ask(caller), 403, "role_missing", "") })
			}
			for name, caller := range map[string]string{"an analyst": doortest.AsAnalyst, "an operator": doortest.AsOperator} {
				t.Run(name, func(t *testing.T) { assert.NotContains(t, []int{401, 403}, ask(caller).Status) })
			}
		})
	}
}

func TestOpenRoutesNeedNoCredentials(t *testing.T) {
	d := open(t, nil)
	for _, headers := range [][]string{nil, {doortest.AsCheckout}, {doortest.AsNobody}, {doortest.Basic("stranger", "")}, {"Authorization: Nonsense"}} {
		for path, body := range map[string]string{"/healthz": `{"status":"alive"}`, "/readyz": `{"status":"ready"}`} {
			a := d.anonymous(t, "GET", path+"?x=y", "", headers...)
			requireJSON(t, body, a)
		}
		a := d.anonymous(t, "GET", "/metrics", "", headers...)
		require.Equal(t, 200, a.Status)
		assert.Regexp(t, `^text/plain; version=`, a.Header.Get("Content-Type"))
		assert.Contains(t, a.Body, "fraudcheck_checks_total")
	}
}

func TestHEADIsAnsweredWithoutABody(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		get, head := d.anonymous(t, "GET", path, ""), d.anonymous(t, "HEAD", path, "")
		assert.Equal(t, 200, head.Status)
		assert.Empty(t, head.Body)
		assert.Equal(t, get.Header.Get("Content-Type"), head.Header.Get("Content-Type"))
		assert.Equal(t, get.Header.Get("Content-Length"), head.Header.Get("Content-Length"))
	}
	for path, status := range map[string]int{"/nowhere": 404, "/v1/subjects/read": 405} {
		a := d.anonymous(t, "HEAD", path, "")
		assert.Equal(t, status, a.Status)
		assert.Empty(t, a.Body)
		assert.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	}
}

func TestTheOrderOfRefusals(t *testing.T) {
	d := open(t, nil)
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, allow              string
	}{
		{"no such path", "GET", "/", "", []string{doortest.AsOperator}, 404, "not_found", ""},
		{"a path in other letters", "GET", "/Metrics", "", nil, 404, "not_found", ""},
		{"a slash at the end", "GET", "/metrics/", "", nil, 404, "not_found", ""},
		{"two slashes", "GET", "//metrics", "", nil, 400, "body_invalid", ""},
		{"a path that climbs", "GET", "/v1/../metrics", "", nil, 404, "not_found", ""},
		{"the callers' door", "POST", "/v1/check", someEmail, []string{doortest.AsOperator}, 404, "not_found", ""},
		{"nobody asked for profiles", "GET", "/debug/pprof/", "", []string{doortest.AsOperator}, 404, "not_found", ""},
		{"404 before 405", "BREW", "/coffee", "", nil, 404, "not_found", ""},
		{"404 before 401", "GET", "/v1/nowhere", "", nil, 404, "not_found", ""},
		{"404 before 413", "POST", "/v1/nowhere", nine, nil, 404, "not_found", ""},

		{"a metric is not set", "POST", "/metrics", "", []string{doortest.AsOperator}, 405, "method", "GET"},
		{"nor deleted", "DELETE", "/metrics", "", nil, 405, "method", "GET"},
		{"health is no POST", "POST", "/healthz", "{}", nil, 405, "method", "GET, HEAD"},
		{"nor is readiness", "PUT", "/readyz", "", nil, 405, "method", "GET, HEAD"},
		{"an address is no POST", "POST", someone, "", []string{doortest.AsOperator}, 405, "method", "GET, DELETE"},
		{"methods have letter case", "get", someone, "", []string{doortest.AsOperator}, 405, "method", "GET, DELETE"},
		{"an override is no GET", "GET", someone + "/override", "", []string{doortest.AsOperator}, 405, "method", "PUT, DELETE"},
		{"a subject is no GET", "GET", "/v1/subjects/read", "", []string{doortest.AsOperator}, 405, "method", "POST"},
		{"nor a DELETE", "DELETE", "/v1/subjects/forget", "", []string{doortest.AsOperator}, 405, "method", "POST"},
		{"405 before 401", "PUT", someone, "", nil, 405, "method", "GET, DELETE"},
		{"405 before 403", "OPTIONS", someone, "", []string{doortest.AsCheckout}, 405, "method", "GET, DELETE"},
		{"405 before 413", "PATCH", "/v1/subjects/read", nine, nil, 405, "method", "POST"},
		{"405 before 400", "PATCH", "/v1/addresses/localhost", "", nil, 405, "method", "GET, DELETE"},

		{"401 before 413", "POST", "/v1/subjects/forget", nine, nil, 401, "authorization_missing", ""},
		{"401 before 415", "POST", "/v1/subjects/read", someEmail, []string{asText}, 401, "authorization_missing", ""},
		{"401 before 400", "GET", "/v1/addresses/localhost", "", nil, 401, "authorization_missing", ""},
		{"403 before 413", "POST", "/v1/subjects/forget", nine, []string{doortest.AsCheckout}, 403, "role_missing", ""},
		{"403 before 415", "POST", "/v1/subjects/read", someEmail, []string{asText, doortest.AsCheckout}, 403, "role_missing", ""},
		{"403 before 400", "DELETE", "/v1/addresses/localhost", "", []string{doortest.AsCheckout}, 403, "role_missing", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := d.anonymous(t, tt.method, tt.path, tt.body, tt.headers...)
			doortest.RequireProblem(t, a, tt.status, tt.code, "")
			assert.Equal(t, tt.allow, a.Header.Get("Allow"))
		})
	}
}

func TestRequestIDs(t *testing.T) {
	d := open(t, nil)
	for _, id := range []string{"a", "checkout-1.2_3", strings.Repeat("x", 64), "123456789012", "01JD9Z3V8Q6R5T4W2X1Y0Z9A8B"} {
		for _, path := range []string{"/healthz", "/nowhere", someone} {
			a := d.anonymous(t, "GET", path, "", "X-Request-ID: "+id)
			assert.Equal(t, []string{id}, a.Header.Values("X-Request-Id"), "it is taken over")
			if a.Status != 200 {
				assert.Equal(t, id, a.JSON["request_id"])
			}
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "1234567890123", "x-41111111111111111-x", strings.Repeat("x", 65), "two words", "a/b", "é", `"`, "203.0.113.7:1"} {
		a := d.anonymous(t, "GET", "/nowhere", "", "X-Request-ID: "+id)
		made := a.Header.Get("X-Request-Id")
		assert.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{26}$`, made, "it is replaced by a ULID")
		assert.False(t, seen[made], "and by no other request's")
		seen[made] = true
	}
}

func TestAPanicCostsOneAnswer(t *testing.T) {
	for _, fault := range []any{"choked on 4242", errors.New("choked on 4242")} {
		var panics atomic.Bool
		panics.Store(true)
		d := open(t, nil, func(s *doortest.Setup) {
			now := s.Now
			s.Now = func(reading time.Time) velocity.Time {
				if panics.Load() {
					panic(fault)
				}
				return now(reading)
			}
		})
		for _, method := range []string{"GET", "DELETE"} {
			doortest.RequireProblem(t, d.ask(t, method, someone, ""), 500, "internal", "")
		}
		doortest.RequireProblem(t, d.ask(t, "POST", "/v1/subjects/read", someEmail), 500, "internal", "")
		panics.Store(false)
		assert.Equal(t, 200, d.ask(t, "GET", someone, "").Status, "the door goes on")

		var failures, answers []doortest.Line
		for _, line := range d.all.Log.Lines() {
			if line.Message == "panic in a handler" {
				failures = append(failures, line)
			}
			if line.Message == "Response:" {
				answers = append(answers, line)
			}
		}
		require.Len(t, failures, 3, "one line for each panic")
		require.Len(t, answers, 4)
		assert.Equal(t, "500", answers[0].Attrs["status"])
		assert.Equal(t, "internal", answers[0].Attrs["code"])
		assert.Contains(t, failures[0].Attrs["stack"], "TestAPanicCostsOneAnswer", "it tells where")
		assert.Equal(t, answers[0].Attrs["tag"], failures[0].Attrs["tag"])
		for _, word := range []string{"choked", "on 4242", "203.0.113", "example.org"} {
			assert.NotContains(t, d.all.Log.Text(), word)
		}
	}
}

func TestARequestLeavesTwoLines(t *testing.T) {
	d := open(t, nil)
	tests := []struct {
		name, method, path, body string
		asked, status, code      string
	}{ // of the analyst, who stands in the line where somebody was asked for
		{"an address", "GET", someone, "", "GET /v1/addresses/{ip}", "200", ""},
		{"a parameter", "GET", someone + "?x=y", "", "GET /v1/addresses/{ip}", "400", "field_unknown"},
		{"an address forgotten", "DELETE", someone, "", "DELETE /v1/addresses/{ip}", "200", ""},
		{"no address", "GET", "/v1/addresses/localhost", "", "GET /v1/addresses/{ip}", "400", "field_invalid"},
		{"a subject", "POST", "/v1/subjects/read", someEmail, "POST /v1/subjects/read", "200", ""},
		{"no subject", "POST", "/v1/subjects/forget", "{", "POST /v1/subjects/forget", "400", "body_invalid"},
		{"another method", "BREW", someone, "", "(other method) /v1/addresses/{ip}", "405", "method"},
		{"a method of HTTP", "PATCH", someone, "", "PATCH /v1/addresses/{ip}", "405", "method"},
		{"another path", "GET", "/v1/addresses/203.0.113.7/notes", "", "GET (no such path)", "404", "not_found"},
		{"another path and method", "BREW", "/coffee", "", "(other method) (no such path)", "404", "not_found"},
		{"health", "HEAD", "/healthz?x=y", "", "HEAD /healthz", "200", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(d.all.Log.Lines())
			answer := d.ask(t, tt.method, tt.path, tt.body)
			lines := d.all.Log.Lines()[before:]
			if strings.Contains(tt.name, "forgotten") {
				require.Equal(t, "Audit:", lines[0].Message)
				lines = lines[1:]
			}
			require.Len(t, lines, 2)

			level := slog.LevelInfo
			switch tt.status {
			case "400": // of a caller that is known
				level = slog.LevelWarn
			case "200":
				if tt.name == "health" { // probes and scrapes come every few seconds, for ever
					level = slog.LevelDebug
				}
			}
			tag := lines[0].Attrs["tag"]
			assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, tag)
			assert.Equal(t, doortest.Line{Level: level, Message: tt.asked, Attrs: map[string]string{"tag": tag}}, lines[0])

			took := lines[1].Attrs["took"]
			assert.NotEmpty(t, took)
			attrs := map[string]string{"tag": tag, "status": tt.status, "took": took, "request": answer.Header.Get("X-Request-ID")}
			if tt.code != "" {
				attrs["code"] = tt.code
			}
			if tt.code == "field_invalid" {
				attrs["field"] = "ip"
			}
			if tt.code == "field_unknown" {
				attrs["field"] = "x"
			}
			if strings.Contains(tt.asked, "/v1/") && tt.status != "404" && tt.status != "405" {
				attrs["scheme"], attrs["caller"] = "basic", "analyst"
			}
			assert.Equal(t, doortest.Line{Level: level, Message: "Response:", Attrs: attrs}, lines[1])
		})
	}
}

func TestATagFollowsAConversation(t *testing.T) {
	d := open(t, nil)
	for _, id := range []string{"visit-1", "visit-2", "visit-1"} {
		d.ask(t, "GET", "/healthz", "", "X-Request-ID: "+id)
	}
	lines := d.all.Log.Lines()
	require.Len(t, lines, 6)
	assert.Equal(t, lines[0].Attrs["tag"], lines[4].Attrs["tag"])
	assert.NotEqual(t, lines[0].Attrs["tag"], lines[2].Attrs["tag"])
	assert.Equal(t, "visit-2", lines[3].Attrs["request"])
}

// Whatever a request holds, only its route and its fault are told.
func TestTheLogTellsNothingOfWhatARequestHolds(t *testing.T) {
	d := open(t, onEverySubject, func(s *doortest.Setup) { s.Address = func(netip.Addr) string { return "" } })
	for _, path := range []string{
		"/v1/addresses/198.51.100.77", "/v1/addresses/2001:db8:77::77", "/v1/addresses/2001%3Adb8%3A77%3A%3A77?token=hidden",
		"/v1/addresses/198.51.100.777", "/v1/addresses/hidden", "/v1/addresses/198.51.100.77/hidden", "/hidden", "/metrics?hidden", "/readyz?hidden",
	} {
		for _, method := range []string{"GET", "DELETE", "HIDDEN"} {
			d.ask(t, method, path, "", "Cookie: session=hidden", "Referer: https://hidden/", "User-Agent: hidden", "X-Forwarded-For: 198.51.100.77")
		}
	}
	for _, body := range []string{
		`{"per":"email","value":"hidden@example.org"}`, `{"per":"ip","value":"198.51.100.77"}`, `{"per":"device","value":"hidden"}`,
		`{"per":"card","card_id":"hidden"}`, `{"per":"card","last4":"9173","exp_month":11,"exp_year":2087}`,
		`{"per":"card","last4":"91731","exp_month":11,"exp_year":2087}`, `{"cart_name":"hidden"}`, `{"per":"hidden"}`, `{"per":"email","hidden@example.org":1}`, `hidden`,
	} {
		for _, path := range []string{"/v1/subjects/read", "/v1/subjects/forget", "/v1/subjects/hidden"} {
			d.ask(t, "POST", path, body)
			d.anonymous(t, "POST", path, body, doortest.Basic("hidden", "hidden"))
			d.anonymous(t, "POST", path, body, "Authorization: Bearer hidden")
		}
	}
	text := d.all.Log.Text()
	for _, word := range []string{
		"hidden", "HIDDEN", "198.51.100", "2001:db8", "9173", "2087", "Basic", "Bearer", "example.org",
		doortest.AnalystPassword, doortest.AsAnalyst[len("Authorization: Basic "):],
	} {
		assert.NotContains(t, text, word)
	}
}

func TestReadinessIsTheCallersDoors(t *testing.T) {
	d := open(t, nil)
	requireJSON(t, `{"status":"ready"}`, d.anonymous(t, "GET", "/readyz", ""))
	d.ready.Store(false)
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/readyz", ""), 503, "overloaded", "")
	assert.Equal(t, 503, d.anonymous(t, "HEAD", "/readyz", "").Status)
	requireJSON(t, `{"status":"alive"}`, d.anonymous(t, "GET", "/healthz", ""))
	assert.Equal(t, 200, d.ask(t, "GET", someone, "").Status, "an analyst goes on")
	d.ready.Store(true)
	requireJSON(t, `{"status":"ready"}`, d.anonymous(t, "GET", "/readyz", ""))
}
