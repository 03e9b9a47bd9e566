package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// sixth is what the sixth card of the address gets by the plan, and why it is suspect.
func sixth(t *testing.T, plan *velocity.Plan, address string) string {
	t.Helper()
	memory, err := velocity.NewMemory(velocity.MinMemoryBytes)
	require.NoError(t, err)
	c := velocity.NewChecker(plan, velocitytest.NewKeys(t), memory)
	var d velocity.Decision
	for card := range 6 {
		a := velocitytest.Attempt(t, address, card)
		c.Check(&a, velocity.TimeOf(time.Now()), nil, &d)
	}
	return strings.TrimSpace(d.Outcome.String() + " " + d.Suspect.String())
}

func TestTheCollapseGuardIsConfigured(t *testing.T) {
	file := writeFile(t, "cdn.txt", "# a CDN\n192.0.2.0/25\n192.0.2.0/25\n2001:db8:cd::/48 # IPv6\n")
	for settings, want := range map[string][3]string{
		"": {"review private", "block", "block"},
		"collapse_guard: {networks: [203.0.113.7, 198.51.100.0/24]}": {"review private", "review network", "block"},
		"collapse_guard: {networks_file: " + file + "}":              {"review private", "block", "review network"},
		"collapse_guard: {private: allow}":                           {"allow private", "block", "block"},
		"collapse_guard: {private: enforce}":                         {"block", "block", "block"},
	} {
		p, err := configure(&flags{Config: writeFile(t, "f.yaml", guarded+settings+"\n")}, config.FilesAndPipes)
		require.NoError(t, err, settings)
		assert.Equal(t, want, [3]string{sixth(t, p.plan, "10.0.0.5"), sixth(t, p.plan, "203.0.113.7"), sixth(t, p.plan, "192.0.2.7")}, settings)
	}
}

func TestTheCollapseGuardIsRefusedByTheSettingThatIsWrong(t *testing.T) {
	file := writeFile(t, "cdn.txt", "192.0.2.0/24\n\nstaple\n")
	for settings, want := range map[string]string{
		"{private: block}":                         "collapse_guard.private: wrong value; expected one of review, enforce, allow",
		"{networks: [192.0.2.0/24, 192.0.2.1/24]}": "collapse_guard.networks[1]: wrong value; expected " + aNetwork + "; did you mean 192.0.2.0/24?",
		"{networks_file: " + file + "}":            file + ":3: collapse_guard.networks_file: wrong value; expected " + aNetwork,
		"{networks_file: " + file + "x}":           "collapse_guard.networks_file: cannot read " + file + "x: no such file or directory",
	} {
		_, err := configure(&flags{Config: writeFile(t, "f.yaml", guarded+"collapse_guard: "+settings+"\n")}, config.FilesAndPipes)
		require.Error(t, err, settings)
		assert.Contains(t, err.Error(), want)
	}
}

func TestTheCollapseGuardIsWarnedOf(t *testing.T) {
	file := writeFile(t, "cdn.txt", "# all\n::/0\n")
	for settings, want := range map[string]string{
		"{networks: [0.0.0.0/0]}":                         "collapse_guard.networks[0] holds every IPv4 address: no rule on addresses blocks any",
		"{networks_file: " + file + "}":                   "collapse_guard.networks_file holds every IPv6 address, in line 2: no rule on addresses blocks any",
		"{private: enforce, networks: [192.0.2.1]}":       "collapse_guard.private is enforce: rules block the addresses of collapse_guard.networks and networks_file too; these are only kept out of the list for firewalls",
		"{private: enforce, networks_file: " + file + "}": "collapse_guard.private is enforce: rules block the addresses of collapse_guard.networks and networks_file too; these are only kept out of the list for firewalls",
	} {
		assert.Contains(t, accepts(t, "collapse_guard: "+settings), "# warning: "+want+"\n", settings)
	}
	assert.Contains(t, accepts(t, "collapse_guard: {networks_file: "+file+"}"), "# collapse_guard.networks_file holds 1 network\n")
}

// What a CDN publishes may be read while it is half written: what was read before stays.
func TestAtAReloadAWrongFileOfTheGuardStopsNothingElse(t *testing.T) {
	l := newListing(t, "", "")
	l.write("f.yaml", guarded+"collapse_guard: {networks_file: cdn.txt}\n")
	l.write("cdn.txt", "192.0.2.0/24\n")
	_, err := l.start()
	require.NoError(t, err)
	l.write("cdn.txt", "192.0.2.0/24\nstaple\n")
	assert.Equal(t, []string{"DIR/cdn.txt:2: collapse_guard.networks_file: wrong value; expected " + aNetwork}, l.reload())
	assert.Equal(t, []string{"192.0.2.0/24"}, l.holds(guardFile))
	l.write("cdn.txt", "198.51.100.0/24\n")
	assert.Empty(t, l.reload())
	assert.Equal(t, []string{"198.51.100.0/24"}, l.holds(guardFile))
	l.write("f.yaml", guarded)
	assert.Empty(t, l.reload())
	assert.Empty(t, l.holds(guardFile))
}

// The whole way: thirty shoppers behind a balancer whose address the checkout sends.
func TestAShopBehindItsBalancerIsNotBlocked(t *testing.T) {
	testbed.SkipRace(t, "starts the program")
	t.Parallel()
	file := writeFile(t, "cdn.txt", "192.0.2.0/24\n")
	r := startReloading(t, strings.Replace(guarded, "password: ", "roles: [operator], password: ", 1)+"trusted_proxies: [127.0.0.1]\ncollapse_guard: {networks_file: "+file+"}\n")
	for shopper := range 30 {
		a := r.send(t, "POST", "/v1/check", attempt("10.0.0.5", fmt.Sprintf("%04d", 1000+shopper)))
		require.Equal(t, 200, a.status)
		require.NotContains(t, a.body, `"decision":"block"`)
		require.Contains(t, a.body, `"suspect_subject":true`)
	}
	assert.EqualValues(t, 30, value(t, r.scrape(t), "fraudcheck_suspect_subject_total"))
	r.await(t, r.stderr, `WARNING .*checks come with an IP address that is no shopper's .* private 10\.0\.0\.0/24 .*`)
	assert.Equal(t, 1, strings.Count(r.stderr.String(), "no shopper's of the Internet"), "one line a minute")
	assert.Regexp(t, `200 review 10\.0\.0\.0/24 cards_per_ip=6>5 suspect_subject \(`, r.stderr.String())
	a, err := r.try(r.operators, "GET", "/v1/addresses/10.0.0.5", "")
	require.NoError(t, err)
	assert.Contains(t, a.body, `"suspect":"private"`)
	assert.Contains(t, a.body, `"next":{"known_card":"review","new_card":"review"}`)

	// A header makes nobody suspect: an attacker would write the address of its own attack there.
	decide := func(address string) (decision string) {
		for card := range 7 {
			a := r.send(t, "POST", "/v1/check", attempt(address, fmt.Sprint(1000+card)), "X-Forwarded-For", address)
			require.Equal(t, 200, a.status)
			decision = a.body[:strings.Index(a.body, ",")]
		}
		return decision
	}
	assert.Equal(t, `{"decision":"block"`, decide("203.0.113.7"))
	assert.Equal(t, `{"decision":"review"`, decide("192.0.2.7"))
	require.NoError(t, os.WriteFile(file, []byte("203.0.113.0/24\n"), 0o600))
	r.await(t, r.stderr, `Configuration reloaded`)
	assert.Equal(t, `{"decision":"review"`, decide("203.0.113.7"))
	assert.Equal(t, `{"decision":"block"`, decide("192.0.2.7"))
}
