package callers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// counted is the value of the counter with these labels, of which there must be one.
func counted(t *testing.T, p *port, name string, labels map[string]string) (value float64) {
	t.Helper()
	families, err := p.all.Metrics.Registry.Gather()
	require.NoError(t, err)
	found := 0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			matches := family.GetName() == name
			for _, l := range m.GetLabel() {
				matches = matches && labels[l.GetName()] == l.GetValue()
			}
			if matches {
				value = m.GetCounter().GetValue()
				found++
			}
		}
	}
	require.Equal(t, 1, found, "%s %v", name, labels)
	return value
}

func TestChecksWithoutAnAddressAreCounted(t *testing.T) {
	p := open(t, func(s *doortest.Setup) { s.AcceptNoIP = true })
	without := func(reason string) float64 {
		return counted(t, p, "fraudcheck_checks_without_ip_total", map[string]string{"reason": reason})
	}
	ask := func(path, body string) int { return p.Ask(t, doortest.Raw(path, body, doortest.AsCheckout)).Status }
	assert.Equal(t, 200, ask("POST /v1/check", `{"no_ip":"renewal","card_id":"pm_1"}`))
	assert.Equal(t, 200, ask("POST /v1/check", `{"no_ip":"renewal","card_id":"pm_2"}`))
	assert.Equal(t, 202, ask("POST /v1/outcomes", `{"no_ip":"renewal","card_id":"pm_2","outcome":"declined"}`))
	assert.Equal(t, 200, ask("POST /v1/check?no_ip=phone&card_id=pm_1", ""))
	assert.Equal(t, 400, ask("POST /v1/check", `{"no_ip":"lost","card_id":"pm_1"}`))
	assert.Equal(t, []float64{2, 1, 0}, []float64{without("renewal"), without("phone"), without("unknown")})
	lines := p.all.Log.Lines()
	assert.Equal(t, "renewal", lines[1].Attrs["no_ip"])
	assert.NotContains(t, lines[1].Attrs, "address")
	assert.Equal(t, "renewal", lines[5].Attrs["no_ip"], "an outcome's too")
}

// An outcome of more than a window ago is taken, counted as late, and nothing else.
func TestLateOutcomesAreCounted(t *testing.T) {
	rule := velocity.DefaultRule
	rule.Count = "declined_cards"
	p := open(t, func(s *doortest.Setup) { s.Checker = newChecker(t, rule) })
	p.set(0)
	late := func() float64 {
		return counted(t, p, "fraudcheck_outcomes_total", map[string]string{"outcome": "late", "reason": ""})
	}
	tell := func(at string) doortest.Answer {
		return p.Ask(t, doortest.Raw("POST /v1/outcomes", `{"ip":"203.0.113.7","card_id":"A","outcome":"declined","at":`+at+`}`, doortest.AsCheckout))
	}
	now := time.UnixMilli(int64(p.all.Now()))
	quoted := func(ago time.Duration) string { return `"` + now.Add(-ago).Format(time.RFC3339Nano) + `"` }
	for _, at := range []string{quoted(time.Hour), fmt.Sprint(now.Unix() - 3600), fmt.Sprint(now.UnixMilli() - 3600_000), `"1"`, `0`} {
		before := late()
		require.Equal(t, 202, tell(at).Status)
		assert.EqualValues(t, 1, late()-before, at)
		lines := p.all.Log.Lines()
		assert.Equal(t, "late", lines[len(lines)-1].Attrs["counted"])
	}
	before := late()
	assert.Zero(t, countOf(t, p.Ask(t, check("203.0.113.7", 1))))
	for _, at := range []string{quoted(time.Hour - time.Second), fmt.Sprint(now.Unix()), quoted(-time.Hour), `null`, `""`} {
		require.Equal(t, 202, tell(at).Status)
	}
	assert.Zero(t, late()-before)
	assert.EqualValues(t, 5, counted(t, p, "fraudcheck_outcomes_total", map[string]string{"outcome": "declined", "reason": "other"}))
	assert.Equal(t, 1, countOf(t, p.Ask(t, check("203.0.113.7", 1))))
	for _, at := range []string{`"yesterday"`, `-1`, `1e9`, `"2026-11-28T12:00:00"`, `true`} {
		doortest.RequireProblem(t, tell(at), 400, "field_invalid", "at")
	}
}

