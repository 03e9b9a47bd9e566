package callers_test

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

func TestARequestLeavesTwoLines(t *testing.T) {
	d := open(t)
	for card := range 3 {
		d.Ask(t, check("203.0.113.7", card))
	}
	tests := []struct {
		name, request, asked string
		answered             map[string]string // and tag and took
	}{
		{"a review", check("203.0.113.7", 3), "POST /v1/check",
			map[string]string{"status": "200", "decision": "review", "address": "203.0.113.0/24", "rules": "cards_per_ip=4>3", "scheme": "basic", "caller": "checkout"}},
		{"a review still", check("203.0.113.7", 4), "POST /v1/check",
			map[string]string{"status": "200", "decision": "review", "address": "203.0.113.0/24", "rules": "cards_per_ip=5>3", "scheme": "basic", "caller": "checkout"}},
		{"a block", check("203.0.113.7", 5), "POST /v1/check",
			map[string]string{"status": "200", "decision": "block", "address": "203.0.113.0/24", "rules": "cards_per_ip=6>5", "scheme": "basic", "caller": "checkout"}},
		{"an allow", check("2001:db8:1:2::3", 6), "POST /v1/check",
			map[string]string{"status": "200", "decision": "allow", "address": "2001:db8:1::/48", "rules": "", "scheme": "basic", "caller": "checkout"}},
		{"an outcome", doortest.Raw("POST /v1/outcomes?outcome=approved", someCard, doortest.AsCheckout), "POST /v1/outcomes",
			map[string]string{"status": "202", "outcome": "approved", "address": "203.0.113.0/24", "scheme": "basic", "caller": "checkout"}},
		{"a decline", doortest.Raw("POST /v1/outcomes?outcome=declined&reason=insufficient_funds", someCard, doortest.AsCheckout), "POST /v1/outcomes",
			map[string]string{"status": "202", "outcome": "declined", "reason": "insufficient_funds", "address": "203.0.113.0/24", "scheme": "basic", "caller": "checkout"}},
		{"a decline without a reason", doortest.Raw("POST /v1/outcomes?outcome=declined", someCard, doortest.AsCheckout), "POST /v1/outcomes",
			map[string]string{"status": "202", "outcome": "declined", "reason": "other", "address": "203.0.113.0/24", "scheme": "basic", "caller": "checkout"}},
		{"a field at fault", doortest.Raw("POST /v1/check?cart=a&cart=b", "", doortest.AsCheckout), "POST /v1/check",
			map[string]string{"status": "400", "code": "field_repeated", "field": "cart", "scheme": "basic", "caller": "checkout"}},
		{"a field that is not known", doortest.Raw("POST /v1/check?crad_id=a", "", doortest.AsCheckout), "POST /v1/check",
			map[string]string{"status": "400", "code": "field_unknown", "field": "crad_id", "scheme": "basic", "caller": "checkout"}},
		{"a card number for a field", doortest.Raw("POST /v1/check?a4111111111111111=a", "", doortest.AsCheckout), "POST /v1/check",
			map[string]string{"status": "400", "code": "field_unknown", "scheme": "basic", "caller": "checkout"}},
		{"a logout with a field of its own", doortest.Raw("POST /v1/logout", `{"all":"yes"}`, "Content-Type: application/json"), "POST /v1/logout",
			map[string]string{"status": "400", "code": "field_unknown", "field": "all"}},
		{"nobody", doortest.Raw("POST /v1/check", someCard), "POST /v1/check",
			map[string]string{"status": "401", "code": "authorization_missing"}},
		{"a wrong password", doortest.Raw("POST /v1/check", someCard, doortest.Basic("checkout", "sesame")), "POST /v1/check",
			map[string]string{"status": "401", "code": "credentials_invalid", "scheme": "basic"}},
		{"a caller who may not", doortest.Raw("POST /v1/check", someCard, doortest.AsAnalyst), "POST /v1/check",
			map[string]string{"status": "403", "code": "role_missing", "scheme": "basic", "caller": "analyst"}},
		{"another method", doortest.Raw("BREW /v1/check", ""), "(other method) /v1/check",
			map[string]string{"status": "405", "code": "method"}},
		{"another path", doortest.Raw("GET /v1/addresses/203.0.113.7?x=y", ""), "GET (no such path)",
			map[string]string{"status": "404", "code": "not_found"}},
		{"health", doortest.Raw("GET /healthz?x=y", ""), "GET /healthz", map[string]string{"status": "200"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(d.all.Log.Lines())
			answer := d.Ask(t, tt.request)
			lines := d.all.Log.Lines()[before:]
			require.Len(t, lines, 2)

			level := slog.LevelInfo
			switch {
			case tt.name == "health": // probes come every few seconds, for ever
				level = slog.LevelDebug
			case answer.Status >= 400 && tt.answered["caller"] != "":
				level = slog.LevelWarn
			}
			assert.Equal(t, level, lines[0].Level)
			assert.Equal(t, tt.asked, lines[0].Message)
			tag := lines[0].Attrs["tag"]
			assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, tag)
			assert.Equal(t, map[string]string{"tag": tag}, lines[0].Attrs)

			assert.Equal(t, level, lines[1].Level)
			assert.Equal(t, "Response:", lines[1].Message)
			assert.Equal(t, tag, lines[1].Attrs["tag"])
			assert.NotEmpty(t, lines[1].Attrs["took"])
			delete(lines[1].Attrs, "tag")
			delete(lines[1].Attrs, "took")
			assert.Equal(t, answer.Header.Get("X-Request-ID"), lines[1].Attrs["request"])
			delete(lines[1].Attrs, "request")
			if answer.Status < 300 && tt.name != "health" {
				assert.Regexp(t, `^[a-z2-7]{8}$`, lines[1].Attrs["attempt"])
				delete(lines[1].Attrs, "attempt")
			}
			assert.Equal(t, tt.answered, lines[1].Attrs)
		})
	}
}

