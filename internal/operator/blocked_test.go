package operator_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// block has the address show so many cards, at the callers' port, that it is blocked.
func (d *port) block(t testing.TB, address string) {
	t.Helper()
	for range 100 {
		body := fmt.Sprintf(`{"ip":%q,"card_id":"tok_%d"}`, address, d.attempts.Add(1))
		a := d.all.Callers.Ask(t, doortest.Raw("POST /v1/check", body, doortest.AsCheckout))
		require.Equal(t, 200, a.Status, a.Body)
		if a.JSON["decision"] == "block" {
			return
		}
	}
	require.Fail(t, "it is never blocked", address)
}

// overOne blocks the second card of an address.
var overOne = rule("cards_per_ip", "ip", 1)

const text = "Accept: text/plain"

func TestWhoIsBlocked(t *testing.T) {
	d := open(t, []velocity.Rule{overOne})
	requireJSON(t, `{"blocked":[],"unreachable":[],"degraded":false,"left_out":0}`, d.ask(t, "GET", "/v1/blocked", ""))
	d.block(t, "2001:db8:0:1::7")
	d.set(10*time.Second + 123*time.Millisecond)
	d.block(t, "203.0.113.7")
	d.set(20 * time.Second)
	a := d.ask(t, "GET", "/v1/blocked", "")
	require.Equal(t, 200, a.Status)
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	assert.Equal(t, `{"blocked":[`+
		`{"ip":"203.0.113.7","reasons":["cards_per_ip"],"first_blocked":"2026-11-21T09:00:10.123Z","last_tried":"2026-11-21T09:00:10.123Z","clears_in_seconds":3591,"attempts":1},`+
		`{"ip":"2001:db8:0:1::/64","reasons":["cards_per_ip"],"first_blocked":"2026-11-21T09:00:00.000Z","last_tried":"2026-11-21T09:00:00.000Z","clears_in_seconds":3580,"attempts":1}`+
		`],"unreachable":[],"degraded":false,"left_out":0}`, a.Body)
	assert.Len(t, d.ask(t, "GET", "/v1/blocked?limit=1&scope=this", "").JSON["blocked"], 1)
	assert.EqualValues(t, 2, scrape(t, d.metrics)["fraudcheck_blocked_addresses"])
	assert.Contains(t, scrape(t, d.metrics), "fraudcheck_blocked_addresses_evicted_total")

	require.Equal(t, 200, d.ask(t, "DELETE", "/v1/addresses/203.0.113.7", "").Status)
	assert.Len(t, d.ask(t, "GET", "/v1/blocked", "").JSON["blocked"], 1)
	assert.EqualValues(t, 1, scrape(t, d.metrics)["fraudcheck_blocked_addresses"])
}

func TestWhoIsBlockedByAListWithoutEnd(t *testing.T) {
	d := open(t, nil)
	d.list(t, entry("203.0.113.0/24", velocity.Block))
	d.block(t, "203.0.113.7")
	blocked := d.ask(t, "GET", "/v1/blocked", "").JSON["blocked"].([]any)[0].(map[string]any)
	assert.Equal(t, []any{"list"}, blocked["reasons"])
	assert.Nil(t, blocked["clears_in_seconds"])
}

func TestFiltersOfBlocked(t *testing.T) {
	d := open(t, nil)
	tests := []struct{ query, accept, code, field string }{
		{"decision=block", "", "field_unknown", "decision"},
		{"networks=1", "", "field_unknown", "networks"},
		{"limit=0", "", "field_invalid", "limit"},
		{"limit=100001", "", "field_invalid", "limit"},
		{"limit=ten", "", "field_invalid", "limit"},
		{"limit=1&limit=2", "", "field_repeated", "limit"},
		{"scope=all", "", "field_invalid", "scope"},
		{"limit=%zz", "", "field_invalid", "limit"},
		{"limit=1", text, "field_unknown", "limit"},
		{"networks=yes", text, "field_invalid", "networks"},
		{"networks=1&networks=1", text, "field_repeated", "networks"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			var headers []string
			if tt.accept != "" {
				headers = append(headers, tt.accept)
			}
			a := d.ask(t, "GET", "/v1/blocked?"+tt.query, "", headers...)
			doortest.RequireProblem(t, a, 400, tt.code, tt.field)
		})
	}
}

