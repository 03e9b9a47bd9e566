package contract

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/api"
)

// Answers that are not as documented, planted: if these were not noticed, the run over the
// program would say nothing.
func TestAWrongAnswerIsNoticed(t *testing.T) {
	const (
		check    = op("POST /v1/check")
		right    = `{"decision":"allow","reasons":[],"rules":[{"name":"cards_per_ip","outcome":"allow","mode":"enforce","count":1,"review_over":3,"block_over":5,"window_seconds":3600,"clears_in_seconds":0}],"degraded":false,"attempt_id":"a"}`
		problem  = `{"type":"about:blank","title":"x","status":400,"detail":"x","code":"field_invalid","field":"ip","request_id":"r"}`
		json     = "application/json"
		problems = "application/problem+json"
	)
	d := describe(t, api.Document)
	header := http.Header{"X-Request-Id": {"r"}}
	judge := func(status int, media, body string, more http.Header) []string {
		r := httptest.NewRequest("POST", "http://127.0.0.1:8080/v1/check", strings.NewReader(`{"ip":"203.0.113.7","card_id":"a"}`))
		r.Header.Set("Content-Type", json)
		a := answer{status: status, header: maps.Clone(header), body: []byte(body)}
		a.header.Set("Content-Type", media)
		for name, values := range more {
			if a.header[name] = values; values == nil {
				delete(a.header, name)
			}
		}
		require.NoError(t, a.read())
		return d.judge(check, r, a)
	}
	assert.Empty(t, judge(200, json, right, nil))
	assert.Empty(t, judge(400, problems, problem, nil))
	busy := strings.NewReplacer("400", "503", "field_invalid", "overloaded", `"field":"ip",`, "").Replace(problem)
	assert.Empty(t, judge(503, problems, busy, http.Header{"Retry-After": {"1"}}))

	for name, faults := range map[string][]string{
		"a status":               judge(418, problems, strings.Replace(problem, "400", "418", 1), nil),
		"a code of another case": judge(400, problems, strings.Replace(problem, "field_invalid", "too_slow", 1), nil),
		"a code that is not":     judge(400, problems, strings.Replace(problem, "field_invalid", "field_odd", 1), nil),
		"a field more":           judge(200, json, strings.Replace(right, `"degraded"`, `"score":0.7,"degraded"`, 1), nil),
		"a field more, nested":   judge(200, json, strings.Replace(right, `"count":1`, `"count":1,"card":"x"`, 1), nil),
		"a field less":           judge(200, json, strings.Replace(right, `"degraded":false,`, "", 1), nil),
		"a field less, nested":   judge(200, json, strings.Replace(right, `"count":1,`, "", 1), nil),
		"another type":           judge(200, json, strings.Replace(right, `"count":1`, `"count":"1"`, 1), nil),
		"a value of an enum":     judge(200, json, strings.Replace(right, `"decision":"allow"`, `"decision":"deny"`, 1), nil),
		"another media type":     judge(200, "text/plain", right, nil),
		"another status within":  judge(400, problems, strings.Replace(problem, `"status":400`, `"status":401`, 1), nil),
		"no Retry-After":         judge(503, problems, busy, nil),
		"a header more":          judge(200, json, right, http.Header{"X-Score": {"0.7"}}),
		"no X-Request-ID":        judge(200, json, right, http.Header{"X-Request-Id": nil}),
	} {
		assert.NotEmpty(t, faults, name)
	}
	assert.Contains(t, d.unmet(), "POST /v1/check 413 body_too_large", "what was not met is told")
	assert.NotContains(t, d.unmet(), "POST /v1/check 400 field_invalid")
}
