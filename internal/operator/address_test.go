package operator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// The example of the contract, to the byte.
func TestAnAddressIsReported(t *testing.T) {
	d := open(t, nil)
	d.show(t, "2001:db8:0:1::7", 4)
	d.set(3 * time.Second)
	d.check(t, "ip=2001:db8:0:1::7", "card_id=card 4")
	d.set(10 * time.Second)
	a := d.ask(t, "GET", "/v1/addresses/2001:db8:0:1::7", "")
	require.Equal(t, 200, a.Status)
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	assert.Equal(t, `{"subject":"2001:db8:0:1::/64",`+
		`"rules":[{"name":"cards_per_ip","outcome":"review","mode":"enforce","count":5,"review_over":3,"block_over":5,"window_seconds":3600,"clears_in_seconds":3590,`+
		`"elements":[{"id":"5a7bi6zk","age_seconds":7},{"id":"rd3lu5li","age_seconds":10},{"id":"5p6atx6b","age_seconds":10},{"id":"equwlrxd","age_seconds":10},{"id":"5jd45uol","age_seconds":10}]}],`+
		`"list":null,"override":null,"next":{"known_card":"review","new_card":"block"},"degraded":false}`, a.Body)
}

func TestWhatTheNextCardWouldGet(t *testing.T) {
	t.Parallel()
	stages := []struct {
		shown, count int
		outcome      string
		known, fresh string
	}{
		{0, 0, "allow", "allow", "allow"},
		{1, 1, "allow", "allow", "allow"},
		{2, 2, "allow", "allow", "allow"},
		{3, 3, "allow", "allow", "review"},
		{4, 4, "review", "review", "review"},
		{5, 5, "review", "review", "block"},
		{6, 6, "block", "block", "block"},
		{60, 6, "block", "block", "block"},
	}
	for _, tt := range stages {
		t.Run(fmt.Sprint(tt.shown, " cards"), func(t *testing.T) {
			d := open(t, nil)
			d.show(t, "203.0.113.7", tt.shown)
			a := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
			assert.Equal(t, []string{fmt.Sprint("cards_per_ip=", tt.count)}, countsOf(t, a))
			assert.Equal(t, tt.outcome, a.JSON["rules"].([]any)[0].(map[string]any)["outcome"])
			assert.Equal(t, [2]string{tt.known, tt.fresh}, nextOf(t, a))

			if tt.shown > 0 {
				known := d.check(t, "ip=203.0.113.7", fmt.Sprint("card_id=card ", tt.shown-1))
				assert.Equal(t, tt.known, known.Outcome.String(), "so it was")
			}
			fresh := d.check(t, "ip=203.0.113.7", "card_id=new")
			if tt.shown > 0 {
				assert.Equal(t, tt.fresh, fresh.Outcome.String(), "so it was")
			}
			d.set(time.Hour)
			a = d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
			assert.Equal(t, []string{"cards_per_ip=0"}, countsOf(t, a))
			assert.Equal(t, [2]string{"allow", "allow"}, nextOf(t, a))
		})
	}
}

func TestWhatTheNextAttemptWouldGetByOtherRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		rules []velocity.Rule
		shown func(*port)
		want  [2]string // known, new
	}{
		{"no attempt", []velocity.Rule{counting(rule("r", "ip", 2), "attempts")}, func(*port) {}, [2]string{"allow", "allow"}},
		{"the last attempt that passes", []velocity.Rule{counting(rule("r", "ip", 2), "attempts")},
			func(d *port) { d.show(t, "203.0.113.7", 1) }, [2]string{"allow", "allow"}},
		{"every attempt is new, whatever its card", []velocity.Rule{counting(rule("r", "ip", 2), "attempts")},
			func(d *port) { d.show(t, "203.0.113.7", 1); d.show(t, "203.0.113.7", 1) }, [2]string{"block", "block"}},
		{"a decline tolerated", []velocity.Rule{counting(rule("r", "ip", 1), "declined_cards")},
			func(d *port) { d.decline(t, "203.0.113.7", 1) }, [2]string{"allow", "allow"}},
		{"a check adds no decline", []velocity.Rule{counting(rule("r", "ip", 1), "declined_cards")},
			func(d *port) { d.decline(t, "203.0.113.7", 1); d.show(t, "203.0.113.7", 9) }, [2]string{"allow", "allow"}},
		{"a decline too many", []velocity.Rule{counting(rule("r", "ip", 1), "declined_cards")},
			func(d *port) { d.decline(t, "203.0.113.7", 1); d.decline(t, "203.0.113.7", 2) }, [2]string{"block", "block"}},
		{"the neighbours' cards", []velocity.Rule{rule("r", "network", 2)},
			func(d *port) { d.show(t, "203.0.113.8", 2) }, [2]string{"allow", "block"}},
		{"the strictest rule", []velocity.Rule{velocity.DefaultRule, rule("r", "ip", 20), rule("n", "network", 4)},
			func(d *port) { d.show(t, "203.0.113.7", 4) }, [2]string{"review", "block"}},
		{"a shadow rule has no say", []velocity.Rule{shadow(rule("r", "ip", 1)), shadow(rule("n", "network", 1))},
			func(d *port) { d.show(t, "203.0.113.7", 9) }, [2]string{"allow", "allow"}},
		{"nor a rule on another subject", []velocity.Rule{rule("r", "email", 1)},
			func(d *port) { d.show(t, "203.0.113.7", 9, "email=a@example.org") }, [2]string{"allow", "allow"}},
		{"one card only", []velocity.Rule{rule("r", "ip", 1)}, func(d *port) { d.show(t, "203.0.113.7", 1) }, [2]string{"allow", "block"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, tt.rules)
			tt.shown(d)
			assert.Equal(t, tt.want, nextOf(t, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")))
		})
	}
}

