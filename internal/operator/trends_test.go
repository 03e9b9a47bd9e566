package operator_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

// checkAtTheDoor sends a check of the checkout.
func (d *port) checkAtTheDoor(t testing.TB, address string, card int, more string) {
	t.Helper()
	a := d.all.Callers.Ask(t, doortest.Raw("POST /v1/check", fmt.Sprintf(`{"ip":%q,"card_id":"card %d"%s}`, address, card, more), asJSON, doortest.AsCheckout))
	require.Equal(t, 200, a.Status, a.Body)
}

func TestRulesAreListedWithTheirLastHour(t *testing.T) {
	d := open(t, threeRules)
	for card := range 6 {
		d.checkAtTheDoor(t, "203.0.113.7", card, "")
	}
	d.checkAtTheDoor(t, "203.0.113.8", 7, `,"email":"a@example.org"`)
	hours := func() map[string]string {
		a := d.ask(t, "GET", "/v1/rules", "")
		require.Equal(t, 200, a.Status, a.Body)
		hours := map[string]string{}
		for i, r := range a.JSON["rules"].([]any) {
			rule := r.(map[string]any)
			require.Equal(t, threeRules[i].Name, rule["name"])
			hour, err := json.Marshal(rule["last_hour"])
			require.NoError(t, err)
			hours[threeRules[i].Name] = string(hour)
		}
		return hours
	}
	want := map[string]string{
		"cards_per_ip":     `{"allow":4,"block":1,"review":2,"skipped":0}`,
		"cards_per_email":  `{"allow":1,"block":0,"review":0,"skipped":6}`,
		"cards_per_device": `{"allow":0,"block":0,"review":0,"skipped":7}`,
	}
	assert.Eventually(t, func() bool { return assert.ObjectsAreEqual(want, hours()) }, 5*time.Second, time.Millisecond, "%v", hours)
	d.set(59 * time.Minute)
	assert.Equal(t, want, hours())
	d.set(61 * time.Minute)
	assert.Equal(t, `{"allow":0,"block":0,"review":0,"skipped":0}`, hours()["cards_per_ip"])

	a := d.ask(t, "GET", "/v1/rules", "")
	assert.Contains(t, a.Body, `{"name":"cards_per_ip","per":"ip","count":"cards","window_seconds":3600,"review_over":3,"block_over":5,"retention":"sliding","hold_seconds":0,"mode":"enforce","last_hour":{"allow":0,`)
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/rules?scope=this", ""), 400, "field_unknown", "scope")
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/rules", "", doortest.AsCheckout), 403, "role_missing", "")
}

func TestTrendsAreMinuteByMinute(t *testing.T) {
	d := open(t, nil)
	for card := range 6 {
		d.checkAtTheDoor(t, "203.0.113.7", card, "")
	}
	minutes := func() []any {
		a := d.ask(t, "GET", "/v1/trends", "")
		require.Equal(t, 200, a.Status, a.Body)
		assert.Equal(t, []any{}, a.JSON["unreachable"])
		assert.Nil(t, a.JSON["top"], "of six checks it says nothing")
		return a.JSON["minutes"].([]any)
	}
	require.Eventually(t, func() bool { return minutes()[0].(map[string]any)["block"] == 1.0 }, 5*time.Second, time.Millisecond)
	d.set(time.Minute)
	require.Len(t, minutes(), 2, "looking ends a minute too")
	d.checkAtTheDoor(t, "203.0.113.8", 0, "")
	require.Eventually(t, func() bool { return minutes()[1].(map[string]any)["allow"] == 1.0 }, 5*time.Second, time.Millisecond)
	all := minutes()
	require.Len(t, all, 2)
	first := all[0].(map[string]any)
	for name, want := range map[string]any{"time": "2026-11-21T09:00:00.000Z", "allow": 3.0, "review": 2.0, "block": 1.0, "degraded": 0.0, "addresses": 1.0, "cards": 6.0} {
		assert.Equal(t, want, first[name], name)
	}
	p50, p99 := first["p50_ms"].(float64), first["p99_ms"].(float64)
	assert.True(t, 0 < p50 && p50 <= p99, "%v %v", p50, p99)

	for card := range 300 {
		d.checkAtTheDoor(t, "203.0.113.9", card, "")
	}
	top := d.ask(t, "GET", "/v1/trends?scope=this", "").JSON["top"].(map[string]any)
	assert.Equal(t, map[string]any{"ip": "203.0.113.9", "share": 300.0 / 307, "attempts": 300.0, "of": 307.0}, top)
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/trends?minutes=5", ""), 400, "field_unknown", "minutes")
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/trends", "", doortest.AsCheckout), 403, "role_missing", "")
}