// The line names the count that is over its limit, or that the hold alone blocks.
func TestALineSaysThatARuleHolds(t *testing.T) {
	rule := velocity.DefaultRule
	rule.Window, rule.BlockOver, rule.ReviewOver, rule.Hold = time.Minute, 1, 0, time.Hour
	d := open(t, func(s *doortest.Setup) { s.Checker = newChecker(t, rule) })
	for n, want := range []string{"", "cards_per_ip=2>1", "cards_per_ip=held", "cards_per_ip=2>1"} {
		d.set(time.Duration(n/2) * 10 * time.Minute)
		d.Ask(t, check("203.0.113.7", n))
		lines := d.all.Log.Lines()
		assert.Equal(t, want, lines[len(lines)-1].Attrs["rules"])
	}
}

func TestALineSaysWhichListDecided(t *testing.T) {
	checker := newChecker(t, velocity.DefaultRule)
	lists, err := velocity.NewLists([]velocity.Entry{
		{Net: netip.MustParsePrefix("198.51.100.0/24"), Outcome: velocity.Allow},
		{Net: netip.MustParsePrefix("192.0.2.0/24"), Outcome: velocity.Block},
	})
	require.NoError(t, err)
	checker.Replace(checker.Plan().With(lists))
	d := open(t, func(s *doortest.Setup) { s.Checker = checker })
	for address, want := range map[string]string{"198.51.100.7": "allow_list", "192.0.2.7": "block_list"} {
		d.Ask(t, check(address, 1))
		lines := d.all.Log.Lines()
		assert.Equal(t, want, lines[len(lines)-1].Attrs["rules"])
	}
}

