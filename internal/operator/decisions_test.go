package operator_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// checkOver asks the callers' port.
func (d *port) checkOver(t testing.TB, body string, headers ...string) doortest.Answer {
	t.Helper()
	a := d.all.Callers.Ask(t, doortest.Raw("POST /v1/check", body, append(headers, doortest.AsCheckout)...))
	require.Equal(t, 200, a.Status, a.Body)
	return a
}

// decisions asks for those, and returns them.
func (d *port) decisions(t testing.TB, query string) []map[string]any {
	t.Helper()
	a := d.ask(t, "GET", "/v1/decisions"+query, "")
	require.Equal(t, 200, a.Status, a.Body)
	return listOf(a)
}

func listOf(a doortest.Answer) (all []map[string]any) {
	for _, d := range a.JSON["decisions"].([]any) {
		all = append(all, d.(map[string]any))
	}
	return all
}

func TestDecisionsAreListed(t *testing.T) {
	d := open(t, []velocity.Rule{rule("cards_per_ip", "ip", 1), shadow(rule("cards_per_account", "account", 9))})
	d.checkOver(t, `{"ip":"203.0.113.7","last4":"4242","expiry":"12/30","attempt_id":"order-1","account":"anna"}`, "X-Request-ID: first")
	d.set(1234 * time.Millisecond)
	d.checkOver(t, `{"ip":"203.0.113.7:4711","last4":"4243","expiry":"12/30","attempt_id":"order-2"}`, "X-Request-ID: second")
	id := func(attempt string) string { return doortest.ShortIDs.Attempt(attempt).String() }
	card := func(last4 string) string {
		a := d.attempt(t, "ip=203.0.113.7", "last4="+last4, "expiry=12/30")
		return doortest.ShortIDs.Card(&a).String()
	}
	requireJSON(t, `{"decisions":[
		{"time":"2026-11-21T09:00:01.234Z","instance":"web-1","ip":"203.0.113.7","card":"`+card("4243")+`","decision":"block","reasons":["cards_per_ip"],
		 "rules":[{"name":"cards_per_ip","outcome":"block","mode":"enforce","count":2}],"degraded":false,"caller":"checkout","attempt":"`+id("order-2")+`","request_id":"second"},
		{"time":"2026-11-21T09:00:00.000Z","instance":"web-1","ip":"203.0.113.7","card":"`+card("4242")+`","decision":"allow","reasons":[],
		 "rules":[{"name":"cards_per_ip","outcome":"allow","mode":"enforce","count":1},{"name":"cards_per_account","outcome":"allow","mode":"shadow","count":1}],
		 "degraded":false,"caller":"checkout","attempt":"`+id("order-1")+`","request_id":"first"}],
		"next":null,"unreachable":[]}`, d.ask(t, "GET", "/v1/decisions", ""))
}

func TestWhatADecisionLacksIsNull(t *testing.T) {
	d := open(t, nil, func(s *doortest.Setup) { s.AcceptNoIP = true })
	d.checkOver(t, `{"no_ip":"renewal","card_id":"tok_1"}`)
	d.checkOver(t, `{"ip":"203.0.113.7","card":"later"}`)
	all := d.decisions(t, "")
	require.Len(t, all, 2)
	assert.Nil(t, all[0]["card"])
	assert.Equal(t, "203.0.113.7", all[0]["ip"])
	assert.Nil(t, all[1]["ip"])
	assert.Len(t, all[1]["card"], 8)
	assert.Equal(t, []any{}, all[1]["rules"])
}