// A number that looks like a card's is counted once a request, wherever it stands: refused
// where it can be nothing else, taken where it may be an order's.
func TestCardNumbersAreCounted(t *testing.T) {
	p := open(t)
	for _, tt := range []struct {
		body   string
		status int
		like   float64
	}{
		{`{"ip":"203.0.113.7","card_id":"pm_1"}`, 200, 0},
		{`{"ip":"203.0.113.7","card_id":"4111.1111.1111.1111"}`, 400, 1},
		{`{"ip":"203.0.113.7","card_id":"4304509873471003"}`, 400, 1},
		{`{"ip":"203.0.113.7","card_id":4111111111111111}`, 400, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","last4":"４１１１１１１１１１１１１１１１"}`, 400, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","attempt_id":"4111111111111111"}`, 200, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","attempt_id":"4304509873471003"}`, 200, 0}, // the check digit is wrong
		{`{"ip":"203.0.113.7","card_id":"pm_1","device":"4111-1111-1111-1111"}`, 200, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","cart":"٤١١١١١١١١١١١١١١١"}`, 200, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","account":"4111111111111111","device":"5555555555554444"}`, 200, 1},
		{`{"ip":"203.0.113.7","card_id":"pm_1","account":"order 4111111111111111"}`, 200, 0},
		{`{"ip":"203.0.113","card_id":"pm_1","account":"4111111111111111"}`, 400, 1},
	} {
		before := counted(t, p, "fraudcheck_pan_like_input_total", nil)
		a := p.Ask(t, doortest.Raw("POST /v1/check", tt.body, doortest.AsCheckout))
		assert.Equal(t, tt.status, a.Status, tt.body)
		assert.Equal(t, tt.like, counted(t, p, "fraudcheck_pan_like_input_total", nil)-before, tt.body)
	}
	assert.NotRegexp(t, `4111|5555|٤١|４１`, p.all.Log.Text())
}

func TestOutcomesAreCountedByAnswerAndReason(t *testing.T) {
	p := open(t)
	send := func(outcome string, status int) {
		t.Helper()
		require.Equal(t, status, p.Ask(t, doortest.Raw("POST /v1/outcomes?ip=203.0.113.7&card_id=pm_1&outcome="+outcome, "", doortest.AsCheckout)).Status)
	}
	for outcome, labels := range map[string]map[string]string{
		"approved": {"outcome": "approved"}, "error": {"outcome": "error"}, "error&reason=": {"outcome": "error"},
		"declined": {"outcome": "declined", "reason": "other"}, "declined&reason=other": {"outcome": "declined", "reason": "other"},
		"declined&reason=invalid_number":      {"outcome": "declined", "reason": "invalid_number"},
		"declined&reason=invalid_credentials": {"outcome": "declined", "reason": "invalid_credentials"},
		"declined&reason=insufficient_funds":  {"outcome": "declined", "reason": "insufficient_funds"},
	} {
		before := counted(t, p, "fraudcheck_outcomes_total", labels)
		send(outcome, 202)
		assert.EqualValues(t, 1, counted(t, p, "fraudcheck_outcomes_total", labels)-before, outcome)
	}
	send("refused", 400)
	send("approved&reason=other", 400)
	send("declined&reason=lost", 400)
	families, err := p.all.Metrics.Registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "fraudcheck_outcomes_total" {
			assert.Len(t, family.GetMetric(), 7, "what was refused makes no series")
		}
	}
}
