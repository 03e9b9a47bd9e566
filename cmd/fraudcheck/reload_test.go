package main

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fraudcheck/internal/testbed"
)

// reloading is a program whose configuration the test rewrites.
type reloading struct {
	*program
	t    *testing.T
	file string
}

func startReloading(t *testing.T, config string) *reloading {
	file := writeFile(t, "fraudcheck.yaml", config)
	return &reloading{start(t, "", "--config", file), t, file}
}

// rewrite replaces the file at once, as an editor or a configuration manager does,
// and waits until the program says what became of it.
func (r *reloading) rewrite(config, says string) {
	r.t.Helper()
	r.replace(config)
	r.await(r.t, r.stderr, says)
}

func (r *reloading) replace(config string) {
	r.t.Helper()
	next := r.file + ".next"
	require.NoError(r.t, os.WriteFile(next, []byte(config), 0o600))
	require.NoError(r.t, os.Rename(next, r.file))
	r.signal(r.t, syscall.SIGHUP)
}

func rules(blockOver string) string {
	return "rules: [{name: cards_per_ip, per: ip, count: cards, window: 1h, block_over: " + blockOver + "}]\n"
}

func TestReloadPutsRulesListsAndUsersInForce(t *testing.T) {
	r := startReloading(t, guarded+rules("5"))
	for _, last4 := range []string{"1001", "1002", "1003"} {
		require.Equal(t, "allow", r.decide(t, "203.0.113.7", last4))
	}
	r.rewrite(guarded+rules("2"), `Configuration reloaded \(1 rule\)\n`)
	require.Equal(t, "block", r.decide(t, "203.0.113.7", "1001"), "a lowered limit holds at once")

	r.rewrite(guarded+rules("9"), `exact for what is shown from now on, and for old records after one window: cards_per_ip`)
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))

	r.rewrite(guarded+rules("9")+"lists: {block: [{net: 203.0.113.0/24}]}\n", `(?s)reloaded.*reloaded.*reloaded \(1 rule\)`)
	a := r.send(t, "POST", "/v1/check", attempt("203.0.113.99", "1001"))
	require.Equal(t, "block", a.Decision)
	require.Contains(t, a.body, `"reasons":["list"]`)

	r.rewrite(strings.ReplaceAll(guarded, "username: checkout", "username: newcomer")+rules("9"), `(?s)(reloaded.*){4}`)
	require.Equal(t, http.StatusUnauthorized, r.send(t, "POST", "/v1/check", attempt("192.0.2.1", "1001")).status)
	a = r.send(t, "POST", "/v1/check", attempt("192.0.2.1", "1001"), "Authorization", basic("newcomer", password))
	require.Equal(t, http.StatusOK, a.status)
	metrics, err := r.try(r.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	require.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="ok"} 4`)
}

func TestReloadKeepsTheOldWhenTheNewIsWrong(t *testing.T) {
	r := startReloading(t, guarded+rules("1"))
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))
	r.rewrite(guarded+rules("none"), `ERROR .*not reloaded, the old one stays: .*/fraudcheck\.yaml:6: rules\[0\]\.block_over: wrong value; expected a whole number`)
	require.Equal(t, "block", r.decide(t, "203.0.113.7", "1002"))
	metrics, err := r.try(r.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	require.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="error"} 1`)
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	r := startReloading(t, guarded)
	r.rewrite(guarded+"limits: {in_flight: 7}\ndrain: 1s\n", `(?s)WARNING .*limits\.in_flight was changed and needs a restart.*WARNING .*drain was changed and needs a restart`)
	r.rewrite("listen: 127.0.0.1:0\nhash_key: "+hashKey+"\n", `WARNING .*auth names nobody any more`)
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"), "those it named before stay")
	r.rewrite("listen: 127.0.0.1:0\nhash_key: "+hashKey+"\nauth: {networks: [\"!127.0.0.1\"]}\n", `(?s)nobody any more.*nobody any more`)
	a := r.send(t, "POST", "/v1/check", attempt("203.0.113.7", "1001"))
	require.Equal(t, http.StatusForbidden, a.status, "and the new networks hold for them")
}

func TestReloadComesByItselfWhenTheFileChanges(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	r := startReloading(t, guarded+rules("5"))
	require.NoError(t, os.WriteFile(r.file, []byte(guarded+rules("15")), 0o600))
	r.await(t, r.stderr, `Configuration reloaded`)
}

// A reload builds no store: its reserve would stay in the address space, and under a
// limit it would be refused.
func TestReloadsTakeNoAddressSpace(t *testing.T) {
	t.Parallel()
	r := startReloading(t, guarded+rules("1000"))
	before := r.status(t, "VmSize")
	limit := unix.Rlimit{Cur: uint64(before+512<<10) << 10, Max: uint64(before+512<<10) << 10}
	require.NoError(t, unix.Prlimit(r.PID(), unix.RLIMIT_AS, &limit, nil))
	for n := range 40 {
		r.replace(guarded + rules(strconv.Itoa(1001+n)))
		require.Eventually(t, func() bool { return strings.Count(r.stderr.String(), "Configuration reloaded") > n }, 10*time.Second, time.Millisecond)
	}
	require.NotContains(t, r.stderr.String(), "not reloaded")
	require.Less(t, r.status(t, "VmSize")-before, 256<<10, "KiB")
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))
}

func TestAReloadThatIsRefusedChangesNothing(t *testing.T) {
	const newRules = "rules: [{name: another, per: ip, count: cards, window: 1h, block_over: 1}]\n"
	const newLists = "lists: {block: [{net: 203.0.113.0/24}]}\n"
	wrongUser := strings.Replace(guarded, "password: "+password, "password: "+password+", encryption: sha256", 1)
	for mistake, text := range map[string]string{
		"auth.basic.users[0].password": wrongUser + newRules + newLists,
		"cors.origins[0]":              guarded + newRules + newLists + "cors: {origins: [hunter2]}\n",
		"trusted_proxies[0]":           guarded + newRules + newLists + "trusted_proxies: [hunter2]\n",
		"tls.key_file":                 guarded + newRules + newLists + "tls: {cert_file: /nowhere}\n",
		"listen":                       strings.Replace(guarded, "listen: 127.0.0.1:0", "listen: hunter2", 1) + newRules + newLists,
	} {
		t.Run(mistake, func(t *testing.T) {
			r := startReloading(t, guarded+rules("2"))
			r.rewrite(text, `not reloaded, the old one stays: .*`+regexp.QuoteMeta(mistake)+`: `)
			a := r.send(t, "POST", "/v1/check", attempt("203.0.113.7", "1001"))
			require.Equal(t, "allow", a.Decision, a.body)
			require.Len(t, a.Rules, 1)
			require.Equal(t, "cards_per_ip", a.Rules[0].Name)
			require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1002"))
			require.Equal(t, "block", r.decide(t, "203.0.113.7", "1003"))
		})
	}
}

func TestARuleAddedByReloadHasItsSeriesAtOnce(t *testing.T) {
	r := startReloading(t, guarded+rules("5"))
	r.rewrite(guarded+"rules: [{name: newcomer, per: ip, count: attempts, window: 1h, block_over: 5, mode: shadow}]\n", `Configuration reloaded`)
	metrics, err := r.try(r.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	for _, outcome := range []string{"allow", "block", "skipped"} {
		series := `fraudcheck_rule_outcomes_total{mode="shadow",outcome="` + outcome + `",rule="newcomer"} 0`
		require.True(t, strings.Contains(metrics.body, series), series)
	}
}