// Neither a card nor an id of the shop stands in a list.
func TestAListOfDecisionsTellsNoSecret(t *testing.T) {
	d := open(t, nil)
	d.checkOver(t, `{"ip":"203.0.113.7","last4":"8431","expiry":"12/30","attempt_id":"order-secret","email":"anna@shop.example","device":"device-secret"}`)
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"card-secret","attempt_id":"4111111111111111"}`)
	a := d.ask(t, "GET", "/v1/decisions", "")
	for _, secret := range []string{"8431", "12/30", "2030", "secret", "anna", "4111"} {
		assert.NotContains(t, a.Body, secret)
	}
}

func TestDecisionsAreFiltered(t *testing.T) {
	d := open(t, []velocity.Rule{rule("cards_per_ip", "ip", 1)})
	for n, body := range []string{
		`{"ip":"203.0.113.7","card_id":"a","attempt_id":"order-0"}`,
		`{"ip":"203.0.113.7","card_id":"b","attempt_id":"order-1"}`,
		`{"ip":"198.51.100.1","card_id":"a","attempt_id":"order 2+ß"}`,
		`{"ip":"2001:db8::7","card_id":"a","attempt_id":"order-3"}`,
	} {
		d.set(time.Duration(n) * time.Second)
		d.checkOver(t, body, fmt.Sprintf("X-Request-ID: %d", n))
	}
	for query, want := range map[string]string{
		"":                                         "3210",
		"?scope=this":                              "3210",
		"?decision=block":                          "1",
		"?decision=allow":                          "320",
		"?decision=review":                         "",
		"?decision=&rule=&before=&limit=":          "3210",
		"?rule=cards_per_ip":                       "1",
		"?rule=another":                            "",
		"?ip=203.0.113.7":                          "10",
		"?ip=203.0.113.7:51234":                    "10",
		"?ip=203.0.113.0/24":                       "10",
		"?ip=0.0.0.0/0":                            "210",
		"?ip=2001:db8::/32":                        "3",
		"?ip=%5B2001:db8::7%5D":                    "3",
		"?ip=2001:db8::8":                          "",
		"?attempt_id=order-1":                      "1",
		"?attempt_id=order+2%2B%C3%9F":             "2",
		"?request_id=2":                            "2",
		"?since=2026-11-21T09:00:02Z":              "32",
		"?since=2026-11-21T10:00:02.5%2B01:00":     "3",
		"?since=1795251602":                        "32",
		"?ip=203.0.113.7&decision=allow":           "0",
		"?limit=2":                                 "32",
		"?decision=allow&since=1795251601&limit=9": "32",
	} {
		var got strings.Builder
		for _, one := range d.decisions(t, query) {
			got.WriteString(one["request_id"].(string))
		}
		assert.Equal(t, want, got.String(), query)
	}
}

func TestAWrongFilterIsNamed(t *testing.T) {
	d := open(t, nil)
	for query, want := range map[string][2]string{
		"decision=deny":                           {"field_invalid", "decision"},
		"decision=BLOCK":                          {"field_invalid", "decision"},
		"decision=allow&decision=block":           {"field_repeated", "decision"},
		"rule=Cards":                              {"field_invalid", "rule"},
		"ip=somewhere":                            {"field_invalid", "ip"},
		"ip=203.0.113.7/24":                       {"field_invalid", "ip"},
		"ip=203.0.113.0/33":                       {"field_invalid", "ip"},
		"attempt_id=" + strings.Repeat("x", 129):  {"field_invalid", "attempt_id"},
		"attempt_id=" + strings.Repeat("x", 4000): {"field_invalid", "attempt_id"},
		"request_id=two+words":                    {"field_invalid", "request_id"},
		"since=yesterday":                         {"field_invalid", "since"},
		"limit=0":                                 {"field_invalid", "limit"},
		"limit=1001":                              {"field_invalid", "limit"},
		"limit=ten":                               {"field_invalid", "limit"},
		"limit=%zz":                               {"field_invalid", "limit"},
		"before=7":                                {"field_invalid", "before"},
		"scope=all":                               {"field_invalid", "scope"},
		"card=k7qm2xpz":                           {"field_unknown", "card"},
		"4111111111111111=1":                      {"field_unknown", ""},
	} {
		doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?"+query, ""), 400, want[0], want[1])
	}
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?decision", ""), 400, "body_invalid", "")
}

// What comes in while somebody turns pages moves none of them.
func TestDecisionsAreReadPageByPage(t *testing.T) {
	d := open(t, nil)
	check := func(n int) {
		d.checkOver(t, fmt.Sprintf(`{"ip":"198.51.100.%d","card_id":"a"}`, n%7), fmt.Sprintf("X-Request-ID: r%d", n))
	}
	for n := range 25 {
		check(n)
	}
	var seen []string
	next := ""
	for n := 25; ; n++ {
		a := d.ask(t, "GET", "/v1/decisions?limit=4&before="+next, "")
		for _, one := range listOf(a) {
			seen = append(seen, one["request_id"].(string))
		}
		if a.JSON["next"] == nil {
			break
		}
		next = a.JSON["next"].(string)
		assert.Equal(t, next, url.QueryEscape(next), "it needs no escape")
		check(n)
	}
	require.Len(t, seen, 25)
	for n, id := range seen {
		require.Equal(t, fmt.Sprintf("r%d", 24-n), id)
	}
}

func TestOnlyACursorOfThisServiceIsTaken(t *testing.T) {
	d := open(t, nil)
	for range 3 {
		d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	}
	next := d.ask(t, "GET", "/v1/decisions?limit=1", "").JSON["next"].(string)
	require.Len(t, d.decisions(t, "?before="+next), 2)
	raw, err := base64.RawURLEncoding.DecodeString(next)
	require.NoError(t, err)
	for i := range raw {
		other := append([]byte(nil), raw...)
		other[i] ^= 1
		doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?before="+base64.RawURLEncoding.EncodeToString(other), ""), 400, "field_invalid", "before")
	}
	for _, other := range []string{next[:len(next)-1], next + "A", next + next, "AAAA"} {
		doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?before="+other, ""), 400, "field_invalid", "before")
	}
}

func TestDecisionsAreForAnalysts(t *testing.T) {
	d := open(t, nil)
	assert.Equal(t, 200, d.anonymous(t, "GET", "/v1/decisions", "", doortest.AsOperator).Status)
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/decisions", "", doortest.AsCheckout), 403, "role_missing", "")
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/decisions", ""), 401, "authorization_missing", "")
	doortest.RequireProblem(t, d.ask(t, "POST", "/v1/decisions", ""), 405, "method", "")
}

func TestWithoutARingThereAreNoDecisions(t *testing.T) {
	d := open(t, nil, func(s *doortest.Setup) { s.Ring = nil })
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	a := d.ask(t, "GET", "/v1/decisions", "")
	doortest.RequireProblem(t, a, 404, "not_found", "")
	assert.Contains(t, a.Body, "decisions.keep")
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?scope=this", ""), 404, "not_found", "")
}

// The answer is that of all instances, of which this one has none.
func TestWithoutARingThereAreThoseOfPeers(t *testing.T) {
	there := streams(t, "there")
	d := openAmong(t, []string{there.addr}, func(s *doortest.Setup) { s.Ring = nil })
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`)
	a := d.ask(t, "GET", "/v1/decisions?limit=1", "")
	require.Equal(t, 200, a.Status, a.Body)
	assert.Contains(t, a.Body, `"request_id":"early"`)
	next, _ := a.JSON["next"].(string)
	assert.Contains(t, d.ask(t, "GET", "/v1/decisions?before="+next, "").Body, `"request_id":"earlier"`)
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions?scope=this", ""), 404, "not_found", "")
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/decisions/stream?scope=this", ""), 404, "not_found", "")
	s := d.follow(t, "")
	there.tells(theirs("late", 5, "allow"))
	assert.Equal(t, "late", s.decision(t)["request_id"])
}

// Otherwise every other instance would name it as one that does not answer.
func TestAPeerHearsThatThereAreNoDecisions(t *testing.T) {
	d := open(t, nil, func(s *doortest.Setup) { s.Ring, s.Guard.Peers = nil, peerKeys(t) })
	const target = "/v1/decisions?scope=this&rule=a"
	requireJSON(t, `{"decisions":[],"next":null,"unreachable":[]}`, d.anonymous(t, "GET", target, "", withProof(t, "GET", target)))
}