func TestWhoMayAskForTheBlocked(t *testing.T) {
	d := open(t, nil)
	for caller, status := range map[string]int{doortest.AsAnalyst: 200, doortest.AsOperator: 200, doortest.AsCheckout: 403, doortest.AsNobody: 403} {
		assert.Equal(t, status, d.anonymous(t, "GET", "/v1/blocked", "", caller).Status, caller)
	}
	assert.Equal(t, 401, d.anonymous(t, "GET", "/v1/blocked", "").Status)
}

func TestTheAcceptHeaderChoosesTheForm(t *testing.T) {
	d := open(t, nil)
	d.set(time.Hour)
	for accept, isText := range map[string]bool{
		"text/plain": true, "Text/Plain; charset=utf-8": true, "text/plain, */*": true, "text/plain, application/json;q=0.5": true,
		"": false, "*/*": false, "text/*": false, "text/html, */*": false, "application/json, text/plain, */*": false,
		"text/plain;q=0": false, "text/plain;q=x": false, "text/plain;q=0.5, application/json": false,
	} {
		a := d.ask(t, "GET", "/v1/blocked", "", "Accept: "+accept)
		require.Equal(t, 200, a.Status, accept)
		assert.Equal(t, isText, a.Body == "# end 0\n", accept)
		assert.Equal(t, isText, a.Header.Get("Content-Type") == "text/plain; charset=utf-8", accept)
	}
}

// What stands in the list for firewalls, and what never does.
func TestTheListForFirewalls(t *testing.T) {
	t.Parallel()
	const v4, v6 = "203.0.113.7", "2001:db8:0:1::7"
	lines := func(lines ...string) string {
		return strings.Join(append(lines, fmt.Sprintf("# end %d\n", len(lines))), "\n")
	}
	perNetwork := rule("cards_per_network", "network", 1)
	needs := func(networks ...string) func(*doortest.Setup) {
		return func(s *doortest.Setup) {
			s.Firewall.Infrastructure = func() (needed []netip.Prefix, _ error) {
				for _, n := range networks {
					needed = append(needed, netip.MustParsePrefix(n))
				}
				return needed, nil
			}
		}
	}
	tests := []struct {
		name  string
		rules []velocity.Rule
		setup func(*doortest.Setup)
		then  func(d *port)
		query string
		want  string
	}{
		{name: "addresses", want: lines(v4)},
		{name: "and networks", query: "?networks=1", want: lines(v4, "2001:db8:0:1::/64")},
		{name: "a rule on another subject", rules: []velocity.Rule{perNetwork}, query: "?networks=1", want: lines()},
		{name: "a rule in shadow beside one on another subject", rules: []velocity.Rule{shadow(overOne), perNetwork}, query: "?networks=1", want: lines()},
		{name: "blocked by a list alone", rules: []velocity.Rule{rule("cards_per_ip", "ip", 99)}, query: "?networks=1", want: lines(),
			setup: func(s *doortest.Setup) { blockAll(t, s) }},
		{name: "forgotten", then: func(d *port) { d.ask(t, "DELETE", "/v1/addresses/"+v4, "") }, query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "let in by a list", then: func(d *port) { d.list(t, entry("203.0.113.0/24", velocity.Allow)) }, query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "one address of a network let in by a list", then: func(d *port) { d.list(t, entry("2001:db8:0:1::99/128", velocity.Allow)) }, query: "?networks=1", want: lines(v4)},
		{name: "the list has ended", then: func(d *port) {
			e := entry("203.0.113.0/24", velocity.Allow)
			e.Until = doortest.Morning.Add(time.Minute)
			d.list(t, e)
		}, want: lines(v4)},
		{name: "overridden", then: func(d *port) {
			a := velocity.Attempt{Address: netip.MustParseAddr(v4)}
			d.checker.SetOverride(&a, velocity.Override{Outcome: velocity.Block, Reason: "a test", Until: d.now() + 60_000}, d.now())
		}, query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "what the service needs", setup: needs("203.0.113.0/28"), query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "what it needs in a network", setup: needs("2001:db8:0:1::53/128", "0.0.0.0/8"), query: "?networks=1", want: lines(v4)},
		{name: "a suspect address", then: func(d *port) {
			d.checker.Replace(d.checker.Plan().WithGuard(velocity.CollapseGuard{
				AtMost: velocity.Review, Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			}))
		}, query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "a suspect address in a network", then: func(d *port) {
			d.checker.Replace(d.checker.Plan().WithGuard(velocity.CollapseGuard{
				AtMost: velocity.Review, Networks: []netip.Prefix{netip.MustParsePrefix("2001:db8:0:1::99/128")},
			}))
		}, query: "?networks=1", want: lines(v4)},
		{name: "a proxy that rules may block", then: func(d *port) {
			d.checker.Replace(d.checker.Plan().WithGuard(velocity.CollapseGuard{
				AtMost: velocity.Block, Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			}))
		}, query: "?networks=1", want: lines("2001:db8:0:1::/64")},
		{name: "what is nobody's", then: func(d *port) {
			for _, address := range []string{"10.0.0.7", "100.64.0.7", "127.0.0.7", "169.254.1.7", "172.31.0.7", "192.168.1.7", "240.0.0.7", "fd00::7", "fe80::7"} {
				d.block(t, address)
			}
		}, query: "?networks=1", want: lines(v4, "2001:db8:0:1::/64")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.rules == nil {
				tt.rules = []velocity.Rule{overOne}
			}
			var change []func(*doortest.Setup)
			if tt.setup != nil {
				change = append(change, tt.setup)
			}
			d := open(t, tt.rules, change...)
			d.set(59 * time.Minute)
			d.block(t, v6)
			d.set(time.Hour)
			d.block(t, v4)
			if tt.then != nil {
				tt.then(d)
			}
			a := d.ask(t, "GET", "/v1/blocked"+tt.query, "", text)
			require.Equal(t, 200, a.Status, a.Body)
			assert.Equal(t, tt.want, a.Body)
		})
	}
}

