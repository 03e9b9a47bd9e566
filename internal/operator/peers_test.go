package operator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth/proof"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/velocity"
)

func peerKeys(t testing.TB) *proof.Keys {
	t.Helper()
	k, err := proof.NewKeys(bytes.Repeat([]byte("k"), 32), nil)
	require.NoError(t, err)
	return k
}

// answering is the operators' port of another instance, which answers every question so.
func answering(t testing.TB, instance, body string) (addr string, asked func() []string) {
	t.Helper()
	return answeringBy(t, instance, func(string) string { return body })
}

// answeringBy answers each path in its own way.
func answeringBy(t testing.TB, instance string, body func(path string) string) (addr string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var targets []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		targets = append(targets, r.RequestURI)
		mu.Unlock()
		w.Header().Set(proof.InstanceHeader, instance+" 1")
		_, _ = io.WriteString(w, body(r.URL.Path))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return targets
	}
}

// openAmong opens the operators' port of an instance with these peers.
func openAmong(t testing.TB, names []string, change ...func(*doortest.Setup)) *port {
	t.Helper()
	return open(t, []velocity.Rule{velocity.DefaultRule}, append(change, func(s *doortest.Setup) {
		s.Peers = peers.New(peers.Settings{Peers: names, Instance: "here", Keys: peerKeys(t)})
		t.Cleanup(s.Peers.Close)
		s.Guard.Peers, s.Settings.Instance = peerKeys(t), s.Peers.Header()
	})...)
}

// withProof is the header of another instance's request.
func withProof(t testing.TB, method, target string) string {
	t.Helper()
	return "Authorization: " + peerKeys(t).Make(method, target, "ana", time.Now())
}

func TestWhoIsLoggedInAtAnyInstance(t *testing.T) {
	entry := func(id, since, used string) string {
		return fmt.Sprintf(`{"id":"%s","username":"ana","tag":"VJ8zq5","from":"10.0.0.5","since":"%s","last_used":"%s","until":"2026-11-29T12:00:00.000Z"}`, id, since, used)
	}
	early, late := "2026-11-28T12:00:00.000Z", "2026-11-28T13:00:00.000Z"
	// Of a shared store two instances tell the same login.
	first, askedFirst := answering(t, "first", `{"logins":[`+entry("a", early, early)+`,`+entry("a", early, early)+`],"unreachable":[]}`)
	second, _ := answering(t, "second", `{"logins":[`+entry("b", late, late)+`,`+entry("a", early, late)+`],"unreachable":["never repeated"]}`)
	d := openAmong(t, []string{first, second})
	a := d.anonymous(t, "GET", "/v1/logins", "", doortest.AsOperator)
	requireJSON(t, `{"logins":[`+entry("b", late, late)+`,`+entry("a", early, late)+`],"unreachable":[]}`, a)
	assert.Equal(t, []string{"/v1/logins?scope=this"}, askedFirst())

	requireJSON(t, `{"logins":[],"unreachable":[]}`, d.anonymous(t, "GET", "/v1/logins?scope=this", "", doortest.AsOperator))
	assert.Len(t, askedFirst(), 1, "this instance only")
}

// Of a subject that several know, the override that was set last is the one in force.
func TestOverridesOfAllInstances(t *testing.T) {
	entry := func(subject, by string, second int) string {
		return fmt.Sprintf(`{"subject":"%s","decision":"block","by":"%s","since":"2026-11-21T08:00:%02d.000Z","until":"2026-11-29T12:00:00.000Z","reason":"known"}`, subject, by, second)
	}
	first, asked := answering(t, "first", `{"overrides":[`+entry("203.0.113.1", "eve", 3)+`,`+entry("203.0.113.2", "eve", 1)+`]}`)
	second, _ := answering(t, "second", `{"overrides":[`+entry("203.0.113.2", "ian", 2)+`,`+entry("203.0.113.1", "eve", 3)+`]}`)
	d := openAmong(t, []string{first, second, "127.0.0.1:1"})
	requireJSON(t, `{"overrides":[`+entry("203.0.113.1", "eve", 3)+`,`+entry("203.0.113.2", "ian", 2)+`],"unreachable":["127.0.0.1:1"]}`,
		d.ask(t, "GET", "/v1/overrides", ""))
	requireJSON(t, `{"overrides":[],"unreachable":[]}`, d.ask(t, "GET", "/v1/overrides?scope=this", ""))
	assert.Equal(t, []string{"/v1/overrides?scope=this"}, asked())
}

