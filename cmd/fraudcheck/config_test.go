package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/testbed"
)

// What wrong values are made of. No error may show either: a secret in the wrong
// place is still a secret.
const (
	marker       = "hunter2"
	markerNumber = "7000000007"
)

// refuses holds a configuration to be refused in one line that names file and line,
// goes on as wanted, with the key, and shows nothing of the value.
func refuses(t *testing.T, text, want string) {
	t.Helper()
	refusesWith(t, `\S+:\d+: `, want, "check-config", "--config", writeFile(t, "wrong.yaml", text))
}

// refusesArgs is the same for the command line and the environment.
func refusesArgs(t *testing.T, want string, args ...string) {
	t.Helper()
	refusesWith(t, `((--[a-z-]+|FRAUDCHECK_[A-Z_]+): )?`, want, args...)
}

// Hundreds of configurations are read by one goroutine after the other. What runs beside
// it, the reading of a file that hangs, is tested in internal/config.
const configurationRead = "reads a configuration"

// configCheck is command for check-config.
func configCheck(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	testbed.SkipRace(t, configurationRead)
	return command(append([]string{"check-config"}, args...)...)
}

func refusesWith(t *testing.T, place, want string, args ...string) {
	t.Helper()
	testbed.SkipRace(t, configurationRead)
	stdout, stderr, code := command(args...)
	assert.Equal(t, 1, code, want)
	assert.Empty(t, stdout, want)
	pattern := strings.Replace(regexp.QuoteMeta(want), ": expected ", ": (missing|wrong value); expected ", 1)
	assert.Regexp(t, `^fraudcheck: `+place+pattern+`[ -~]*\n$`, stderr)
	assert.Less(t, len(stderr), len(want)+600, want)
	assert.NotContains(t, stderr, marker, want)
	assert.NotContains(t, stderr, markerNumber, want)
}

// accepts returns the effective configuration.
func accepts(t *testing.T, text string, args ...string) string {
	t.Helper()
	if text != "" {
		args = append(args, "--config", writeFile(t, "right.yaml", text))
	}
	testbed.SkipRace(t, configurationRead)
	stdout, stderr, code := command(append(args, "check-config")...)
	require.Equal(t, 0, code, "%s%s", text, stderr)
	require.Empty(t, stderr)
	return stdout
}

// nested writes a.b[0].c as {a: {b: [{c: value}]}}.
func nested(key, value string) string {
	names := strings.Split(key, ".")
	for _, name := range slices.Backward(names) {
		name, list := strings.CutSuffix(name, "[0]")
		if list {
			value = "[" + value + "]"
		}
		value = "{" + name + ": " + value + "}"
	}
	return value
}

// everySetting visits all there are, mappings and lists among them.
func everySetting(s reflect.Type, key string, tag reflect.StructTag, visit func(string, reflect.Type, reflect.StructTag)) {
	if key != "" {
		visit(key, s, tag)
	}
	switch s.Kind() {
	case reflect.Struct:
		for i := range s.NumField() {
			f := s.Field(i)
			everySetting(f.Type, config.Join(key, f.Tag.Get("yaml")), f.Tag, visit)
		}
	case reflect.Slice:
		everySetting(s.Elem(), key+"[0]", tag, visit)
	case reflect.Map: // what is in it goes by its name
		everySetting(s.Elem(), key, tag, func(_ string, s reflect.Type, tag reflect.StructTag) {
			visit(key+".any", s, tag)
		})
	}
}

// wrongFor are values of a wrong type or form, whatever else the setting asks for.
func wrongFor(s reflect.Type, tag reflect.StructTag) []string {
	inFlow := "{" + marker + ": " + marker + "}"
	switch s {
	case reflect.TypeFor[int]():
		return []string{"null", "[" + marker + "]", inFlow, marker, `"7"`, "7000000007.5", "true", "0x7", `""`}
	case reflect.TypeFor[time.Duration]():
		return []string{"null", "[" + marker + "]", inFlow, marker, markerNumber, "7000000007h", "true", `""`, "7", `"7"`, "2026-01-02"}
	case reflect.TypeFor[config.ByteSize]():
		return []string{"null", "[" + marker + "]", inFlow, marker, "7000000007GB", "7000000007TiB", "-7000000007", "7000000007.5", "true", `""`, "MiB", "7 MiB"}
	}
	switch s.Kind() {
	case reflect.Bool:
		return []string{"null", "[" + marker + "]", inFlow, marker, markerNumber, "yes", "True", `"true"`, "1", `""`}
	case reflect.Struct:
		return []string{"null", marker, markerNumber, "[" + marker + "]", `""`}
	case reflect.Slice:
		return []string{"null", marker, markerNumber, inFlow, `""`}
	case reflect.Map:
		return []string{"null", marker, markerNumber, "[" + marker + "]", `""`}
	}
	wrong := []string{"null", "~", "[" + marker + "]", inFlow, markerNumber, "true", "!" + marker + " x"}
	if tag.Get("oneof") != "" {
		wrong = append(wrong, marker, `""`, `"INFO,WARNING"`)
	}
	return wrong
}