func TestATagFollowsAConversation(t *testing.T) {
	d := open(t)
	l := d.Dial(t)
	for _, id := range []string{"visit-1", "visit-2", "visit-1"} {
		l.Ask(doortest.Raw("GET /healthz", "", "X-Request-ID: "+id))
	}
	lines := d.all.Log.Lines()
	require.Len(t, lines, 6)
	assert.Equal(t, lines[0].Attrs["tag"], lines[4].Attrs["tag"])
	assert.NotEqual(t, lines[0].Attrs["tag"], lines[2].Attrs["tag"])
	assert.Equal(t, "visit-2", lines[3].Attrs["request"])
}

// A caller that is known has one tag, whatever its requests are called.
func TestATagFollowsACaller(t *testing.T) {
	d := open(t)
	tagOf := func(lines ...string) string {
		d.Ask(t, doortest.Raw("POST /v1/check", someCard, lines...))
		all := d.all.Log.Lines()
		require.Equal(t, all[len(all)-2].Attrs["tag"], all[len(all)-1].Attrs["tag"])
		return all[len(all)-1].Attrs["tag"]
	}
	checkout := tagOf(doortest.AsCheckout, "X-Request-ID: one")
	assert.Equal(t, checkout, tagOf(doortest.AsCheckout, "X-Request-ID: two"))
	analyst := tagOf(doortest.AsAnalyst, "X-Request-ID: one")
	assert.NotEqual(t, checkout, analyst)
	assert.Equal(t, analyst, tagOf(doortest.AsAnalyst), "who is refused is known too")
	nobody := tagOf(doortest.Basic("checkout", "wrong"), "X-Request-ID: one")
	assert.NotEqual(t, checkout, nobody, "a name alone makes nobody known")
	assert.Equal(t, nobody, tagOf("X-Request-ID: one"))
}

// An order's attempts are found by what the shop calls it, without the log telling.
func TestAnAttemptHasOneShortID(t *testing.T) {
	d := open(t)
	idOf := func(line, attempt string) string {
		d.Ask(t, doortest.Raw(line, strings.Replace(someCard, "{", `{"attempt_id":"`+attempt+`",`, 1), doortest.AsCheckout))
		all := d.all.Log.Lines()
		return all[len(all)-1].Attrs["attempt"]
	}
	id := idOf("POST /v1/check", "order-4711")
	assert.Equal(t, id, idOf("POST /v1/check", "order-4711"))
	assert.Equal(t, id, idOf("POST /v1/outcomes?outcome=declined", "order-4711"))
	assert.NotEqual(t, id, idOf("POST /v1/check", "order-4712"))
	assert.NotContains(t, d.all.Log.Text(), "order")
}

// A flood of refused requests leaves room for others.
func TestOfRefusedRequestsFewAreLogged(t *testing.T) {
	d := open(t, func(s *doortest.Setup) { s.RefusalLines = 0 })
	l := d.Dial(t)
	count := func(code string) (n int) {
		for _, line := range d.all.Log.Lines() {
			if line.Message == "Response:" && line.Attrs["code"] == code {
				n++
			}
		}
		return n
	}
	for range 200 {
		l.Ask(doortest.Raw("POST /v1/check", someCard))
	}
	l.Ask(doortest.Raw("GET /nowhere", ""))
	l.Ask(doortest.Raw("POST /v1/check", "{", doortest.AsCheckout))
	assert.Equal(t, 1, count("not_found"), "each route and code has a count of its own")
	assert.Equal(t, 1, count("body_invalid"))
	assert.Less(t, count("authorization_missing"), 100)
	assert.GreaterOrEqual(t, count("authorization_missing"), 10)
	var more int
	require.Eventually(t, func() bool {
		more = 0
		for _, line := range d.all.Log.Lines() {
			if line.Message == "Refused requests not shown:" {
				n, _ := strconv.Atoi(line.Attrs["more"])
				assert.Equal(t, "/v1/check 401 authorization_missing", line.Attrs["route"]+" "+line.Attrs["status"]+" "+line.Attrs["code"])
				more += n
			}
		}
		return more+count("authorization_missing") == 200
	}, doortest.Patience, 10*time.Millisecond, "every one is counted")
}