// Otherwise two instances would ask each other for ever.
func TestAPeersQuestionAsksNobody(t *testing.T) {
	other, asked := answering(t, "other", `{}`)
	d := openAmong(t, []string{other})
	for _, target := range []string{"/v1/logins?scope=this", "/v1/logins"} {
		a := d.anonymous(t, "GET", target, "", withProof(t, "GET", target))
		requireJSON(t, `{"logins":[],"unreachable":[]}`, a)
		assert.Regexp(t, `^here \S+$`, a.Header.Get(proof.InstanceHeader))
	}
	assert.Empty(t, asked())
	assert.Empty(t, d.anonymous(t, "GET", "/v1/logins?scope=this", "", doortest.AsOperator).Header.Get(proof.InstanceHeader), "nobody else is told")
	assert.Regexp(t, `Response: map\[caller:ana [^]]* scheme:peer`, d.all.Log.Text())
}

func TestAPeerReadsOnlyWhatIsForPeers(t *testing.T) {
	d := openAmong(t, []string{"127.0.0.1:1"})
	for _, r := range []string{"GET /v1/addresses/203.0.113.7", "DELETE /v1/addresses/203.0.113.7", "POST /v1/subjects/read", "POST /v1/subjects/forget",
		"DELETE /v1/logins/Uu2IkKhVZ3xkq8Yb7c1m0Q", "GET /v1/me"} {
		method, target, _ := strings.Cut(r, " ")
		doortest.RequireProblem(t, d.anonymous(t, method, target, "", withProof(t, method, target)), 403, "role_missing", "")
	}
	target := "/v1/check"
	doortest.RequireProblem(t, d.all.Callers.Ask(t, doortest.Raw("POST "+target, "", withProof(t, "POST", target))), 403, "role_missing", "")

	shown := withProof(t, "GET", "/v1/logins")
	require.Equal(t, 200, d.anonymous(t, "GET", "/v1/logins", "", shown).Status)
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/logins", "", shown), 401, "token_invalid", "")
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/logins", "", withProof(t, "GET", "/v1/blocked")), 401, "credentials_invalid", "")
	old := "Authorization: " + peerKeys(t).Make("GET", "/v1/logins", "ana", time.Now().Add(-11*time.Second))
	doortest.RequireProblem(t, d.anonymous(t, "GET", "/v1/logins", "", old), 401, "token_expired", "")
}

// A peer may run another version, or be taken over.
func TestWhatAPeerAnswersIsJudged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body    string
		ids     []any
		refused bool
	}{
		"nothing known":        {body: `{"logins":[]}`},
		"null":                 {body: `{"logins":null}`},
		"none of the members":  {body: `{}`},
		"more than we know":    {body: `{"logins":[{"id":"a","device":{"x":[1]}}],"since":7}`, ids: []any{"a"}},
		"less than we know":    {body: `{"logins":[{"id":"a"}]}`, ids: []any{"a"}},
		"another type":         {body: `{"logins":[{"id":7}]}`, refused: true},
		"no list":              {body: `{"logins":{"id":"a"}}`, refused: true},
		"no time":              {body: `{"logins":[{"since":"now"}]}`, refused: true},
		"half of it":           {body: `{"logins":[{"id":"a"}`, refused: true},
		"no JSON":              {body: `<html>`, refused: true},
		"nothing":              {body: ``, refused: true},
		"two answers":          {body: `{"logins":[]}{}`, refused: true},
		"as deep as may be":    {body: strings.Repeat("[", 4<<20), refused: true},
		"millions of entries":  {body: `{"logins":[{}` + strings.Repeat(",{}", 100_000) + `]}`, refused: true},
		"as many as there are": {body: `{"logins":[{"id":"a"}` + strings.Repeat(`,{"id":"a"}`, 99_999) + `]}`, ids: []any{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			hostile, _ := answering(t, "hostile", tt.body)
			honest, _ := answering(t, "honest", `{"logins":[{"id":"z"}]}`)
			a := openAmong(t, []string{hostile, honest}).anonymous(t, "GET", "/v1/logins", "", doortest.AsOperator)
			require.Equal(t, 200, a.Status, a.Body)
			var ids []any
			for _, l := range a.JSON["logins"].([]any) {
				ids = append(ids, l.(map[string]any)["id"])
			}
			assert.Equal(t, append(tt.ids, "z"), ids)
			unreachable := []any{}
			if tt.refused {
				unreachable = append(unreachable, hostile)
			}
			assert.Equal(t, unreachable, a.JSON["unreachable"])
		})
	}
}