func TestThereIsNoListForFirewallsThatIsNotWhole(t *testing.T) {
	ask := func(d *port) doortest.Answer { return d.ask(t, "GET", "/v1/blocked", "", text) }
	t.Run("a young instance", func(t *testing.T) {
		longest, perCard, inShadow := rule("cards_in_two_hours", "ip", 9), counting(rule("attempts_per_card", "card", 9), "attempts"), shadow(rule("cards_per_day", "ip", 9))
		longest.Window, perCard.Window, inShadow.Window = 2*time.Hour, 720*time.Hour, 24*time.Hour
		d := open(t, []velocity.Rule{overOne, longest, perCard, inShadow}, func(s *doortest.Setup) {
			s.Firewall.Began = velocity.TimeOf(doortest.Morning)
		})
		d.set(2*time.Hour - time.Millisecond)
		a := ask(d)
		doortest.RequireProblem(t, a, 503, "overloaded", "")
		assert.Contains(t, a.JSON["detail"], "2h0m0s")
		assert.Equal(t, "1", a.Header.Get("Retry-After"))
		d.set(2 * time.Hour)
		assert.Equal(t, 200, ask(d).Status)
	})
	t.Run("a name that does not resolve", func(t *testing.T) {
		d := open(t, nil, func(s *doortest.Setup) {
			s.Firewall.Infrastructure = func() ([]netip.Prefix, error) { return nil, errors.New("cache.internal does not resolve") }
		})
		a := ask(d)
		doortest.RequireProblem(t, a, 503, "store_unreachable", "")
		assert.Contains(t, a.JSON["detail"], "cache.internal does not resolve")
	})
	t.Run("a store that does not answer", func(t *testing.T) {
		d := openUnreachable(t, overOne)
		assert.Equal(t, "# end 0\n", ask(d).Body, "nothing was asked")
		d.block(t, "203.0.113.7")
		doortest.RequireProblem(t, ask(d), 503, "store_unreachable", "")
		a := d.ask(t, "GET", "/v1/blocked", "")
		assert.Len(t, a.JSON["blocked"], 1)
		assert.Equal(t, true, a.JSON["degraded"])
	})
}

func entry(network string, o velocity.Outcome) velocity.Entry {
	return velocity.Entry{Net: netip.MustParsePrefix(network), Outcome: o}
}

// list puts the lists in force.
func (d *port) list(t testing.TB, entries ...velocity.Entry) {
	t.Helper()
	lists, err := velocity.NewLists(entries)
	require.NoError(t, err)
	d.checker.Replace(d.checker.Plan().With(lists))
}

// blockAll has a list block every address.
func blockAll(t testing.TB, s *doortest.Setup) {
	t.Helper()
	lists, err := velocity.NewLists([]velocity.Entry{entry("0.0.0.0/0", velocity.Block), entry("::/0", velocity.Block)})
	require.NoError(t, err)
	s.Checker.Replace(s.Checker.Plan().With(lists))
}
