package server_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/server"
)

// errorsOnly is a logbook at a higher level.
type errorsOnly struct{ *logbook }

func (errorsOnly) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func TestARequestLeavesTwoLines(t *testing.T) {
	d := open(t)
	for card := range 3 {
		d.ask(t, check("203.0.113.7", card))
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
		{"an outcome", raw("POST /v1/outcomes?outcome=approved", someCard, asCheckout), "POST /v1/outcomes",
			map[string]string{"status": "202", "scheme": "basic", "caller": "checkout"}},
		{"a field at fault", raw("POST /v1/check?cart=a&cart=b", "", asCheckout), "POST /v1/check",
			map[string]string{"status": "400", "code": "field_repeated", "field": "cart", "scheme": "basic", "caller": "checkout"}},
		{"nobody", raw("POST /v1/check", someCard), "POST /v1/check",
			map[string]string{"status": "401", "code": "authorization_missing"}},
		{"a wrong password", raw("POST /v1/check", someCard, basic("checkout", "sesame")), "POST /v1/check",
			map[string]string{"status": "401", "code": "credentials_invalid", "scheme": "basic"}},
		{"a caller who may not", raw("POST /v1/check", someCard, asAnalyst), "POST /v1/check",
			map[string]string{"status": "403", "code": "role_missing", "scheme": "basic", "caller": "analyst"}},
		{"another method", raw("BREW /v1/check", ""), "(other method) /v1/check",
			map[string]string{"status": "405", "code": "method"}},
		{"another path", raw("GET /v1/addresses/203.0.113.7?x=y", ""), "GET (no such path)",
			map[string]string{"status": "404", "code": "not_found"}},
		{"health", raw("GET /healthz?x=y", ""), "GET /healthz", map[string]string{"status": "200"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(d.log.all())
			d.ask(t, tt.request)
			lines := d.log.all()[before:]
			require.Len(t, lines, 2)

			assert.Equal(t, slog.LevelInfo, lines[0].level)
			assert.Equal(t, tt.asked, lines[0].message)
			tag := lines[0].attrs["tag"]
			assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, tag)
			assert.Equal(t, map[string]string{"tag": tag}, lines[0].attrs)

			assert.Equal(t, slog.LevelInfo, lines[1].level)
			assert.Equal(t, "Response:", lines[1].message)
			assert.Equal(t, tag, lines[1].attrs["tag"])
			assert.NotEmpty(t, lines[1].attrs["took"])
			delete(lines[1].attrs, "tag")
			delete(lines[1].attrs, "took")
			assert.Equal(t, tt.answered, lines[1].attrs)
		})
	}
}

func TestATagFollowsAConversation(t *testing.T) {
	d := open(t)
	l := d.dial(t)
	for _, id := range []string{"visit-1", "visit-2", "visit-1"} {
		l.ask(raw("GET /healthz", "", "X-Request-ID: "+id))
	}
	lines := d.log.all()
	require.Len(t, lines, 6)
	assert.Equal(t, lines[0].attrs["tag"], lines[4].attrs["tag"])
	assert.NotEqual(t, lines[0].attrs["tag"], lines[2].attrs["tag"])
	assert.NotContains(t, d.log.text(), "visit-")
}

func TestAnUnreadRequestIsLoggedWithoutAWordOfIt(t *testing.T) {
	d := open(t)
	d.ask(t, "GET /secret-path nonsense\r\n\r\n")
	lines := d.log.all()
	require.Len(t, lines, 1, "nothing was asked that could be told")
	assert.Equal(t, "400", lines[0].attrs["status"])
	assert.Regexp(t, `^127\.0\.0\.1-[A-Za-z0-9_-]{6}$`, lines[0].attrs["tag"])
	assert.NotContains(t, d.log.text(), "secret")
}

// Whatever a request holds, only its route, its fault and its decision are told.
func TestTheLogTellsNothingOfWhatARequestHolds(t *testing.T) {
	everything := `{"ip":"198.51.100.77","last4":"9173","exp_month":11,"exp_year":2087,"attempt_id":"attempt-hidden",` +
		`"email":"email-hidden@example.org","device":"device-hidden","cart":"cart-hidden","account":"account-hidden"}`
	byID := `{"ip":"2001:db8:77::77","card_id":"card-hidden","attempt_id":"attempt-hidden"}`
	requests := []string{
		raw("POST /v1/check", everything, asCheckout, "Cookie: session=cookie-hidden", "Referer: https://referer-hidden/", "User-Agent: agent-hidden"),
		raw("POST /v1/check", byID, asCheckout, "X-Forwarded-For: 198.51.100.77", "Forwarded: for=198.51.100.77"),
		raw("POST /v1/check?ip=198.51.100.77&last4=9173&exp_month=11&exp_year=2087&attempt_id=attempt-hidden", "", asCheckout),
		raw("POST /v1/outcomes?outcome=declined", everything, asCheckout),
		raw("POST /v1/check?token=query-hidden", everything, asCheckout),
		raw("POST /v1/check", everything, basic("user-hidden", "password-hidden")),
		raw("POST /v1/check", everything, basic("checkout", "password-hidden")),
		raw("POST /v1/check", everything, "Authorization: Bearer token-hidden"),
		raw("GET /v1/addresses/198.51.100.77", "", asCheckout),
		raw("GET /path-hidden", "", asCheckout),
		raw("POST /v1/check", `{"email":"email-hidden@example.org"`+everything, asCheckout),
		raw("POST /v1/check", `{"attempt_id":"attempt-hidden","ip":"198.51.100.77","last4":"91731"}`, asCheckout),
	}
	for _, shown := range []string{"", "somewhere"} {
		d := open(t, func(s *server.Settings) { s.Address = func(netip.Addr) string { return shown } })
		l := d.dial(t)
		for _, request := range requests {
			l.ask(request)
		}
		lines := d.log.all()
		require.Len(t, lines, 2*len(requests))
		assert.Equal(t, shown, lines[1].attrs["address"])
		text := d.log.text()
		for _, word := range []string{
			"hidden", "198.51.100", "2001:db8", "9173", "2087", "Basic", "Bearer",
			checkoutPassword, asCheckout[len("Authorization: Basic "):], "example.org",
		} {
			assert.NotContains(t, text, word)
		}
	}
}

func TestALogOfErrorsOnlyHasNoRequests(t *testing.T) {
	var errorLog logbook
	d := open(t, func(s *server.Settings) { s.Log = slog.New(errorsOnly{&errorLog}) })
	assert.Equal(t, 200, d.ask(t, check("203.0.113.7", 1)).status)
	assert.Equal(t, 404, d.ask(t, raw("GET /nowhere", "")).status)
	assert.Empty(t, errorLog.all())
}