// decided is a decision as another instance tells it.
func decided(at string, number int, more string) string {
	return fmt.Sprintf(`{"time":"2026-11-21T%s.000Z","instance":"a lie","ip":"203.0.113.9","decision":"allow","reasons":null,"caller":"shop","attempt":"k7qm2xpz","request_id":"r%d","number":%d%s}`, at, number, number, more)
}

func TestDecisionsOfAllInstancesAreMergedByTime(t *testing.T) {
	second, asked := answering(t, "web-2", `{"decisions":[`+decided("09:00:02", 7, `,"mood":1`)+`,`+decided("08:59:59", 6, "")+`],"next":null}`)
	third, _ := answering(t, "web-3", `{"decisions":[`+decided("09:00:03", 9, "")+`],"next":"there is more"}`)
	old, _ := answering(t, "web-4", `{"decisions":[{"time":"2026-11-21T09:00:05.000Z"}]}`) // it tells no place
	d := openAmong(t, []string{second, third, old})
	d.checkOver(t, `{"ip":"203.0.113.7","card_id":"a"}`, "X-Request-ID: own")
	ask := func(query string) (ids []string, a doortest.Answer) {
		a = d.ask(t, "GET", "/v1/decisions"+query, "")
		require.Equal(t, 200, a.Status, a.Body)
		for _, each := range listOf(a) {
			assert.NotContains(t, each, "number")
			assert.NotContains(t, each, "mood")
			assert.IsType(t, []any{}, each["reasons"])
			ids = append(ids, each["instance"].(string)+" "+each["request_id"].(string))
		}
		assert.Equal(t, []any{}, a.JSON["unreachable"])
		return ids, a
	}
	ids, a := ask("?ip=203.0.113.0/24&scope=")
	assert.Equal(t, []string{"web-3 r9", "web-2 r7", "web-1 own", "web-2 r6"}, ids)
	assert.NotNil(t, a.JSON["next"], "the third has more")
	assert.Equal(t, "/v1/decisions?scope=this&ip=203.0.113.0%2F24", asked()[0])

	ids, a = ask("?limit=2")
	assert.Equal(t, []string{"web-3 r9", "web-2 r7"}, ids)
	ids, _ = ask("?limit=2&before=" + a.JSON["next"].(string))
	assert.Equal(t, []string{"web-1 own", "web-2 r6"}, ids, "what a peer repeats is passed over")
	ids, _ = ask("?scope=this")
	assert.Equal(t, []string{"web-1 own"}, ids)

	target := "/v1/decisions?scope=this"
	assert.Regexp(t, `"request_id":"own","number":\d+\}`, d.anonymous(t, "GET", target, "", withProof(t, "GET", target)).Body)
}

