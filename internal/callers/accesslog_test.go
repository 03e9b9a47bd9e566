package callers_test

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
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
			map[string]string{"status": "202", "scheme": "basic", "caller": "checkout"}},
		{"a field at fault", doortest.Raw("POST /v1/check?cart=a&cart=b", "", doortest.AsCheckout), "POST /v1/check",
			map[string]string{"status": "400", "code": "field_repeated", "field": "cart", "scheme": "basic", "caller": "checkout"}},
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
			d.Ask(t, tt.request)
			lines := d.all.Log.Lines()[before:]
			require.Len(t, lines, 2)

			level := slog.LevelInfo
			if tt.name == "health" { // probes come every few seconds, for ever
				level = slog.LevelDebug
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
			assert.Equal(t, tt.answered, lines[1].Attrs)
		})
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
	assert.NotContains(t, d.all.Log.Text(), "visit-")
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
