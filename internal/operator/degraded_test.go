package operator_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

func TestAnAddressIsReportedFromHereWhenTheStoreDoesNotAnswer(t *testing.T) {
	d := openUnreachable(t)
	d.show(t, "203.0.113.7", 4)
	a := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
	assert.Equal(t, []string{"cards_per_ip=4"}, countsOf(t, a))
	assert.Equal(t, [2]string{"review", "review"}, nextOf(t, a))
	assert.Equal(t, true, a.JSON["degraded"])
	for range 3 {
		assert.Equal(t, a.Body, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "").Body, "it counts nothing here either")
	}
	assert.Equal(t, true, d.ask(t, "GET", "/v1/addresses/198.51.100.1", "").JSON["degraded"], "nothing known is not known to be nothing")
	assert.Equal(t, true, d.ask(t, "POST", "/v1/subjects/read", `{"per":"ip","value":"203.0.113.7"}`).JSON["degraded"])
	require.Equal(t, 1, d.memory.Stats().Records)
}

func TestForgettingWithoutTheStoreIsAnswered503(t *testing.T) {
	for _, tt := range []struct{ method, path, body string }{
		{"DELETE", "/v1/addresses/203.0.113.7", ""},
		{"POST", "/v1/subjects/forget", `{"per":"ip","value":"203.0.113.7"}`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			d := openUnreachable(t)
			d.show(t, "203.0.113.7", 6)
			for range 2 { // and again
				a := d.ask(t, tt.method, tt.path, tt.body)
				doortest.RequireProblem(t, a, 503, "store_unreachable", "")
				assert.Equal(t, "1", a.Header.Get("Retry-After"))
				assert.Contains(t, a.JSON["detail"], "other instances have not heard")
			}
			a := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
			assert.Equal(t, []string{"cards_per_ip=0"}, countsOf(t, a), "it is forgotten here all the same")
			assert.Equal(t, true, a.JSON["degraded"])
			decision := d.check(t, "ip=203.0.113.7", "card_id=new")
			assert.Equal(t, 1, decision.Rules[0].Count)
			assert.True(t, decision.Degraded)
		})
	}
}

// Nobody needs to hear that nothing is watched.
func TestForgettingWhatNoRuleWatchesNeedsNoStore(t *testing.T) {
	d := openUnreachable(t)
	requireJSON(t, `{"still_blocked_by":[],"depends_on":["cards_per_ip"]}`,
		d.ask(t, "POST", "/v1/subjects/forget", `{"per":"email","value":"a@example.org"}`))
	requireJSON(t, `{"per":"email","watched":false,"rules":[],"next":{"known_card":"allow","new_card":"allow"},"degraded":false}`,
		d.ask(t, "POST", "/v1/subjects/read", `{"per":"email","value":"a@example.org"}`))
}