func TestWhoIsBlockedAtAnyInstance(t *testing.T) {
	t.Parallel()
	entry := func(ip, reasons, first, last, clears string, attempts int) string {
		return fmt.Sprintf(`{"ip":"%s","reasons":%s,"first_blocked":"2026-11-21T%s.000Z","last_tried":"2026-11-21T%s.000Z","clears_in_seconds":%s,"attempts":%d}`, ip, reasons, first, last, clears, attempts)
	}
	const rules = `["cards_per_ip"]`
	second, asked := answeringBy(t, "web-2", func(path string) string {
		if path == "/v1/overrides" {
			return `{"overrides":[{"subject":"203.0.113.10","decision":"allow"},{"subject":"203.0.113.11","decision":"block"}]}`
		}
		return `{"blocked":[` + entry("203.0.113.11", rules, "09:59:58", "09:59:59", "60", 2) + `,` + entry("203.0.113.7", `["cards_per_ip","other"]`, "08:59:00", "09:00:01", "9999", 3) + `],"degraded":false,"left_out":4,"running_seconds":3600}`
	})
	third, _ := answeringBy(t, "web-3", func(path string) string {
		if path == "/v1/overrides" {
			return `{}`
		}
		return `{"blocked":[` + entry("203.0.113.10", rules, "09:59:56", "09:59:57", "null", 1) + `,{}],"running_seconds":7200,"later":1}`
	})
	young, _ := answering(t, "web-5", `{"blocked":[],"overrides":[],"running_seconds":3599}`)
	silent, _ := answering(t, "web-6", `{"blocked":[],"overrides":[]}`)
	hostile, _ := answering(t, "web-4", `{"blocked":[{"ip":"everybody"}],"overrides":[]}`)
	setup := func(names ...string) *port {
		return open(t, []velocity.Rule{overOne}, func(s *doortest.Setup) {
			s.Peers = peers.New(peers.Settings{Peers: names, Instance: "web-1", Keys: peerKeys(t)})
			t.Cleanup(s.Peers.Close)
		})
	}
	d := setup(second, third)
	d.block(t, "203.0.113.7")
	own := d.ask(t, "GET", "/v1/blocked?scope=this", "").JSON["blocked"].([]any)
	require.Len(t, own, 1)
	requireJSON(t, `{"blocked":[`+
		entry("203.0.113.11", rules, "09:59:58", "09:59:59", "60", 2)+`,`+
		entry("203.0.113.10", rules, "09:59:56", "09:59:57", "null", 1)+`,`+
		entry("203.0.113.7", `["cards_per_ip","other"]`, "08:59:00", "09:00:01", "9999", 4)+
		`],"unreachable":[],"degraded":false,"left_out":4}`, d.ask(t, "GET", "/v1/blocked", ""))
	assert.Equal(t, "/v1/blocked?scope=this&limit=25000", asked()[0])
	assert.Len(t, d.ask(t, "GET", "/v1/blocked?limit=2", "").JSON["blocked"], 2)

	d.set(2 * time.Hour) // long enough for a firewall's list
	a := d.ask(t, "GET", "/v1/blocked", "", text)
	assert.Equal(t, "203.0.113.11\n203.0.113.7\n# end 2\n", a.Body, "an override at any instance lets an address go")
	assert.NotContains(t, d.ask(t, "GET", "/v1/blocked?scope=this", "", text).Body, "203.0.113.11")

	// One that has just started does not know whom it blocked: without it they would leave the list.
	for name, peer := range map[string]string{"web-5": young, "web-6": silent} {
		d = setup(third, peer)
		d.set(2 * time.Hour)
		a = d.ask(t, "GET", "/v1/blocked", "", text)
		doortest.RequireProblem(t, a, 503, "overloaded", "")
		assert.Contains(t, a.JSON["detail"], "instance "+name+" has run for less than the longest window of this one's enforced rules on ip, 1h0m0s")
		assert.NotEmpty(t, a.Header.Get("Retry-After"))
		assert.Equal(t, 200, d.ask(t, "GET", "/v1/blocked", "").Status)
		assert.Equal(t, 200, d.ask(t, "GET", "/v1/blocked?scope=this", "", text).Status)
	}
	target := "/v1/blocked?scope=this"
	d = openAmong(t, []string{"127.0.0.1:1"})
	d.set(time.Hour)
	assert.Regexp(t, `"left_out":0,"running_seconds":\d{4,}}$`, d.anonymous(t, "GET", target, "", withProof(t, "GET", target)).Body)
	assert.NotContains(t, d.ask(t, "GET", target, "").Body, "running_seconds", "nobody else is told")

	d = setup(third, hostile)
	d.set(2 * time.Hour)
	assert.Equal(t, []any{hostile}, d.ask(t, "GET", "/v1/blocked", "").JSON["unreachable"])
	doortest.RequireProblem(t, d.ask(t, "GET", "/v1/blocked", "", text), 503, "store_unreachable", "")
	assert.Equal(t, 200, d.ask(t, "GET", "/v1/blocked?scope=this", "", text).Status)
}

// The routes that ask all instances read the filter scope alike.
func TestAWrongScopeIsNamed(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{"overrides", "trends", "instances", "logins", "blocked", "decisions"} {
		for query, want := range map[string][3]string{
			"scope=all":             {"400", "field_invalid", "scope"},
			"scope=this&scope=this": {"400", "field_repeated", "scope"},
			"mood=good":             {"400", "field_unknown", "mood"},
			"4111111111111111=1":    {"400", "field_unknown", ""},
			"scope=":                {"200"},
			"scope=%74his":          {"200"},
		} {
			a := d.anonymous(t, "GET", "/v1/"+path+"?"+query, "", doortest.AsOperator)
			if want[0] == "200" {
				assert.Equal(t, 200, a.Status, a.Body)
			} else {
				doortest.RequireProblem(t, a, 400, want[1], want[2])
			}
		}
	}
}