func TestAnUnreadRequestIsLoggedWithoutAWordOfIt(t *testing.T) {
	d := open(t)
	d.Ask(t, "GET /secret-path nonsense\r\n\r\n")
	lines := d.all.Log.Lines()
	require.Len(t, lines, 1, "nothing was asked that could be told")
	assert.Equal(t, "400", lines[0].Attrs["status"])
	assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, lines[0].Attrs["tag"])
	assert.NotContains(t, d.all.Log.Text(), "secret")
}

// Whatever a request holds, only its route, its fault and its decision are told.
func TestTheLogTellsNothingOfWhatARequestHolds(t *testing.T) {
	everything := `{"ip":"198.51.100.77","last4":"9173","exp_month":11,"exp_year":2087,"attempt_id":"attempt-hidden",` +
		`"email":"email-hidden@example.org","device":"device-hidden","cart":"cart-hidden","account":"account-hidden"}`
	byID := `{"ip":"2001:db8:77::77","card_id":"card-hidden","attempt_id":"attempt-hidden"}`
	requests := []string{
		doortest.Raw("POST /v1/check", everything, doortest.AsCheckout, "Cookie: session=cookie-hidden", "Referer: https://referer-hidden/", "User-Agent: agent-hidden"),
		doortest.Raw("POST /v1/check", byID, doortest.AsCheckout, "X-Forwarded-For: 198.51.100.77", "Forwarded: for=198.51.100.77"),
		doortest.Raw("POST /v1/check?ip=198.51.100.77&last4=9173&exp_month=11&exp_year=2087&attempt_id=attempt-hidden", "", doortest.AsCheckout),
		doortest.Raw("POST /v1/outcomes?outcome=declined", everything, doortest.AsCheckout),
		doortest.Raw("POST /v1/check?token=query-hidden", everything, doortest.AsCheckout),
		doortest.Raw("POST /v1/check", everything, doortest.Basic("user-hidden", "password-hidden")),
		doortest.Raw("POST /v1/check", everything, doortest.Basic("checkout", "password-hidden")),
		doortest.Raw("POST /v1/check", everything, "Authorization: Bearer token-hidden"),
		doortest.Raw("GET /v1/addresses/198.51.100.77", "", doortest.AsCheckout),
		doortest.Raw("GET /path-hidden", "", doortest.AsCheckout),
		doortest.Raw("POST /v1/check", `{"email":"email-hidden@example.org"`+everything, doortest.AsCheckout),
		doortest.Raw("POST /v1/check", `{"attempt_id":"attempt-hidden","ip":"198.51.100.77","last4":"91731"}`, doortest.AsCheckout),
	}
	for _, shown := range []string{"", "somewhere"} {
		d := open(t, func(s *doortest.Setup) { s.Address = func(netip.Addr) string { return shown } })
		l := d.Dial(t)
		for _, request := range requests {
			l.Ask(request)
		}
		lines := d.all.Log.Lines()
		require.Len(t, lines, 2*len(requests))
		assert.Equal(t, shown, lines[1].Attrs["address"])
		text := d.all.Log.Text()
		for _, word := range []string{
			"hidden", "198.51.100", "2001:db8", "9173", "2087", "Basic", "Bearer",
			doortest.CheckoutPassword, doortest.AsCheckout[len("Authorization: Basic "):], "example.org",
		} {
			assert.NotContains(t, text, word)
		}
	}
}

func TestALogOfErrorsOnlyHasNoRequests(t *testing.T) {
	errorLog := doortest.Log{Least: slog.LevelError}
	d := open(t, func(s *doortest.Setup) { s.Log = errorLog.Logger() })
	assert.Equal(t, 200, d.Ask(t, check("203.0.113.7", 1)).Status)
	assert.Equal(t, 404, d.Ask(t, doortest.Raw("GET /nowhere", "")).Status)
	assert.Empty(t, errorLog.Lines())
}
