//go:build verify

package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// A unitTests is a file of promtool's unit tests.
type unitTests struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	GroupEvalOrder     []string `yaml:"group_eval_order"`
	Tests              []struct {
		Name          string           `yaml:"name"`
		Interval      string           `yaml:"interval"`
		InputSeries   []map[string]any `yaml:"input_series"`
		AlertRuleTest []map[string]any `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

// only returns the tests of that alert.
func (u unitTests) only(alert string) unitTests {
	tests := u.Tests
	u.Tests = nil
	for _, test := range tests {
		test.AlertRuleTest = slices.DeleteFunc(slices.Clone(test.AlertRuleTest), func(a map[string]any) bool { return a["alertname"] != alert })
		if len(test.AlertRuleTest) > 0 {
			u.Tests = append(u.Tests, test)
		}
	}
	return u
}

func TestUnitTestsOfRulesPass(t *testing.T) {
	files, err := filepath.Glob("prometheus/*_test.yaml")
	require.NoError(t, err)
	for file, passed := range promtool(t, files) {
		assert.True(t, passed, file)
	}
}

// Each threshold and each duration of "for" counts: altered by a fifth, up or down, some
// unit test fails. Of 0 there is no fifth: there the comparison is altered.
func TestUnitTestsNoticeAnAlteredThreshold(t *testing.T) {
	recordings, alerts := rules(t, "prometheus/recordings.yaml"), rules(t, "prometheus/alerts.yaml")
	tests := make(map[string]unitTests)
	files, err := filepath.Glob("prometheus/*_test.yaml")
	require.NoError(t, err)
	for _, f := range files {
		tests[filepath.Base(f)] = read[unitTests](t, f)
	}
	dir := t.TempDir()
	// write makes a folder with these rules and the alert's tests, and returns the files of
	// the tests.
	write := func(name string, alert rule, recordings []rule) (files []string) {
		folder := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(folder, 0o700))
		writeYAML(t, filepath.Join(folder, "rules.yaml"), ruleFile{Groups: []ruleGroup{
			{Name: "fraudcheck-recordings", Rules: needed(alert.Expr, recordings)}, {Name: "fraudcheck-alert", Rules: []rule{alert}},
		}})
		for file, u := range tests {
			if u = u.only(alert.Alert); len(u.Tests) > 0 {
				u.RuleFiles, u.GroupEvalOrder = []string{"rules.yaml"}, []string{"fraudcheck-recordings", "fraudcheck-alert"}
				files = append(files, filepath.Join(folder, file))
				writeYAML(t, files[len(files)-1], u)
			}
		}
		require.NotEmpty(t, files, "unit tests of %s", alert.Alert)
		return files
	}

	var unaltered []string
	altered := make(map[string][]string) // what was altered: the files of its tests
	for i, alert := range alerts {
		unaltered = append(unaltered, write(fmt.Sprint(i), alert, recordings)...)
		for j, expr := range alterations(alert.Expr) {
			other := alert
			other.Expr = expr
			altered[alert.Alert+": "+expr] = write(fmt.Sprintf("%d-expr-%d", i, j), other, recordings)
		}
		if alert.For != "" {
			for j, d := range alteredDurations(t, alert.For) {
				other := alert
				other.For = d
				altered[alert.Alert+": for "+d] = write(fmt.Sprintf("%d-for-%d", i, j), other, recordings)
			}
		}
		for j, recording := range needed(alert.Expr, recordings) {
			for k, expr := range alterations(recording.Expr) {
				others := slices.Clone(recordings)
				for n := range others {
					if others[n].Record == recording.Record {
						others[n].Expr = expr
					}
				}
				altered[alert.Alert+": "+recording.Record+": "+expr] = write(fmt.Sprintf("%d-record-%d-%d", i, j, k), alert, others)
			}
		}
	}

	for file, passed := range promtool(t, unaltered) {
		require.True(t, passed, file)
	}
	passed := promtool(t, slices.Concat(values(altered)...))
	t.Logf("%d alterations", len(altered))
	for what, files := range altered {
		assert.True(t, slices.ContainsFunc(files, func(f string) bool { return !passed[f] }), "no unit test notices %s", what)
	}
}

func values(m map[string][]string) (values [][]string) {
	for _, v := range m {
		values = append(values, v)
	}
	return values
}

// needed returns the recordings that the expression asks, and those that they ask, in the
// order of the file.
func needed(expr string, recordings []rule) (needed []rule) {
	for _, r := range slices.Backward(recordings) {
		if strings.Contains(expr, r.Record) {
			needed = append([]rule{r}, needed...)
			expr += r.Expr
		}
	}
	return needed
}

// number finds the numbers of an expression, as its group; what it finds without that group
// is a text, a range, an offset or a name.
var number = regexp.MustCompile(`"[^"]*"|\[[^]]*\]|offset [0-9a-z]+|[a-zA-Z_:][\w:]*|(\d+(?:\.\d+)?)`)

// alterations returns the expression with each number a fifth lower and higher.
func alterations(expr string) (altered []string) {
	for _, at := range number.FindAllStringSubmatchIndex(expr, -1) {
		if at[2] < 0 {
			continue
		}
		before, value, after := expr[:at[2]], expr[at[2]:at[3]], expr[at[3]:]
		if value == "0" {
			for from, to := range map[string]string{"> ": ">= ", "== ": "!= "} {
				if head, found := strings.CutSuffix(before, from); found {
					altered = append(altered, head+to+value+after)
				}
			}
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			panic(err)
		}
		for _, by := range []float64{0.8, 1.2} {
			altered = append(altered, before+strconv.FormatFloat(n*by, 'f', -1, 64)+after)
		}
	}
	return altered
}

// alteredDurations returns the duration a fifth shorter and longer, in seconds.
func alteredDurations(t *testing.T, duration string) (altered []string) {
	t.Helper()
	d, err := time.ParseDuration(duration)
	require.NoError(t, err)
	return []string{fmt.Sprintf("%ds", int((d * 4 / 5).Seconds())), fmt.Sprintf("%ds", int((d * 6 / 5).Seconds()))}
}

func writeYAML(t *testing.T, path string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

// promtool runs the files of unit tests, four processes at a time, and returns which passed.
func promtool(t *testing.T, files []string) map[string]bool {
	t.Helper()
	_, err := exec.LookPath("promtool")
	require.NoError(t, err, "make verify needs it")
	passed := make(map[string]bool)
	var lock sync.Mutex
	var all sync.WaitGroup
	for some := range slices.Chunk(files, max(1, len(files)/4+1)) {
		all.Go(func() {
			out, _ := exec.CommandContext(t.Context(), "promtool", append([]string{"test", "rules"}, some...)...).CombinedOutput()
			lock.Lock()
			defer lock.Unlock()
			for _, m := range result.FindAllStringSubmatch(string(out), -1) {
				passed[m[1]] = m[2] == "SUCCESS"
			}
			if len(files) < 50 && strings.Contains(string(out), "FAILED") {
				t.Log(string(out))
			}
		})
	}
	all.Wait()
	require.Len(t, passed, len(files), "files that promtool judged")
	return passed
}

// result is what promtool says of a file.
var result = regexp.MustCompile(`(?m)^Unit Testing: +(\S+)\n +(SUCCESS|FAILED)`)
