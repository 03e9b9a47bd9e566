package operator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/event"
	"fraudcheck/internal/logging"
	"fraudcheck/internal/velocity"
)

const (
	itsOverride = someone + "/override"
	allowed     = `{"decision":"allow","for":"24h","reason":"shared office, ticket 4711"}`
	allowedFrom = `{"decision":"allow","by":"analyst","since":"2026-11-21T09:00:00.000Z","until":"2026-11-22T09:00:00.000Z","reason":"shared office, ticket 4711"}`
)

func TestAnOverrideIsSetShownAndRemoved(t *testing.T) {
	d := open(t, nil)
	d.show(t, "203.0.113.7", 6)
	requireJSON(t, `{"overrides":[],"unreachable":[]}`, d.ask(t, "GET", "/v1/overrides", ""))
	requireJSON(t, `{"subject":"203.0.113.7","override":`+allowedFrom+`}`, d.ask(t, "PUT", itsOverride, allowed, asJSON))

	a := d.ask(t, "GET", someone, "")
	assert.Contains(t, a.Body, `"override":`+allowedFrom)
	assert.Equal(t, [2]string{"allow", "allow"}, nextOf(t, a))
	assert.Equal(t, []string{"cards_per_ip=6"}, countsOf(t, a), "and all is shown as ever")
	assert.Equal(t, "block", a.JSON["rules"].([]any)[0].(map[string]any)["outcome"])
	decision := d.check(t, "ip=203.0.113.7", "card_id=new")
	assert.Equal(t, velocity.Allow, decision.Outcome)
	assert.Equal(t, []string{"override"}, decision.Reasons)
	requireJSON(t, `{"overrides":[{"subject":"203.0.113.7",`+allowedFrom[1:]+`],"unreachable":[]}`, d.ask(t, "GET", "/v1/overrides?scope=this", ""))

	requireJSON(t, `{"still_blocked_by":["cards_per_ip"],"depends_on":[]}`, d.ask(t, "DELETE", itsOverride, ""))
	a = d.ask(t, "GET", someone, "")
	assert.Contains(t, a.Body, `"override":null`)
	assert.Equal(t, [2]string{"block", "block"}, nextOf(t, a))
	requireJSON(t, `{"still_blocked_by":["cards_per_ip"],"depends_on":[]}`, d.ask(t, "DELETE", itsOverride, ""))
	requireJSON(t, `{"overrides":[],"unreachable":[]}`, d.ask(t, "GET", "/v1/overrides", ""))
}

// A form, a network of IPv6 addresses, and the longest that each role may set.
func TestAnOverrideIsTakenInEveryForm(t *testing.T) {
	d := open(t, nil)
	a := d.ask(t, "PUT", "/v1/addresses/2001:db8:0:1::7/override", "decision=block&for=1s&reason=a+botnet", asForm)
	requireJSON(t, `{"subject":"2001:db8:0:1::/64","override":{"decision":"block","by":"analyst","since":"2026-11-21T09:00:00.000Z","until":"2026-11-21T09:00:01.000Z","reason":"a botnet"}}`, a)
	assert.Equal(t, velocity.Block, d.check(t, "ip=2001:db8:0:1::8", "card_id=new").Outcome)
	d.set(time.Second)
	assert.Equal(t, velocity.Allow, d.check(t, "ip=2001:db8:0:1::8", "card_id=new").Outcome)
	long := d.anonymous(t, "PUT", itsOverride, `{"decision":"block","for":"720h","reason":"x"}`, doortest.AsOperator, asJSON)
	require.Equal(t, 200, long.Status, long.Body)
	assert.Contains(t, long.Body, `"until":"2026-12-21T09:00:01.000Z"`)
}

