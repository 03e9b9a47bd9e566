package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/door/doortest"
)

// What a shop calls an attempt stands in no URL: its short id does, and finds the same.
func TestADecisionIsFoundByTheShortIDOfItsAttempt(t *testing.T) {
	d := open(t, nil)
	for _, id := range []string{"order-1", "order 2+ß", "4111111111111111"} {
		d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a","attempt_id":"`+id+`"}`)
	}
	read := func(body string) doortest.Answer { return d.ask(t, "POST", "/v1/attempts/read", body, asJSON) }
	for _, id := range []string{"order-1", "order 2+ß", "4111111111111111"} {
		answer := read(`{"attempt_id":"` + id + `"}`)
		short := answer.JSON["attempt"].(string)
		assert.JSONEq(t, `{"attempt":"`+short+`"}`, answer.Body)
		found := d.decisions(t, "?attempt="+short)
		if assert.Len(t, found, 1, id) {
			assert.Equal(t, short, found[0]["attempt"])
		}
	}
	first := read(`{"attempt_id":"order-1"}`).JSON["attempt"].(string)
	assert.Len(t, d.decisions(t, "?attempt_id=order-1&attempt="+first), 1)
	assert.Empty(t, d.decisions(t, "?attempt=aaaaaaaa"))
	assert.Len(t, d.decisions(t, "?attempt="), 3)
	s := d.follow(t, "?attempt="+first)
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a","attempt_id":"order-2"}`)
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a","attempt_id":"order-1"}`)
	assert.Equal(t, first, s.decision(t)["attempt"])

	for body, want := range map[string][2]string{
		`{}`:                 {"field_missing", "attempt_id"},
		``:                   {"field_missing", "attempt_id"},
		`{"attempt_id":""}`:  {"field_missing", "attempt_id"},
		`{"attempt_id":1}`:   {"field_invalid", "attempt_id"},
		`{"ip":"192.0.2.1"}`: {"field_unknown", "ip"},
		`{"attempt_id":"` + strings.Repeat("x", 129) + `"}`: {"field_invalid", "attempt_id"},
		`[]`: {"body_invalid", ""},
	} {
		doortest.RequireProblem(t, read(body), 400, want[0], want[1])
	}
	for _, query := range []string{"attempt=order-1", "attempt=K7QM2XPZ", "attempt=k7qm2xp1", "attempt=k7qm2xpzk7qm2xpz", "attempt_id=order-1&attempt=aaaaaaaa"} {
		answer := d.ask(t, "GET", "/v1/decisions?"+query, "")
		doortest.RequireProblem(t, answer, 400, "field_invalid", strings.SplitN(query, "=", 2)[0])
	}
	assert.Equal(t, 415, d.ask(t, "POST", "/v1/attempts/read", "x", "Content-Type: text/plain").Status)
	doortest.RequireProblem(t, d.ask(t, "POST", "/v1/attempts/read?attempt_id=order-1", `{"attempt_id":"order-1"}`, asJSON), 400, "field_unknown", "attempt_id")
}
