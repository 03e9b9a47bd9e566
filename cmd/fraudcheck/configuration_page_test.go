package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/config"
)

const page = "../../docs/configuration.md"

// The page's tables of settings are these, word for word.
func TestTheConfigurationPageEqualsTheCode(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "<!-- settings: cmd/fraudcheck/configuration_page_test.go holds these tables equal to the code -->\n")
	require.True(t, found)
	have, _, found := strings.Cut(rest, "<!-- /settings -->")
	require.True(t, found)

	var want strings.Builder
	table(&want, "setting", reflect.ValueOf(config.Defaults()).Elem(), "")
	rule, user := config.NewRule(), config.NewUser()
	table(&want, "of each rule", reflect.ValueOf(rule), "")
	table(&want, "of each list entry", reflect.ValueOf(new(config.ListEntry)).Elem(), "")
	table(&want, "of each user", reflect.ValueOf(user), "")
	require.Equal(t, "\n"+want.String(), have)
}

func table(b *strings.Builder, title string, v reflect.Value, key string) {
	fmt.Fprintf(b, "| %s | default | |\n|---|---|---|\n", title)
	rows(b, v, key)
	b.WriteString("\n")
}

func rows(b *strings.Builder, v reflect.Value, key string) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		name := config.Join(key, f.Tag.Get("yaml"))
		if f.Type.Kind() == reflect.Struct {
			rows(b, value, name)
			continue
		}
		standard := fmt.Sprintf("`%v`", value.Interface())
		switch {
		case f.Type == reflect.TypeFor[[]config.Rule]():
			standard = "`cards_per_ip`"
		case value.IsZero():
			standard = ""
		}
		help := f.Tag.Get("help")
		if least := f.Tag.Get("min"); least != "" {
			help += fmt.Sprintf(" (%s to %s)", least, f.Tag.Get("max"))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, standard, help)
	}
}

func TestTheConfigurationPagesExamplesRun(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	key := writeFile(t, "hash.key", strings.Repeat("k", 32)+"\n")
	var rules []int
	for _, rest := range strings.Split(string(text), "```yaml\n")[1:] {
		example, _, closed := strings.Cut(rest, "```")
		require.True(t, closed)
		var its struct {
			KeyFile string `yaml:"hash_key_file"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(example), &its))
		if its.KeyFile != "" {
			example = strings.ReplaceAll(example, its.KeyFile, key)
		}
		example = strings.ReplaceAll(example, "HASH-OF-ITS-PASSWORD", argonHash)
		p, err := configure(&flags{Config: writeFile(t, "fraudcheck.yaml", example)}, config.FilesAndPipes)
		require.NoError(t, err)
		require.Empty(t, p.warnings)
		rules = append(rules, len(p.settings.Rules))
	}
	require.Contains(t, rules, 2, "the one to start from")
}