func TestAnOverrideThatIsWrongIsRefused(t *testing.T) {
	d := open(t, nil)
	for _, tt := range []struct {
		body, code, field string
	}{
		{"", "field_missing", "decision"},
		{`{}`, "field_missing", "decision"},
		{`{`, "body_invalid", ""},
		{`{"decision":"review","for":"1h","reason":"x"}`, "field_invalid", "decision"},
		{`{"decision":"Allow","for":"1h","reason":"x"}`, "field_invalid", "decision"},
		{`{"decision":null,"for":"1h","reason":"x"}`, "field_missing", "decision"},
		{`{"decision":"allow","reason":"x"}`, "field_missing", "for"},
		{`{"decision":"allow","for":"999ms","reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":"-1h","reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":"720h0m1s","reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":"1d","reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":"9999999999999h","reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":3600,"reason":"x"}`, "field_invalid", "for"},
		{`{"decision":"allow","for":"1h"}`, "field_missing", "reason"},
		{`{"decision":"allow","for":"1h","reason":"  "}`, "field_invalid", "reason"},
		{`{"decision":"allow","for":"1h","reason":"` + strings.Repeat("x", 201) + `"}`, "field_invalid", "reason"},
		{`{"decision":"allow","for":"1h","reason":"order 4111 1111 1111 1111"}`, "field_invalid", "reason"},
		{`{"decision":"allow","for":"1h","reason":"two\nlines"}`, "field_invalid", "reason"},
		{`{"decision":"allow","for":"1h","reason":"x","until":"x"}`, "field_unknown", "until"},
		{`{"decision":"allow","for":"1h","reason":"x","reason":"y"}`, "field_repeated", "reason"},
	} {
		a := d.ask(t, "PUT", itsOverride, tt.body, asJSON)
		doortest.RequireProblem(t, a, 400, tt.code, tt.field)
		assert.NotContains(t, a.Body, "4111")
	}
	doortest.RequireProblem(t, d.ask(t, "PUT", itsOverride, allowed, asText), 415, "media_type", "")
	doortest.RequireProblem(t, d.ask(t, "PUT", "/v1/addresses/localhost/override", allowed, asJSON), 400, "field_invalid", "ip")
	doortest.RequireProblem(t, d.ask(t, "DELETE", "/v1/addresses/localhost/override", ""), 400, "field_invalid", "ip")
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/overrides?limit=1", ""), 400, "field_unknown", "limit")
	// What stands in the URL would be passed over, and is in the logs of proxies.
	doortest.RequireProblem(t, d.ask(t, "GET", someone+"?since=1h", ""), 400, "field_unknown", "since")
	doortest.RequireProblem(t, d.ask(t, "DELETE", someone+"?scope=this", ""), 400, "field_unknown", "scope")
	doortest.RequireProblem(t, d.ask(t, "DELETE", someone+"?%zz", ""), 400, "body_invalid", "")
	doortest.RequireProblem(t, d.ask(t, "PUT", itsOverride+"?for=1h", allowed, asJSON), 400, "field_unknown", "for")
	doortest.RequireProblem(t, d.ask(t, "DELETE", itsOverride+"?scope=this", ""), 400, "field_unknown", "scope")
	doortest.RequireProblem(t, d.ask(t, "POST", "/v1/subjects/read?value=ana@example.com", `{"per":"email","value":"ana@example.com"}`, asJSON), 400, "field_unknown", "value")
	doortest.RequireProblem(t, d.ask(t, "PUT", itsOverride, `{"decision":"allow","for":"24h1s","reason":""}`, asJSON), 403, "role_missing", "for")
	// In the order of all errors: 403, 415, 400.
	doortest.RequireProblem(t, d.ask(t, "PUT", "/v1/addresses/localhost/override", allowed, asText), 415, "media_type", "")
	doortest.RequireProblem(t, d.ask(t, "PUT", "/v1/addresses/localhost/override", `{"decision":"allow","for":"25h","reason":"x"}`, asJSON), 403, "role_missing", "for")
	require.Zero(t, d.memory.Stats().Records)
}

func TestForgettingNamesTheOverrideThatStays(t *testing.T) {
	d := open(t, []velocity.Rule{velocity.DefaultRule, rule("cards_per_network", "network", 5), rule("cards_per_email", "email", 1)})
	d.show(t, "203.0.113.7", 6)
	for _, tt := range []struct{ decision, left string }{{"allow", `[]`}, {"block", `["override"]`}} {
		o := d.ask(t, "PUT", itsOverride, `{"decision":"`+tt.decision+`","for":"1h","reason":"known"}`, asJSON)
		_, its, _ := strings.Cut(strings.TrimSuffix(o.Body, "}"), `"override":`)
		requireJSON(t, `{"still_blocked_by":`+tt.left+`,"depends_on":["cards_per_email"],"override":`+its+`}`, d.ask(t, "DELETE", someone, ""))
		assert.Equal(t, tt.decision, d.check(t, "ip=203.0.113.7", "card_id=new").Outcome.String())
		requireJSON(t, `{"still_blocked_by":["cards_per_network"],"depends_on":["cards_per_email"]}`, d.ask(t, "DELETE", itsOverride, ""))
	}
}

func TestAnOverrideNeedsNoRuleOnAddresses(t *testing.T) {
	d := open(t, []velocity.Rule{rule("cards_per_email", "email", 1)})
	require.Equal(t, 200, d.ask(t, "PUT", itsOverride, allowed, asJSON).Status)
	a := d.ask(t, "GET", someone, "")
	assert.Contains(t, a.Body, `"watched":false,"rules":[],"list":null,"override":`+allowedFrom)
	d.show(t, "203.0.113.8", 2, "email=a@example.org")
	assert.Equal(t, velocity.Allow, d.check(t, "ip=203.0.113.7", "card_id=new", "email=a@example.org").Outcome)
}

func TestAChangeWithoutTheStoreIsInForceHere(t *testing.T) {
	d := openUnreachable(t)
	d.show(t, "203.0.113.7", 6)
	for range 2 {
		a := d.ask(t, "PUT", itsOverride, allowed, asJSON)
		doortest.RequireProblem(t, a, 503, "store_unreachable", "")
		assert.Contains(t, a.JSON["detail"], "other instances have not heard")
	}
	assert.Equal(t, []string{"override"}, d.check(t, "ip=203.0.113.7", "card_id=new").Reasons)
	assert.Contains(t, d.ask(t, "GET", "/v1/overrides", "").Body, `"subject":"203.0.113.7"`)
	doortest.RequireProblem(t, d.ask(t, "DELETE", itsOverride, ""), 503, "store_unreachable", "")
	assert.Equal(t, velocity.Block, d.check(t, "ip=203.0.113.7", "card_id=new").Outcome)
	for _, line := range d.all.Log.Lines() {
		if line.Message == "Audit:" {
			assert.Equal(t, "(this instance only)", line.Attrs["where"], "%v", line)
		}
	}
}

