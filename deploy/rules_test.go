// Package deploy has the tests of what operators are given: rules and dashboards.
package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// A ruleFile is a file of Prometheus's rules, as far as the tests look at it.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// read returns what the YAML file holds.
func read[T any](t *testing.T, path string) (content T) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &content), path)
	return content
}

// rules returns the rules of all groups of the file.
func rules(t *testing.T, path string) (rules []rule) {
	t.Helper()
	for _, g := range read[ruleFile](t, path).Groups {
		rules = append(rules, g.Rules...)
	}
	require.NotEmpty(t, rules)
	return rules
}

func TestEachAlertSaysWhatItMeansAndHasItsPartOfTheRunbook(t *testing.T) {
	runbook, err := os.ReadFile("../docs/operate.md")
	require.NoError(t, err)
	var sections []string
	for line := range strings.Lines(string(runbook)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "### Fraudcheck"); found {
			sections = append(sections, "Fraudcheck"+name)
		}
	}
	var alerts []string
	for _, r := range rules(t, "prometheus/alerts.yaml") {
		alerts = append(alerts, r.Alert)
		assert.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
		assert.NotEmpty(t, r.Annotations["description"], r.Alert)
		assert.Equal(t, "docs/operate.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"], r.Alert)
	}
	assert.ElementsMatch(t, alerts, sections, "alerts, and sections of docs/operate.md")
}

func TestEachRecordingIsAsked(t *testing.T) {
	asked := ""
	for _, pattern := range []string{"prometheus/*.yaml", "grafana/*.json"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			asked += string(text)
		}
	}
	for _, r := range rules(t, "prometheus/recordings.yaml") {
		assert.Greater(t, strings.Count(asked, r.Record), 1, "%s, beside where it is recorded", r.Record)
	}
}
