package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/config"
)

const exampleFile = "../../deploy/fraudcheck.example.yaml"

var update = flag.Bool("update", false, "write "+exampleFile)

const exampleHead = `# Every setting with its default, and what it is for. What is left out has its default, so
# a configuration needs only what differs; this one changes nothing. The examples of
# lists.allow, lists.block and auth.basic.users are switched off: take their # away.
# docs/configuration.md says more; fraudcheck check-config --config FILE says what would
# run, or what is wrong.
`

// go test ./cmd/fraudcheck -run ExampleConfiguration -update writes the file.
func TestTheExampleConfigurationEqualsTheCode(t *testing.T) {
	var want strings.Builder
	want.WriteString(exampleHead)
	example(t, &want, reflect.ValueOf(config.Defaults()).Elem(), "\n", "")
	if *update {
		require.NoError(t, os.WriteFile(exampleFile, []byte(want.String()), 0o644))
	}
	have, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	require.Equal(t, want.String(), string(have), "to write it: go test ./cmd/fraudcheck -run ExampleConfiguration -update")
}

// example writes the fields of v, each with its help. between stands before each, prefix
// begins the lines of each.
func example(t *testing.T, b *strings.Builder, v reflect.Value, between, prefix string) {
	t.Helper()
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("yaml")
		b.WriteString(between)
		if f.Type.Kind() == reflect.Struct {
			fmt.Fprintf(b, "%s%s:\n", prefix, name)
			example(t, b, value, "", prefix+"  ")
			continue
		}
		help := strings.ReplaceAll(f.Tag.Get("help"), "see below", "see docs/configuration.md")
		if least := f.Tag.Get("min"); least != "" {
			help += fmt.Sprintf(" (%s to %s)", least, f.Tag.Get("max"))
		}
		fmt.Fprintf(b, "%s# %s\n", prefix, help)
		switch entry := entryOf(name, value); {
		case !entry.IsValid():
			fmt.Fprintf(b, "%s%s: %s\n", prefix, name, inline(t, value))
		case value.Len() > 0:
			fmt.Fprintf(b, "%s%s:\n", prefix, name)
			entryExample(t, b, entry, prefix+"  ")
		default:
			fmt.Fprintf(b, "%s#%s:\n", prefix, name)
			entryExample(t, b, entry, prefix+"#  ")
		}
	}
}

// entryOf returns the entry to show of a list of structs, or nothing.
func entryOf(name string, list reflect.Value) (none reflect.Value) {
	user := config.NewUser()
	user.Username, user.Password, user.Encryption = "checkout", "HASH-OF-ITS-PASSWORD", "argon2id"
	entries := map[string]any{
		"allow": config.ListEntry{Net: "198.51.100.0/24", Until: "2127-01-31T00:00:00Z", Note: "our call centre"},
		"block": config.ListEntry{Net: "192.0.2.0/24", Note: "a hosting provider"},
		"users": user,
	}
	switch {
	case list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Struct:
		return none
	case list.Len() > 0:
		return list.Index(0)
	}
	return reflect.ValueOf(entries[name])
}

// entryExample writes an entry: its help stands at the end of the lines.
func entryExample(t *testing.T, b *strings.Builder, v reflect.Value, prefix string) {
	t.Helper()
	for i := range v.NumField() {
		f, dash := v.Type().Field(i), "  "
		if i == 0 {
			dash = "- "
		}
		fmt.Fprintf(b, "%s%s%-28s # %s\n", prefix, dash, f.Tag.Get("yaml")+": "+inline(t, v.Field(i)), f.Tag.Get("help"))
	}
}

// inline returns the value as YAML on one line, a secret as it is.
func inline(t *testing.T, v reflect.Value) string {
	t.Helper()
	content := v.Interface()
	if v.Kind() == reflect.String {
		content = v.String()
	}
	var node yaml.Node
	require.NoError(t, node.Encode(content))
	node.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&node)
	require.NoError(t, err)
	line := strings.TrimSuffix(string(text), "\n")
	require.NotContains(t, line, "\n")
	return line
}

func TestTheExampleConfigurationChangesNothing(t *testing.T) {
	p, err := configure(&flags{Config: exampleFile}, config.FilesAndPipes)
	require.NoError(t, err)
	assert.Equal(t, accepts(t, ""), accepts(t, "", "--config", exampleFile))
	assert.Empty(t, p.warnings)
}

func TestTheExampleConfigurationRunsWithItsExamplesSwitchedOn(t *testing.T) {
	text, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	switchedOn := regexp.MustCompile(`(?m)^( *)#(\S|  )`).ReplaceAllString(string(text), "$1$2")
	p, err := configure(&flags{Config: writeFile(t, "fraudcheck.yaml", strings.ReplaceAll(switchedOn, "HASH-OF-ITS-PASSWORD", "'"+argonHash+"'"))}, config.FilesAndPipes)
	require.NoError(t, err)
	assert.Len(t, p.settings.Auth.Basic.Users, 1)
	assert.Len(t, p.settings.Lists.Allow, 1)
	assert.Len(t, p.settings.Lists.Block, 1)
	assert.Empty(t, p.warnings)
}