func TestAReportHasEveryRuleThatAnAddressAnswersFor(t *testing.T) {
	d := open(t, []velocity.Rule{
		rule("cards_per_network", "network", 9),
		rule("cards_per_email", "email", 1),
		shadow(rule("strict", "ip", 1)),
		counting(rule("ips_per_card", "card", 1), "ips"),
		counting(rule("attempts_per_ip", "ip", 9), "attempts"),
		counting(rule("declined_cards_per_ip", "ip", 9), "declined_cards"),
	})
	d.show(t, "203.0.113.7", 2, "email=a@example.org")
	d.show(t, "203.0.113.8", 3, "email=a@example.org") // two cards are the same
	d.decline(t, "203.0.113.7", 0)
	requireJSON(t, `{"subject":"203.0.113.7","rules":[
		{"name":"cards_per_network","outcome":"allow","mode":"enforce","count":3,"review_over":0,"block_over":9,"window_seconds":3600,"clears_in_seconds":0},
		{"name":"strict","outcome":"block","mode":"shadow","count":2,"review_over":0,"block_over":1,"window_seconds":3600,"clears_in_seconds":3600},
		{"name":"attempts_per_ip","outcome":"allow","mode":"enforce","count":2,"review_over":0,"block_over":9,"window_seconds":3600,"clears_in_seconds":0},
		{"name":"declined_cards_per_ip","outcome":"allow","mode":"enforce","count":1,"review_over":0,"block_over":9,"window_seconds":3600,"clears_in_seconds":0}
		],"list":null,"override":null,"next":{"known_card":"allow","new_card":"allow"},"degraded":false}`,
		d.ask(t, "GET", "/v1/addresses/203.0.113.7", ""))
}

func TestWhereNoRuleWatchesAddressesThereIsNothingToReport(t *testing.T) {
	d := open(t, []velocity.Rule{rule("cards_per_email", "email", 1)})
	d.show(t, "203.0.113.7", 9, "email=a@example.org")
	requireJSON(t, `{"subject":"203.0.113.7","watched":false,"rules":[],"list":null,"override":null,"next":{"known_card":"allow","new_card":"allow"},"degraded":false}`,
		d.ask(t, "GET", "/v1/addresses/203.0.113.7", ""))
	requireJSON(t, `{"still_blocked_by":[],"depends_on":["cards_per_email"]}`, d.ask(t, "DELETE", "/v1/addresses/203.0.113.7", ""))
}