func TestConfigurationRefusesWhatIsOfTheWrongTypeByName(t *testing.T) {
	t.Parallel()
	var seen []string
	everySetting(reflect.TypeFor[config.Settings](), "", "", func(key string, s reflect.Type, tag reflect.StructTag) {
		seen = append(seen, key)
		for _, value := range wrongFor(s, tag) {
			refuses(t, nested(key, value), strings.TrimSuffix(key, ".any")+": expected ")
		}
	})
	assert.Subset(t, seen, []string{"listen", "hash_key", "limits", "limits.read", "store.memory.max_bytes",
		"rules", "rules[0]", "rules[0].window", "auth.basic.users[0].password", "auth.basic.users[0].signing_key", "auth.basic.users[0].roles[0]", "log.ip",
		"store.memcached.servers[0]", "auth.jwt.secret", "auth.jwt.algorithms[0]", "auth.jwt.role_map", "auth.jwt.role_map.any"})
}

func TestConfigurationRefusesWhatIsOutOfRange(t *testing.T) {
	for _, tt := range []struct{ key, below, least, most, above string }{
		{"limits.in_flight", "0", "1", "1000000", "1000001"},
		{"limits.in_flight", "-7000000007", "1", "1000000", markerNumber},
		{"limits.read", "9ms", "10ms", "1h", "1h1ns"},
		{"limits.write", "9ms", "10ms", "1h", "1h1ns"},
		{"limits.idle", "9ms", "10ms", "24h", "24h1ns"},
		{"drain_delay", "-1ns", "0s", "1h", "1h1ns"},
		{"drain", "-1ns", "0s", "1h", "1h1ns"},
		{"store.memory.max_bytes", "1048575", "1048576", "1TiB", "1025GiB"},
		{"ipv6_prefix", "47", "48", "128", "129"},
		{"store.budget", "999us", "1ms", "10s", "10001ms"},
		{"store.memcached.max_conns", "0", "1", "10000", "10001"},
		{"auth.tokens.ttl", "999ms", "1s", "24h", "24h1ns"},
		{"auth.tokens.refresh_ttl", "999ms", "30m", "720h", "720h1ns"},
		{"auth.tokens.per_user", "0", "1", "1024", "1025"},
		{"auth.session_timeout", "999ms", "1s", "720h", "720h1ns"},
		{"log.days", "0", "1", "3650", "3651"},
	} {
		refuses(t, nested(tt.key, tt.below), tt.key+": expected ")
		refuses(t, nested(tt.key, tt.above), tt.key+": expected ")
		accepts(t, nested(tt.key, tt.least))
		accepts(t, nested(tt.key, tt.most))
	}
}

func TestConfigurationRefusesAnUnknownSettingByName(t *testing.T) {
	for _, key := range []string{
		"rule", "Listen", "limits.in-flight", "store.size", "store.memory.max", "rules[0].windw", "auth.password", "auth.basic.user",
		"auth.basic.users[0].role", "log.colour", "store.memcached.server", "auth.jwt.algorithm",
		// Not there yet.
		"collapse_guard.decay", "debug.trace",
	} {
		refuses(t, nested(key, marker), key+": unknown setting; ")
	}
}

// In {password:hunter2} the space is forgotten, and all of it is a name.
func TestConfigurationShowsNoNameThatMayBeASecret(t *testing.T) {
	for at, text := range map[string]string{
		"auth.basic.users[0]": "auth: {basic: {users: [{username: a, password:hunter2}]}}",
		"log":                 `log: {"\e[2Jhunter2": a}`,
		"store":               "store: {? [hunter2] : a}",
		"limits":              "limits: {hunter2-" + strings.Repeat("x", 900) + ": a}",
	} {
		refuses(t, text, at)
	}
}

