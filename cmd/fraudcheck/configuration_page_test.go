package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
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

var pageYAML = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```$")

// What a page shows as yaml is a configuration that is taken as it stands; what is for other
// programs, or a part, stands there as yml. The page of the configuration warns of nothing.
func TestThePagesConfigurationsAreTaken(t *testing.T) {
	files := filepath.Dir(writeFile(t, "hash.key", strings.Repeat("k", 32)+"\n"))
	require.NoError(t, os.WriteFile(filepath.Join(files, "users"), []byte("checkout:"+argonHash+"\n"), 0o600))
	placeholders := strings.NewReplacer("HASH-OF-ITS-PASSWORD", argonHash, "SIGNING-KEY-IN-BASE64", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32))))
	rules := map[string][]int{}
	for _, of := range pages(t) {
		text, err := os.ReadFile(of)
		require.NoError(t, err)
		for _, m := range pageYAML.FindAllStringSubmatch(string(text), -1) {
			example := placeholders.Replace(m[1])
			var its struct {
				KeyFile string `yaml:"hash_key_file"`
				Auth    struct {
					Basic struct {
						UsersFile string `yaml:"users_file"`
					}
				}
			}
			require.NoError(t, yaml.Unmarshal([]byte(example), &its), "%s: %s", of, example)
			for _, file := range []string{its.KeyFile, its.Auth.Basic.UsersFile} {
				if file != "" {
					example = strings.ReplaceAll(example, ": "+file, ": "+filepath.Join(files, filepath.Base(file)))
				}
			}
			p, err := configure(&flags{Config: writeFile(t, "fraudcheck.yaml", example)}, config.FilesAndPipes)
			if !assert.NoError(t, err, "%s: %s", of, example) {
				continue
			}
			rules[of] = append(rules[of], len(p.settings.Rules))
			if of == page {
				assert.Empty(t, p.warnings, example)
			}
		}
	}
	require.Contains(t, rules[page], 2, "the one to start from")
	require.Greater(t, len(rules), 8)
}