// Who changed what is in the log before it is answered, and is told to watchers without
// the reason.
func TestEveryChangeHasAnAuditLineAndIsToldToWatchers(t *testing.T) {
	var told []string
	d := open(t, nil, func(s *doortest.Setup) {
		s.Watchers = append(s.Watchers, func(e *event.Event) {
			require.True(t, e.Attempt.Address.IsValid())
			require.NotEmpty(t, e.RequestID)
			told = append(told, fmt.Sprint(e.Kind, " ", e.Attempt.Address, " ", e.What, " ", max(0, e.Until-e.Time), " by ", e.Caller.Name))
		})
	})
	for _, tt := range []struct {
		method, path, body string
		attrs              map[string]string
		event              string
	}{
		{"PUT", itsOverride, `{"decision":"block","for":"1h","reason":"a \"botnet\" request=x"}`,
			map[string]string{"what": "override", "decision": "block", "until": "2026-11-21T10:00:00.000Z", "reason": `"a \"botnet\" request=x"`},
			fmt.Sprint(event.Override, " 203.0.113.7 block 3600000 by analyst")},
		{"DELETE", itsOverride, "", map[string]string{"what": "remove override"}, fmt.Sprint(event.Override, " 203.0.113.7 remove 0 by analyst")},
		{"DELETE", someone, "", map[string]string{"what": "forget"}, fmt.Sprint(event.Forget, " 203.0.113.7 ip 0 by analyst")},
		{"POST", "/v1/subjects/forget", `{"per":"network","value":"203.0.113.7"}`, map[string]string{"what": "forget", "object": "network 203.0.113.0/24"},
			fmt.Sprint(event.Forget, " 203.0.113.7 network 0 by analyst")},
	} {
		before := len(d.all.Log.Lines())
		a := d.ask(t, tt.method, tt.path, tt.body, asJSON)
		require.Equal(t, 200, a.Status, a.Body)
		lines := d.all.Log.Lines()[before:]
		require.Len(t, lines, 3)
		want := map[string]string{"object": "ip 203.0.113.0/24", "by": "analyst", "request": a.Header.Get("X-Request-ID"), "tag": lines[1].Attrs["tag"]}
		for k, v := range tt.attrs {
			want[k] = v
		}
		assert.Equal(t, doortest.Line{Level: logging.LevelAudit, Message: "Audit:", Attrs: want}, lines[0], "first of all")
		require.NotEmpty(t, told)
		assert.Equal(t, tt.event, told[len(told)-1])
	}
	assert.Len(t, told, 4)
}

// Elements are told apart within a subject, and by nobody beyond it.
func TestElementsHaveIDsOfTheirSubjectAlone(t *testing.T) {
	d := open(t, []velocity.Rule{rule("cards", "ip", 2), counting(rule("attempts", "ip", 3), "attempts"), rule("network", "network", 9)})
	for n := range 4 {
		d.set(time.Duration(n) * 10 * time.Second)
		d.check(t, "ip=203.0.113.7", fmt.Sprint("card_id=card ", n%3))
		d.check(t, "ip=203.0.113.8", fmt.Sprint("card_id=card ", n%3))
	}
	d.set(40*time.Second + 999*time.Millisecond)
	type object = map[string]any
	elementsOf := func(address string) (all [][]any) {
		for _, r := range d.ask(t, "GET", "/v1/addresses/"+address, "").JSON["rules"].([]any) {
			all = append(all, r.(object)["elements"].([]any))
		}
		return all
	}
	ages := func(elements []any) (all []float64) {
		for _, e := range elements {
			all = append(all, e.(object)["age_seconds"].(float64))
		}
		return all
	}
	first, second := elementsOf("203.0.113.7"), elementsOf("203.0.113.8")
	assert.Equal(t, []float64{10, 20, 30}, ages(first[0]), "card 0 was shown again")
	assert.Equal(t, []float64{10, 20, 30, 40}, ages(first[1]), "as many as are counted")
	assert.Equal(t, []float64{10, 20, 30}, ages(first[2]))
	assert.Equal(t, first[2], second[2], "they have one network")
	seen := map[string]bool{}
	for _, elements := range [][]any{first[0], first[1], first[2], second[0], second[1]} {
		for _, e := range elements {
			id := e.(object)["id"].(string)
			assert.Regexp(t, `^[a-z2-7]{8}$`, id)
			assert.False(t, seen[id], "another subject's, or another kind's")
			seen[id] = true
		}
	}
	assert.Equal(t, first, elementsOf("203.0.113.7"))
}