func TestAddressesAreNamedInEveryPlainForm(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, subject, shownAt string }{
		{"203.0.113.7", "203.0.113.7", "203.0.113.7"},
		{"::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"},
		{"::FFFF:cb00:7107", "203.0.113.7", "203.0.113.7"},
		{"64:ff9b::203.0.113.7", "203.0.113.7", "203.0.113.7"},
		{"64:ff9b::cb00:7107", "203.0.113.7", "64:ff9b::203.0.113.7"},
		{"2001:db8:0:1::7", "2001:db8:0:1::/64", "2001:db8:0:1::7"},
		{"2001:DB8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64", "2001:db8:0:1::"},
		{"2001%3Adb8%3a0%3A1%3A%3A7", "2001:db8:0:1::/64", "2001:db8:0:1::7"},
		{"203%2E0%2E113%2E7", "203.0.113.7", "203.0.113.7"},
		{"203.0.113.7#fragment", "203.0.113.7", "203.0.113.7"},
		{"::1", "::/64", "::1"},
		{"203.0.113.7:51234", "203.0.113.7", "203.0.113.7:443"},
		{"%20203.0.113.7%0A", "203.0.113.7", " 203.0.113.7"},
		{"[2001:db8:0:1::7]:443", "2001:db8:0:1::/64", "[2001:db8:0:1::8]"},
		{"%5B2001:db8:0:1::7%5D", "2001:db8:0:1::/64", "2001:db8:0:1::7"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			d := open(t, nil)
			d.show(t, tt.shownAt, 2)
			a := d.ask(t, "GET", "/v1/addresses/"+tt.path, "")
			assert.Equal(t, []string{"cards_per_ip=2"}, countsOf(t, a))
			assert.Equal(t, tt.subject, a.JSON["subject"])
			requireJSON(t, `{"still_blocked_by":[],"depends_on":[]}`, d.ask(t, "DELETE", "/v1/addresses/"+tt.path, ""))
			assert.Equal(t, 1, d.check(t, "ip="+tt.shownAt, "card_id=new").Rules[0].Count)
		})
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	d := open(t, nil)
	for _, path := range []string{
		"localhost", "203.0.113", "203.0.113.07", "203.0.113.256", "0xcb.0.113.7", "3405803783", "203.0.113.7:http", "203.0.113.7,203.0.113.8",
		"fe80::1%25eth0", "2001:db8::1::", "[2001:db8::1", "2001:db8::%00", "{ip}", "%7Bip%7D", "%C3%A9", "..", "...", "203.0.113.0-24", "*",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			t.Run(method+" "+path, func(t *testing.T) {
				a := d.ask(t, method, "/v1/addresses/"+path, "")
				doortest.RequireProblem(t, a, 400, "field_invalid", "ip")
				assert.Equal(t, "expected an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7", a.JSON["detail"])
			})
		}
	}
	for _, path := range []string{"", "/", "203.0.113.0/24", "203.0.113.0%2F24", "203.0.113.7/", "/203.0.113.7", "203.0.113.7/nothing"} {
		t.Run("GET "+path, func(t *testing.T) {
			doortest.RequireProblem(t, d.ask(t, "GET", "/v1/addresses/"+path, ""), 404, "not_found", "")
		})
	}
}

func TestReadingAnAddressRecordsNothing(t *testing.T) {
	d := open(t, []velocity.Rule{velocity.DefaultRule, counting(rule("attempts", "ip", 9), "attempts"), rule("network", "network", 9)})
	for n := range 100 {
		assert.Equal(t, []string{"cards_per_ip=0", "attempts=0", "network=0"}, countsOf(t, d.ask(t, "GET", fmt.Sprint("/v1/addresses/198.51.100.", n), "")))
	}
	require.Zero(t, d.memory.Stats().Records, "an address that is looked at is not remembered")

	d.show(t, "203.0.113.7", 3)
	before := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
	for range 100 {
		require.Equal(t, before.Body, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "").Body)
	}
	d.set(time.Hour - time.Millisecond)
	d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
	assert.Equal(t, 4, d.check(t, "ip=203.0.113.7", "card_id=new").Rules[0].Count)
	d.set(time.Hour)
	assert.Equal(t, []string{"cards_per_ip=1", "attempts=1", "network=1"}, countsOf(t, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")),
		"looking refreshes nothing")
}

