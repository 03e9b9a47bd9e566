package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// earlierCommit is the state before records could hold marks.
const earlierCommit = "fd44ffb"

// Instances of the earlier program and of this one share a memcached, as they do
// while instances are replaced one by one, and when that is taken back.
func TestInstancesAreUpgradedAndRolledBackOneByOne(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "compiles the program of an earlier commit")
	earlier, this := buildEarlier(t), testbed.Program(t)
	settings := sharing(testbed.StartMemcached(t).Addr)
	configs := map[string]string{ // the earlier program knows no limits.answer
		this:    writeFile(t, "fraudcheck.yaml", settings),
		earlier: writeFile(t, "fraudcheck.yaml", strings.Replace(settings, "limits: {answer: 10s}\n", "", 1)),
	}
	degraded := func(p *program) float64 {
		t.Helper()
		a, err := p.try(p.operators, "GET", "/metrics", "")
		require.NoError(t, err)
		n, there := testbed.ParseMetrics(a.body).Sum("fraudcheck_degraded_checks_total")
		require.True(t, there)
		return n
	}
	untilShared := map[*program]float64{} // degraded answers before memcached was reached
	startOne := func(path string) *program {
		t.Helper()
		cmd := exec.Command(path, "--config", configs[path])
		cmd.Env = []string{"FRAUDCHECK_OPERATOR_LISTEN=127.0.0.1:0"}
		p := launchCommand(t, cmd)
		p.awaitPorts(t)
		p.shared(t)
		untilShared[p] = degraded(p)
		return p
	}
	// An address is blocked by its sixth card; what it shows from then on, at whichever
	// instance, is blocked too.
	var blocked []string
	card := 100
	block := func(p *program) {
		t.Helper()
		for range 10 {
			ip := fmt.Sprint("203.0.113.", len(blocked)+1)
			require.Equal(t, "block", p.fill(t, ip, 6).Decision)
			blocked = append(blocked, ip)
		}
	}
	allBlockedAt := func(instances ...*program) {
		t.Helper()
		for _, ip := range blocked {
			for i, p := range instances {
				card++
				a := p.check(t, ip, fmt.Sprint(1000+card))
				assert.Equal(t, "block", a.Decision, "%s at instance %d", ip, i)
				assert.False(t, a.Degraded, "%s at instance %d", ip, i)
			}
		}
	}
	stop := func(instances ...*program) {
		t.Helper()
		for _, p := range instances {
			assert.Equal(t, untilShared[p], degraded(p), p.LastLines())
			p.signal(t, os.Interrupt)
			code, _ := p.exitCode(t)
			assert.Zero(t, code, p.LastLines())
		}
	}

	before := []*program{startOne(earlier), startOne(earlier)}
	block(before[0])
	allBlockedAt(before...)

	first := startOne(this)
	allBlockedAt(before[0], before[1], first)
	block(first)
	block(before[1])
	allBlockedAt(first, before[0], before[1])
	// Instances of both count one address together: five of its cards pass.
	for n := range 12 {
		a := []*program{before[0], first}[n%2].check(t, "198.51.100.1", fmt.Sprintf("%04d", n))
		assert.Equal(t, n >= 5, a.Decision == "block", "card %d", n)
	}

	stop(before...)
	second := startOne(this)
	allBlockedAt(first, second)
	block(second)

	stop(first)
	back := startOne(earlier)
	allBlockedAt(back, second)
	stop(second)
	again := startOne(earlier)
	allBlockedAt(again, back)
	stop(back, again)
}

// buildEarlier builds the program of the earlier commit and returns its path. Where
// there is no history it skips the test; where CI is set it fails it.
func buildEarlier(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "earlier")
	if err := testbed.BuildCommit(t.Context(), earlierCommit, path); err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err, "CI needs the history as far back as %s", earlierCommit)
		}
		t.Skipf("the history does not go back to %s: %v", earlierCommit, err)
	}
	return path
}
