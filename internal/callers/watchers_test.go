package callers_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/event"
)

func TestWatchersAreToldOfChecksAndOutcomes(t *testing.T) {
	var told []event.Event
	p := open(t, func(s *doortest.Setup) {
		s.Watchers = append(s.Watchers, func(e *event.Event) {
			seen := *e
			seen.AttemptID, seen.RequestID = string([]byte(e.AttemptID)), append([]byte(nil), e.RequestID...)
			told = append(told, seen)
		})
	})
	body := `{"ip":"203.0.113.7","card_id":"tok_1","attempt_id":"order-1"`
	checked := p.Ask(t, doortest.Raw("POST /v1/check", body+"}", doortest.AsCheckout))
	p.Ask(t, doortest.Raw("POST /v1/outcomes", body+`,"outcome":"declined"}`, doortest.AsCheckout))
	p.Ask(t, doortest.Raw("POST /v1/check", `{"ip":"somewhere"}`, doortest.AsCheckout))
	require.Len(t, told, 2, "not of what is refused")
	assert.Equal(t, event.Check, told[0].Kind)
	assert.Equal(t, "order-1", told[0].AttemptID)
	assert.Equal(t, checked.Header.Get("X-Request-ID"), string(told[0].RequestID))
	assert.NotNil(t, told[0].Decision)
	assert.Equal(t, event.Outcome, told[1].Kind)
	assert.Equal(t, "declined", told[1].Answer.Outcome)
	assert.Equal(t, "checkout", told[1].Caller.Name)
	lines := p.all.Log.Lines()
	for _, e := range told {
		assert.NotZero(t, e.ShortCard)
		assert.Equal(t, told[0].ShortCard, e.ShortCard)
		assert.Equal(t, doortest.ShortIDs.Attempt("order-1"), e.ShortAttempt)
		assert.True(t, slices.ContainsFunc(lines, func(l doortest.Line) bool { return l.Attrs["attempt"] == e.ShortAttempt.String() }), "the same as in the log")
	}
}
