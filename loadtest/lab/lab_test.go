package lab

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

func play(t *testing.T, set *RuleSet, seed uint64, names ...string) map[string]*Result {
	t.Helper()
	results, err := Play(set, seed, names...)
	require.NoError(t, err)
	return byName(results)
}

func byName(results []*Result) map[string]*Result {
	by := map[string]*Result{}
	for _, r := range results {
		by[r.Scenario] = r
	}
	return by
}

// A played set of rules is what the page shows: all scenarios, with the seed 1.
type played struct {
	set     *RuleSet
	results []*Result
}

var page = sync.OnceValues(func() (all []played, err error) {
	pack, err := ReadRules(filepath.Join("../..", packFile))
	if err != nil {
		return nil, err
	}
	for _, set := range []*RuleSet{Default(), pack} {
		results, err := Play(set, 1)
		if err != nil {
			return nil, err
		}
		all = append(all, played{set, results})
	}
	return all, nil
})

// The tables of the page show what a change of the code, of a rule or of a scenario does to
// every score, so a change for the worse is seen in review.
func TestTheDetectionPageHasTheLabsTables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/detection.md")
	require.NoError(t, err)
	all, err := page()
	require.NoError(t, err)
	for _, p := range all {
		assert.Contains(t, string(text), Table(p.results), "run: go run ./loadtest lab, and put its tables into docs/detection.md")
	}
	assert.Contains(t, string(text), all[1].set.RuleTable(all[1].results), "run: go run ./loadtest lab, and put its tables into docs/detection.md")
}

// requirePromises requires what the README promises.
func requirePromises(t *testing.T, by map[string]*Result) {
	t.Helper()
	shotgun := by["shotgun"]
	assert.Equal(t, 500, shotgun.Attempts)
	assert.Equal(t, velocity.DefaultRule.BlockOver, shotgun.Learnt, "it is stopped at the card after")
	assert.Equal(t, velocity.DefaultRule.BlockOver, shotgun.Passed)
	for _, name := range []string{"office", "processor_outage"} {
		assert.Zero(t, by[name].HonestBlocked, name)
		assert.Zero(t, by[name].ShoppersBlocked, name)
		assert.Greater(t, by[name].Shoppers, 1000, "%s: a crowd that is large enough to say so", name)
	}
}

func TestTheShotgunIsStoppedAndNobodyIsBlockedInTheOfficeOrAnOutage(t *testing.T) {
	t.Parallel()
	all, err := page()
	require.NoError(t, err)
	for _, p := range all {
		requirePromises(t, byName(p.results))
	}
	requirePromises(t, play(t, Default(), 2, "shotgun", "office", "processor_outage"))
}

func TestThePackKeepsCardsBelowTheSchemesFees(t *testing.T) {
	t.Parallel()
	all, err := page()
	require.NoError(t, err)
	for _, r := range all[1].results {
		assert.LessOrEqual(t, r.MostDeclines, 10, r.Scenario)
	}
	assert.Greater(t, byName(all[0].results)["code_guessing"].MostDeclines, 900, "without it a card is guessed to the end")
}

func TestOneSeedIsOneResultAndAnotherIsAnother(t *testing.T) {
	t.Parallel()
	names := []string{"botnet", "flash_sale"}
	first, again, other := play(t, Default(), 7, names...), play(t, Default(), 7, names...), play(t, Default(), 8, names...)
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, other)
}

func TestAWorseRuleIsSeen(t *testing.T) {
	t.Parallel()
	set := Default()
	set.rules[0].BlockOver = 50
	assert.Equal(t, 50, play(t, set, 1, "shotgun")["shotgun"].Learnt)
	set.rules[0].BlockOver, set.rules[0].ReviewOver = 1, 0
	assert.Greater(t, play(t, set, 1, "office")["office"].ShoppersBlocked, 100)
}

func TestScenariosSayWhereTheirNumbersComeFrom(t *testing.T) {
	scenarios, behaviour, err := load()
	require.NoError(t, err)
	assert.NotEmpty(t, behaviour.Sources)
	found, err := filepath.Glob("scenarios/*.yaml")
	require.NoError(t, err)
	assert.Len(t, found, len(scenarios), "every file is played")
	for _, s := range scenarios {
		assert.NotEmpty(t, s.Story, s.Name)
		assert.NotEmpty(t, s.Sources, s.Name)
		assert.NotEmpty(t, append(make([]int, len(s.Attacks)), make([]int, len(s.Shoppers))...), s.Name)
	}
}

// In a Poisson process the variance of the number of arrivals is their mean.
func TestOrdersArriveIndependently(t *testing.T) {
	const hours = 2000
	w := &world{scenario: &scenario{Name: "arrivals", Lasts: hours * time.Hour}, behaviour: new(behaviour), seed: 1, result: new(Result)}
	w.scenario.Shoppers = []crowd{{People: 1000, Orders: 240, Hours: []int{1, 3}}}
	w.open(0)
	var odd, even []float64
	counts := make([]float64, hours)
	for _, e := range w.events {
		counts[e.at/time.Hour]++
	}
	for h, n := range counts {
		if h%2 == 0 {
			even = append(even, n)
		} else {
			odd = append(odd, n)
		}
	}
	for _, c := range []struct {
		counts []float64
		mean   float64
	}{{even, 5}, {odd, 15}} {
		mean, variance := moments(c.counts)
		assert.InDelta(t, c.mean, mean, c.mean/20)
		assert.InDelta(t, 1, variance/mean, 0.15)
	}
}

func moments(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		variance += math.Pow(v-mean, 2) / float64(len(values))
	}
	return mean, variance
}

func TestIPAddressesOfANetwork(t *testing.T) {
	scenarios, _, err := load()
	require.NoError(t, err)
	for _, s := range scenarios {
		for _, a := range s.Attacks {
			seen := map[string]bool{}
			for n := range 300 {
				address := nth(a.Network, n)
				require.True(t, a.Network.Contains(address), "%s: %s", s.Name, address)
				seen[address.String()] = true
			}
			if bits := a.Network.Bits(); a.Network.Addr().Is4() && bits > 24 {
				assert.Len(t, seen, 1<<(32-bits), s.Name)
			} else if bits < 24 || a.Network.Addr().Is6() {
				assert.Len(t, seen, 300, s.Name)
			}
		}
	}
}

func TestSharesRoundToTheNearestTenth(t *testing.T) {
	for want, got := range map[string]string{
		"0": share(0, 5, 100), "100": share(5, 5, 100), "33.3": share(1, 3, 100), "0.1": share(1, 1_000_000, 100),
		"99.9": share(999_999, 1_000_000, 100), "50": share(1, 2, 100),
	} {
		assert.Equal(t, want, got)
	}
}

func TestTheLabWritesItsTablesAndJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, []byte("rules: [{name: few, per: ip, count: cards, window: 1h, block_over: 2}]\n"), 0o600))
	var out, errors strings.Builder
	results := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, Main([]string{"-rules", file, "-json", results, "-seed", "2"}, &out, &errors))
	assert.Contains(t, out.String(), "| shotgun | 2 of 500 |")
	text, err := os.ReadFile(results)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"learnt": 2`)
	assert.ErrorContains(t, Main([]string{"-rules", filepath.Join(t.TempDir(), "none")}, &out, &errors), "none")
}
