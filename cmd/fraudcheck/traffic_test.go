package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/testbed"
)

func TestALargeShareIsWarnedOfOnceAMinute(t *testing.T) {
	settings := config.Defaults()
	var w topShare
	w.limit(settings)
	top := recent.Top{Address: netip.MustParseAddr("203.0.113.7"), Attempts: 190, Of: 200}
	const operators = "http://127.0.0.1:8081"
	text := w.look(top, 1_000_000, "203.0.113.7", operators)
	assert.Contains(t, text, "one IP address sends 95 % of the checks of the last ten minutes (190 of 200), 203.0.113.7. An attacker: ")
	assert.Contains(t, text, `curl -u YOU -X PUT http://127.0.0.1:8081/v1/addresses/203.0.113.7/override -H 'Content-Type: application/json' -d '{"decision":"block","for":"24h","reason":"attack"}'. Or a proxy of yours`)
	assert.True(t, strings.HasSuffix(text, `/v1/addresses/203.0.113.7/override -H 'Content-Type: application/json' -d '{"decision":"allow","for":"24h","reason":"our proxy"}'`), text)

	assert.Empty(t, w.look(top, 1_059_999, "203.0.113.7", operators))
	text = w.look(top, 1_060_000, "203.0.113.0/24", operators)
	assert.Contains(t, text, "203.0.113.0/24 (GET /v1/trends names it whole: IP)")
	assert.NotContains(t, text, "203.0.113.7", "the log shows no more than log.ip says")

	for _, quiet := range []recent.Top{
		{Address: top.Address, Attempts: 60, Of: 200},  // not more than the share
		{Address: top.Address, Attempts: 199, Of: 199}, // too few
		{},
	} {
		assert.Empty(t, w.look(quiet, 2_000_000, "", operators), "%v", quiet)
	}
	settings.CollapseGuard.Share = 0.95
	w.limit(settings)
	assert.Empty(t, w.look(top, 2_000_000, "", operators))
}

func TestTheShareIsAFraction(t *testing.T) {
	for _, text := range []string{"0", "0.009", "1.01", "-0.3", "NaN", "Inf", "1e9", "x", "30%", `""`} {
		_, err := configure(&flags{Config: writeFile(t, "f.yaml", guarded+"collapse_guard: {share: "+text+"}\n")}, config.FilesAndPipes)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), "collapse_guard.share: wrong value; expected a fraction such as 0.3, from 0.01 to 1", text)
	}
	for _, text := range []string{"0.01", "0.3", "1", ".5"} {
		_, err := configure(&flags{Config: writeFile(t, "f.yaml", guarded+"collapse_guard: {share: "+text+"}\n")}, config.FilesAndPipes)
		require.NoError(t, err, text)
	}
}

// An attacker with most of the traffic stays blocked, and a shop behind one public proxy is
// warned of within 200 checks: software cannot tell the two apart.
func TestOneAddressWithMostOfTheTrafficIsWarnedOf(t *testing.T) {
	testbed.SkipRace(t, "starts the program")
	t.Parallel()
	for share, others := range map[string]int{"95": 10, "60": 80} {
		t.Run(share, func(t *testing.T) {
			p := start(t, strings.Replace(guarded, "password: ", "roles: [operator], password: ", 1)+"log: {ip: full}\n")
			for n := range 200 {
				if n%200 < others {
					require.Equal(t, "allow", p.decide(t, fmt.Sprintf("198.18.0.%d", n), fmt.Sprint(1000+n)))
				} else if d := p.decide(t, "203.0.113.7", fmt.Sprint(1000+n)); n >= others+5 {
					require.Equal(t, "block", d)
				}
			}
			p.await(t, p.stderr, `WARNING .*one IP address sends `+share+` % of the checks of the last ten minutes \(\d+ of 200\), 203\.0\.113\.7\. `)
			scraped := p.scrape(t)
			assert.InDelta(t, float64(200-others)/200, value(t, scraped, "fraudcheck_top_subject_share"), 0.02)
			assert.InEpsilon(t, 200+others+1, value(t, scraped, "fraudcheck_recent_distinct"), 0.03, "cards and addresses")
			assert.Equal(t, "block", p.decide(t, "203.0.113.7", "4242"), "it changes no decision")
			assert.Equal(t, 1, strings.Count(p.stderr.String(), "one IP address sends"))

			// An override says that somebody knows the address.
			a, err := p.try(p.operators, "PUT", "/v1/addresses/203.0.113.7/override", `{"decision":"allow","for":"1h","reason":"our proxy"}`)
			require.NoError(t, err)
			require.Equal(t, 200, a.status, a.body)
			require.Eventually(t, func() bool { return value(t, p.scrape(t), "fraudcheck_top_subject_share") < 0.01 }, prompt, 50*time.Millisecond)
			a, err = p.try(p.operators, "DELETE", "/v1/addresses/203.0.113.7/override", "")
			require.NoError(t, err)
			require.Equal(t, 200, a.status, a.body)
			require.Eventually(t, func() bool { return value(t, p.scrape(t), "fraudcheck_top_subject_share") > 0.5 }, prompt, 50*time.Millisecond)
		})
	}
}
