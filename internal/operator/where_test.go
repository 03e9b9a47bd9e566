package operator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/logging"
)

// behindAProxy has the door believe the tests' own address, at a time that stands
// still.
func behindAProxy(t testing.TB, callers ...string) func(*doortest.Setup) {
	policy := doortest.NewPolicy(t, callers, []string{"127.0.0.1"})
	now := time.Now()
	return func(s *doortest.Setup) {
		s.Guard.Replace(policy)
		s.Guard.Now = func() time.Time { return now }
	}
}

func forwardedFor(address string) string { return "X-Forwarded-For: " + address }

func TestAnAnalystIsRefusedFromOtherNetworks(t *testing.T) {
	d := open(t, nil, behindAProxy(t, "192.0.2.0/24"))
	for forwarded, status := range map[string]int{"198.51.100.7, 192.0.2.1": 200, "192.0.2.1, 198.51.100.7": 403, "unknown": 403} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			a := d.ask(t, method, someone, "", forwardedFor(forwarded))
			require.Equal(t, status, a.Status, a.Body)
			if status == 403 {
				doortest.RequireProblem(t, a, 403, "network_refused", "")
			}
		}
	}
	doortest.RequireProblem(t, d.anonymous(t, "GET", someone, "", doortest.Basic("analyst", "lens"), forwardedFor("unknown")), 401, "credentials_invalid", "")
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		assert.Equal(t, 200, d.anonymous(t, "GET", path, "", forwardedFor("198.51.100.7")).Status, "open to everybody")
	}
}

func TestTheLogNamesTheCallerThatForgot(t *testing.T) {
	d := open(t, nil, behindAProxy(t, "192.0.2.0/24"))
	require.Equal(t, 200, d.ask(t, "DELETE", someone, "", forwardedFor("192.0.2.1")).Status)
	lines := d.all.Log.Lines()
	require.Len(t, lines, 3)
	assert.Equal(t, "Audit:", lines[0].Message, "before the change is answered")
	assert.Equal(t, logging.LevelAudit, lines[0].Level)
	assert.Equal(t, map[string]string{"what": "forget", "object": "ip 203.0.113.0/24", "by": "analyst",
		"request": lines[2].Attrs["request"], "tag": lines[2].Attrs["tag"]}, lines[0].Attrs)
	lines = lines[1:]
	assert.Equal(t, "DELETE /v1/addresses/{ip}", lines[0].Message)
	for _, per := range []string{"ip", "network"} { // as log.ip says, by this way too
		d.ask(t, "POST", "/v1/subjects/forget", `{"per":"`+per+`","value":"203.0.113.7"}`, forwardedFor("192.0.2.1"))
		all := d.all.Log.Lines()
		assert.Equal(t, per+" 203.0.113.0/24", all[len(all)-3].Attrs["object"])
	}
	assert.Equal(t, "analyst", lines[1].Attrs["caller"])
	assert.Equal(t, "basic", lines[1].Attrs["scheme"])
	assert.Regexp(t, `^192\.0\.2\.1-[A-Za-z0-9_-]{6}$`, lines[1].Attrs["tag"])
}

func TestGuessersAreToldToWait(t *testing.T) {
	d := open(t, nil, behindAProxy(t))
	guess := func() doortest.Answer {
		return d.anonymous(t, "DELETE", someone, "", doortest.Basic("analyst", "guess"), forwardedFor("203.0.113.9"))
	}
	refused := doortest.RequireThrottled(t, guess)
	assert.Equal(t, 200, d.ask(t, "GET", someone, "", forwardedFor("203.0.113.9")).Status, "who is right is answered")
	counted := changed(scrape(t, d.metrics), "fraudcheck_auth_total")
	assert.Equal(t, map[string]float64{
		`fraudcheck_auth_total{result="credentials_invalid",scheme="basic"}`: float64(refused),
		`fraudcheck_auth_total{result="too_many_failures",scheme="basic"}`:   1,
		`fraudcheck_auth_total{result="ok",scheme="basic"}`:                  1,
	}, counted)
}