func TestConfigurationRefusesASettingGivenTwice(t *testing.T) {
	for key, text := range map[string]string{
		"listen":                         "listen: 127.0.0.1:1\nlisten: hunter2",
		"limits.read":                    "limits:\n  read: 1s\n  read: hunter2",
		"rules[0].per":                   "rules: [{per: ip, per: hunter2}]",
		"auth.basic.users[1].password":   "auth: {basic: {users: [{username: a}, {password: hunter2, password: hunter2}]}}",
		"auth.basic.users[0].roles":      "auth: {basic: {users: [{roles: [checker], roles: [hunter2]}]}}",
		"log":                            "log: {level: INFO}\nlog: {level: hunter2}",
		"store.memory":                   "store: {memory: {max_bytes: 1MiB}, memory: {max_bytes: hunter2}}",
		"hash_key":                       `{"hash_key": "hunter2", "hash_key": "hunter2"}`,
		"rules":                          "rules: [{name: a, per: ip, count: cards, window: 1h, block_over: 1}]\nrules: hunter2",
		"auth.basic.users[0].encryption": "auth: {basic: {users: [{encryption: clear, encryption: hunter2}]}}",
		"auth.jwt.secret":                "auth: {jwt: {secret: hunter2, client_id: a, secret: hunter2}}",
	} {
		refuses(t, text, key+": set twice")
	}
}

func TestConfigurationThatIsNoMappingOfSettings(t *testing.T) {
	for text, want := range map[string]string{
		"hunter2":                          "expected a mapping of settings",
		"- hunter2":                        "expected a mapping of settings",
		"7000000007":                       "expected a mapping of settings",
		"listen: \"hunter2":                "not well-formed YAML: ",
		"listen: 127.0.0.1:1\n hunter2: [": "not well-formed YAML: ",
		"listen: *hunter2":                 "not well-formed YAML: ",
		"\thunter2: 1":                     "not well-formed YAML: ",
		"hunter2\x00\xff\xfe":              "not well-formed YAML: ",
		"listen: 127.0.0.1:1\n---\nlisten: hunter2": "expected one YAML document",
		"listen: 127.0.0.1:1\n---\n[hunter2":        "expected one YAML document",
		"listen: 127.0.0.1:1\n...\nhunter2":         "expected one YAML document",
		"<<: {listen: hunter2}":                     "merge keys (<<) are not taken",
	} {
		refuses(t, text, want)
	}
}

func TestConfigurationFileThatCannotBeRead(t *testing.T) {
	refusesArgs(t, "cannot read /", "check-config", "--config", t.TempDir())
	refusesArgs(t, "cannot read /", "check-config", "--config", t.TempDir()+"/none.yaml")
	refusesArgs(t, "cannot read /", "--config", t.TempDir()+"/none.yaml") // serving is refused alike
}

func TestTheSameConfigurationInOtherSpellings(t *testing.T) {
	byDefault := accepts(t, "")
	for _, text := range []string{"\n", "# nothing but a remark\n", "{}", "listen: 127.0.0.1:8080\n", "store: {}\nlimits: {}\n"} {
		assert.Equal(t, byDefault, accepts(t, text), "%q", text)
	}

	want := accepts(t, `
listen: "[::1]:8081"
drain: 90s
rules:
  - {name: slow, per: network, count: cards, window: 24h, block_over: 40}
  - {name: fast, per: network, count: cards, window: 24h, block_over: 40}
`)
	assert.Equal(t, want, accepts(t, `{"listen": "[::1]:8081", "drain": "1m30s", "rules": [
		{"name": "slow", "per": "network", "count": "cards", "window": "24h", "review_over": 0, "block_over": 40, "mode": "enforce"},
		{"name": "fast", "per": "network", "count": "cards", "window": "1440m", "block_over": 40, "retention": "sliding"}]}`), "JSON")
	assert.Equal(t, want, accepts(t, `
listen: "[::1]:8081"
drain: 90s
rules:
  - {name: slow, per: &what network, count: cards, window: &day 24h, block_over: &most 40}
  - {name: fast, per: *what, count: cards, window: *day, block_over: *most}
`), "aliases")
}
