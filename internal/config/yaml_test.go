package config

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func parse(text string) (*Settings, error) {
	c := &Config{Settings: Defaults(), Path: "f.yaml", lines: make(map[string]int), sources: make(map[string]string)}
	err := c.readYAML([]byte(text))
	return c.Settings, err
}

// Whatever the file holds, it is refused in one line, or it is read and what is
// printed of it reads the same.
func FuzzConfigurationFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\nrules: &r [{name: a, window: &w 1h}, {<<: *w}]")
	f.Add(`{"auth":{"basic":{"users":[{"username":"a","password":"b","roles":["operator"]}]}},"store":{"memory":{"max_bytes":"3MiB"}}}`)
	f.Add("--- !!map\n? [a]\n: 1\n...\n---")
	f.Add("auth: {jwt: {role_map: {7: checker, ~: analyst, \"\": operator}, algorithms: [HS256]}}\nstore: {memcached: {servers: []}}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Regexp(t, `^f\.yaml:\d+: `, err.Error())
			return
		}
		s.HashKey, s.Auth.JWT.Secret = "", "" // what is hidden does not read the same
		for i := range s.Auth.Basic.Users {
			s.Auth.Basic.Users[i].Password, s.Auth.Basic.Users[i].SigningKey = "", ""
		}
		printed, err := yaml.Marshal(s)
		require.NoError(t, err)
		again, err := parse(string(printed))
		require.NoError(t, err, "%s", printed)
		reprinted, err := yaml.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(printed), string(reprinted))
	})
}