func TestAnAddressIsForgotten(t *testing.T) {
	d := open(t, []velocity.Rule{velocity.DefaultRule, counting(rule("attempts", "ip", 3), "attempts"), counting(rule("declines", "ip", 1), "declined_cards")})
	d.show(t, "203.0.113.7", 9)
	d.decline(t, "203.0.113.7", 1)
	d.decline(t, "203.0.113.7", 2)
	d.show(t, "203.0.113.8", 9)
	for range 2 { // twice is as good as once
		requireJSON(t, `{"still_blocked_by":[],"depends_on":[]}`, d.ask(t, "DELETE", "/v1/addresses/203.0.113.7", ""))
		a := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
		assert.Equal(t, []string{"cards_per_ip=0", "attempts=0", "declines=0"}, countsOf(t, a))
		assert.Equal(t, [2]string{"allow", "allow"}, nextOf(t, a))
	}
	decision := d.check(t, "ip=203.0.113.7", "card_id=card 1")
	assert.Equal(t, velocity.Allow, decision.Outcome)
	assert.Equal(t, 1, decision.Rules[0].Count)
	assert.Equal(t, [2]string{"block", "block"}, nextOf(t, d.ask(t, "GET", "/v1/addresses/203.0.113.8", "")), "its neighbour is not forgotten")

	d.show(t, "203.0.113.7", 9)
	assert.Equal(t, [2]string{"block", "block"}, nextOf(t, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")), "nor is it let off for ever")
}

func TestForgettingAnUnknownAddressSucceeds(t *testing.T) {
	d := open(t, nil)
	requireJSON(t, `{"still_blocked_by":[],"depends_on":[]}`, d.ask(t, "DELETE", "/v1/addresses/203.0.113.7", ""))
	assert.Equal(t, 1, d.check(t, "ip=203.0.113.7", "card_id=new").Rules[0].Count)
}

// An analyst who forgets one address of a /64 forgets what they share.
func TestAnIPv6AddressIsForgottenWithItsNetwork(t *testing.T) {
	d := open(t, nil)
	d.show(t, "2001:db8:0:1::7", 6)
	d.show(t, "2001:db8:0:2::7", 6)
	d.ask(t, "DELETE", "/v1/addresses/2001:db8:0:1:ffff::1", "")
	assert.Equal(t, []string{"cards_per_ip=0"}, countsOf(t, d.ask(t, "GET", "/v1/addresses/2001:db8:0:1::7", "")))
	assert.Equal(t, []string{"cards_per_ip=6"}, countsOf(t, d.ask(t, "GET", "/v1/addresses/2001:db8:0:2::7", "")))
}

func TestForgettingSaysWhatItLeaves(t *testing.T) {
	t.Parallel()
	rules := []velocity.Rule{
		rule("cards_per_account", "account", 9),
		velocity.DefaultRule,
		rule("cards_per_network", "network", 3),
		shadow(rule("shadow_network", "network", 1)),
		counting(rule("declines_per_network", "network", 1), "declined_cards"),
		rule("wide_network", "network", 100),
		shadow(rule("cards_per_device", "device", 1)),
		counting(rule("ips_per_card", "card", 9), "ips"),
		rule("cards_per_email", "email", 1),
	}
	const others = `["cards_per_account","ips_per_card","cards_per_email"]`
	tests := []struct {
		name     string
		cards    int
		declined int
		left     string
	}{
		{"nothing", 1, 0, `[]`},
		{"a network that takes one card more", 2, 0, `[]`},
		{"a network that takes no new card", 3, 0, `["cards_per_network"]`},
		{"a blocked network", 9, 0, `["cards_per_network"]`},
		{"a network with declines", 1, 1, `[]`},
		{"a network with too many", 1, 2, `["declines_per_network"]`},
		{"both", 9, 9, `["cards_per_network","declines_per_network"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, rules)
			d.show(t, "203.0.113.7", tt.cards, "email=a@example.org", "account=a", "device=a")
			for n := range tt.declined {
				d.decline(t, "203.0.113.7", n)
			}
			requireJSON(t, `{"still_blocked_by":`+tt.left+`,"depends_on":`+others+`}`, d.ask(t, "DELETE", "/v1/addresses/203.0.113.7", ""))
			a := d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
			assert.Contains(t, countsOf(t, a), "cards_per_ip=0")
			assert.Contains(t, countsOf(t, a), fmt.Sprint("wide_network=", tt.cards), "its network is not forgotten")
			assert.Equal(t, tt.left != "[]", nextOf(t, a)[1] == "block", "what is said of it is so")
		})
	}
}

func TestAnAddressThatARuleWatchesSaysNothingOfThat(t *testing.T) {
	for _, per := range []string{"ip", "network"} {
		d := open(t, []velocity.Rule{rule("of_addresses", per, 2)})
		assert.NotContains(t, d.ask(t, "GET", "/v1/addresses/203.0.113.7", "").JSON, "watched", per)
	}
}

// next is what the address would really hear, and what would still block it nothing.
func TestASuspectAddressIsReportedAsSuch(t *testing.T) {
	d := open(t, nil)
	d.checker.Replace(d.checker.Plan().WithGuard(velocity.CollapseGuard{AtMost: velocity.Review}))
	for _, address := range []string{"10.0.0.5", "203.0.113.7"} {
		d.show(t, address, 6)
	}
	a := d.ask(t, "GET", "/v1/addresses/10.0.0.5", "")
	assert.Equal(t, `{"subject":"10.0.0.5",`+
		`"rules":[{"name":"cards_per_ip","outcome":"review","mode":"enforce","count":6,"review_over":3,"block_over":5,"window_seconds":3600,"clears_in_seconds":3600,"suspect_subject":true}],`+
		`"list":null,"override":null,"suspect":"private","next":{"known_card":"review","new_card":"review"},"degraded":false}`, elements.ReplaceAllString(a.Body, ""))
	assert.Equal(t, d.check(t, "ip=10.0.0.5", "card_id=new").Outcome.String(), nextOf(t, a)[1])

	a = d.ask(t, "GET", "/v1/addresses/203.0.113.7", "")
	assert.NotContains(t, a.Body, "suspect")
	assert.Equal(t, [2]string{"block", "block"}, nextOf(t, a))
}
