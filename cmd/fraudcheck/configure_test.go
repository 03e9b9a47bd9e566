package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/config"
	"fraudcheck/internal/logging"
	"fraudcheck/internal/velocity"
)

const goodRule = "name: a, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5"

// withRule is goodRule with one setting replaced, or left out when value is empty.
func withRule(key, value string) string {
	var kept []string
	for setting := range strings.SplitSeq(goodRule, ", ") {
		if !strings.HasPrefix(setting, key+":") {
			kept = append(kept, setting)
		}
	}
	if value != "" {
		kept = append(kept, key+": "+value)
	}
	return "{" + strings.Join(kept, ", ") + "}"
}

func TestRulesAreRefusedByTheSettingThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ key, value string }{
		{"name", ""}, {"name", "Hunter2"}, {"name", "hunter2-"}, {"name", `"hunter2 "`}, {"name", "é"}, {"name", strings.Repeat("a", 41)},
		{"per", ""}, {"per", "hunter2"}, {"per", "cards"}, {"per", "attempts"},
		{"count", ""}, {"count", "hunter2"}, {"count", "card"}, {"count", "networks"}, {"count", "ips"},
		{"window", ""}, {"window", "0s"}, {"window", "999ms"}, {"window", "1500ms"}, {"window", "-1h"}, {"window", "720h1s"}, {"window", "1000001h"},
		{"review_over", "-1"}, {"review_over", "5"}, {"review_over", markerNumber},
		{"block_over", ""}, {"block_over", "0"}, {"block_over", "-7000000007"}, {"block_over", "4097"}, {"block_over", markerNumber},
		{"retention", "hunter2"}, {"retention", `""`}, {"retention", "Sliding"},
		{"hold", "-1s"}, {"hold", "1500ms"}, {"hold", "720h1s"},
		{"mode", "hunter2"}, {"mode", `""`}, {"mode", "off"},
	} {
		want := "rules[1]." + tt.key + ": expected "
		refuses(t, "rules: [{"+strings.Replace(goodRule, "name: a", "name: first", 1)+"}, "+withRule(tt.key, tt.value)+"]", want)
	}
}

func TestRulesAtTheEdgeAreAccepted(t *testing.T) {
	for _, tt := range []struct{ key, value string }{
		{"name", strings.Repeat("a", 40)}, {"name", `"7"`}, {"name", "_"},
		{"per", "network"}, {"per", "email"}, {"per", "device"}, {"per", "cart"}, {"per", "account"},
		{"count", "attempts"}, {"count", "declined_cards"}, {"count", "declines"},
		{"window", "1s"}, {"window", "720h"}, {"review_over", ""}, {"review_over", "0"}, {"review_over", "4"},
		{"block_over", "4"}, {"block_over", "4096"}, {"retention", "idle"}, {"hold", "0s"}, {"hold", "720h"}, {"mode", "shadow"},
	} {
		accepts(t, "rules: ["+withRule(tt.key, tt.value)+"]")
	}
}

func TestRulesThatDoNotFitTogether(t *testing.T) {
	const big = "per: ip, window: 1h, block_over: 4096"
	refuses(t, "rules: []", "rules: expected at least one rule")
	refuses(t, "rules: [{"+goodRule+"}, {"+goodRule+"}]", "rules[1].name: expected ")
	refuses(t, "rules: [{name: a, count: cards, "+big+"}, {name: b, count: attempts, "+big+"}]", "rules[1].block_over: expected a smaller number")
	refuses(t, "rules: [{name: a, count: cards, "+big+"}, {name: b, count: cards, retention: idle, "+big+"}]", "rules[1].block_over: expected a smaller number")
	// One list serves both, whatever their names; other subjects have other records.
	accepts(t, "rules: [{name: a, count: cards, "+big+"}, {name: b, count: cards, mode: shadow, "+big+"}]")
	accepts(t, "rules: [{name: a, count: cards, "+big+"}, {name: b, count: cards, "+strings.Replace(big, "ip", "cart", 1)+"}]")
}

func TestUsersAreRefusedByTheSettingThatIsWrong(t *testing.T) {
	for user, key := range map[string]string{
		"password: hunter2":                                  "username",
		`username: "", password: hunter2`:                    "username",
		`username: "hunter2:a", password: x`:                 "username",
		"username: first, password: hunter2":                 "username",
		"username: a":                                        "password",
		`username: a, password: ""`:                          "password",
		"username: a, password: hunter2, encryption: sha256": "password",
		"username: a, encryption: sha256, password: " + strings.Repeat("hunter2z", 8): "password",
		"username: a, encryption: sha256, password: " + strings.Repeat("ab", 31):      "password",
		"username: a, encryption: sha256, password: " + strings.Repeat("ab", 33):      "password",
		"username: a, password: hunter2, roles: []":                                   "roles",
		"username: a, password: x, roles: [checker, hunter2]":                         "roles[1]",
		"username: a, password: x, roles: [Operator]":                                 "roles[0]",
		"username: a, password: x, encryption: hunter2":                               "encryption",
		"username: a, password: hunter2, encryption: md5":                             "encryption",
		"username: a, password: hunter2, encryption: bcrypt":                          "password",
		"username: a, password: hunter2, encryption: argon2id":                        "password",
		`username: a, encryption: bcrypt, password: "` + argonHash + `"`:              "encryption",
		`username: a, encryption: argon2id, password: "` + bcryptHash + `"`:           "encryption",
	} {
		refuses(t, "auth: {basic: {users: [{username: first, password: x}, {"+user+"}]}}", "auth.basic.users[1]."+key+": expected ")
	}
	accepts(t, "auth: {basic: {users: [{username: a, encryption: sha256, password: "+strings.Repeat("aB", 32)+", roles: [operator, analyst]}]}}")
	accepts(t, `auth: {basic: {users: [{username: a, encryption: argon2id, password: "`+argonHash+`"}, {username: b, encryption: bcrypt, password: "`+bcryptHash+`"}]}}`)
}

func TestHashKeyIsGivenOnceAndLongEnough(t *testing.T) {
	key := strings.Repeat("k", 25) + marker // 32 bytes
	file := func(text string) string { return "hash_key_file: " + writeFile(t, "hash.key", text) }
	refuses(t, "hash_key: "+key[1:], "hash_key: expected at least 32 bytes")
	refuses(t, file(key[1:]+"\r\n"), "hash_key_file: expected at least 32 bytes")
	refuses(t, file(""), "hash_key_file: expected at least 32 bytes")
	refuses(t, file(key)+"\nhash_key: "+key, "hash_key_file: expected only one")
	refuses(t, "hash_key_file: "+t.TempDir(), "hash_key_file: cannot read ")
	// Here the key itself stands where its file should.
	refuses(t, "hash_key_file: "+key, "hash_key_file: cannot read ")
	refusesArgs(t, "hash_key_file: cannot read ", "check-config", "--hash-key-file", key)
	accepts(t, "hash_key: "+key)
	accepts(t, file(key+"\r\n\n"))
}

func TestListenIsHostAndPort(t *testing.T) {
	for key, flag := range map[string]string{"listen": "--listen=", "operator_listen": "--operator-listen="} {
		for _, wrong := range []string{"", "hunter2", "127.0.0.1", "127.0.0.1:", "127.0.0.1:hunter2", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]", "http://hunter2:80", ":http"} {
			refuses(t, fmt.Sprintf("%s: %q", key, wrong), key+": expected ")
			refusesArgs(t, key+": expected ", "check-config", flag+wrong)
			refusesArgs(t, key+": expected ", flag+wrong)
		}
		for _, right := range []string{"127.0.0.1:0", "[::1]:65535", ":8080", "localhost:8080"} {
			assert.Equal(t, right, effective(t, accepts(t, "", flag+right), key))
		}
	}
}

func TestCommandLineAndEnvironmentAreRefusedByTheSettingThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ flag, env, want string }{
		{"--listen", "FRAUDCHECK_LISTEN", "listen: expected "},
		{"--operator-listen", "FRAUDCHECK_OPERATOR_LISTEN", "operator_listen: expected "},
		{"--store", "FRAUDCHECK_STORE", "store.kind: expected "},
		{"--log-level", "FRAUDCHECK_LOG_LEVEL", "log.level: expected "},
		{"--hash-key-file", "FRAUDCHECK_HASH_KEY_FILE", "hash_key_file: cannot read "},
		{"--config", "FRAUDCHECK_CONFIG", "cannot read /nowhere/at/all: "},
	} {
		value := "/nowhere/" + strings.Repeat(marker, 3) // as long as a key, so it may be one
		if tt.flag == "--config" {
			value = "/nowhere/at/all"
		}
		refusesArgs(t, tt.want, "check-config", tt.flag, value)
		refusesArgs(t, tt.want, tt.flag+"="+value)
		t.Run(tt.env, func(t *testing.T) {
			t.Setenv(tt.env, value)
			refusesArgs(t, tt.want, "check-config")
			refusesArgs(t, tt.want, "serve")
		})
	}
	refusesArgs(t, "unknown flag --colour", "check-config", "--colour=hunter2")
	refusesArgs(t, "unexpected argument nonsense", "nonsense")
}

func TestFlagBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	for _, tt := range []struct{ key, flag, env, byDefault, inFile, inEnv, inFlag string }{
		{"listen", "--listen", "FRAUDCHECK_LISTEN", "127.0.0.1:8080", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		{"operator_listen", "--operator-listen", "FRAUDCHECK_OPERATOR_LISTEN", "127.0.0.1:8081", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		{"log.level", "--log-level", "FRAUDCHECK_LOG_LEVEL", "INFO", "ERROR", "DEBUG", "DISABLED"},
		{"hash_key_file", "--hash-key-file", "FRAUDCHECK_HASH_KEY_FILE", "",
			writeFile(t, "a.key", hashKey), writeFile(t, "b.key", hashKey), writeFile(t, "c.key", hashKey)},
	} {
		t.Run(tt.key, func(t *testing.T) {
			file := nested(tt.key, `"`+tt.inFile+`"`)
			assert.Equal(t, tt.byDefault, effective(t, accepts(t, ""), tt.key))
			assert.Equal(t, tt.inFile, effective(t, accepts(t, file), tt.key))
			t.Setenv(tt.env, tt.inEnv)
			assert.Equal(t, tt.inEnv, effective(t, accepts(t, file), tt.key))
			assert.Equal(t, tt.inFlag, effective(t, accepts(t, file, tt.flag, tt.inFlag), tt.key))
		})
	}
}

func TestConfigurationFileByFlagBeforeEnvironment(t *testing.T) {
	t.Setenv("FRAUDCHECK_CONFIG", writeFile(t, "env.yaml", "{listen: 127.0.0.1:1, drain: 7s}"))
	assert.Equal(t, "127.0.0.1:1", effective(t, accepts(t, ""), "listen"))
	out := accepts(t, "listen: 127.0.0.1:2")
	assert.Equal(t, "127.0.0.1:2", effective(t, out, "listen"))
	assert.Equal(t, "5s", effective(t, out, "drain"), "one file is read, not two")
}

// effective finds a setting in what check-config printed.
func effective(t *testing.T, printed, key string) string {
	t.Helper()
	var at any
	require.NoError(t, yaml.Unmarshal([]byte(printed), &at))
	for name := range strings.SplitSeq(key, ".") {
		settings, ok := at.(map[string]any)
		require.True(t, ok, printed)
		at = settings[name]
	}
	return fmt.Sprint(at)
}

func TestTheDefaultRuleIsThatOfThePackage(t *testing.T) {
	rules := config.Defaults().Rules
	require.Len(t, rules, 1)
	assert.Equal(t, velocity.DefaultRule, ruleOf(rules[0]))
}

func TestCheckConfigSaysWhatWouldRun(t *testing.T) {
	assert.Equal(t, `listen: 127.0.0.1:8080
operator_listen: 127.0.0.1:8081
hash_key: ""
hash_key_file: ""
hash_key_previous_file: ""
tls:
    cert_file: ""
    key_file: ""
    peer_ca_file: ""
    in_front: false
limits:
    in_flight: 2048
    answer: 80ms
    connections:
        callers: 0
        operators: 256
    read: 5s
    write: 5s
    idle: 1m15s
drain_delay: 0s
drain: 5s
store:
    kind: memory
    on_failure: local
    budget: 50ms
    memory:
        max_bytes: 1GiB
        snapshot_file: ""
        snapshot_every: 1m0s
    memcached:
        servers:
            - 127.0.0.1:11211
        max_conns: 64
ipv6_prefix: 64
rules:
    - name: cards_per_ip
      per: ip
      count: cards
      window: 1h0m0s
      review_over: 3
      block_over: 5
      retention: sliding
      hold: 0s
      mode: enforce
lists:
    allow: []
    block: []
    allow_file: ""
    block_file: ""
decisions:
    keep: 10000
operator_peers: []
decision_log:
    path: ""
    key_file: ""
    days: 30
    max_bytes: 10GiB
instance: ""
accept_no_ip: false
auth:
    basic:
        users: []
        users_file: ""
    jwt:
        client_id: ""
        secret: ""
        secret_file: ""
        previous_secret_file: ""
        profile_claims: []
        encoding: base64url
        public_key_file: ""
        jwks_file: ""
        algorithms: []
        issuer: ""
        roles_claim: roles
        role_map: {}
    tokens:
        ttl: 30m0s
        refresh_ttl: 24h0m0s
        per_user: 16
        sliding: false
    session_timeout: 1h0m0s
    networks: []
trusted_proxies: []
cors:
    origins: []
collapse_guard:
    private: review
    share: 0.3
    networks: []
    networks_file: ""
log:
    level: INFO
    format: canister
    path: ""
    days: 30
    max_bytes: 1GiB
    ip: prefix
debug:
    pprof: false
`, accepts(t, ""))
}

func TestCheckConfigHidesSecretsAndOtherwiseReadsItself(t *testing.T) {
	const open = "store: {memory: {max_bytes: 1048577}}\nipv6_prefix: 56\nlog: {format: json}\n"
	const jwtSecret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"
	users := guarded + "  jwt: {client_id: shop, secret: " + jwtSecret + ", role_map: {desk: analyst, root: operator}}\n"
	sha := strings.Repeat("5e", 32)
	printed := accepts(t, users+open)
	for _, shown := range []string{password, hashKey, jwtSecret} {
		assert.NotContains(t, printed, shown)
	}
	assert.NotContains(t, accepts(t, "auth: {basic: {users: [{username: a, encryption: sha256, password: "+sha+"}]}}"), sha)
	assert.Contains(t, printed, "hash_key: (hidden)\n")
	assert.Contains(t, printed, " password: (hidden)\n")
	assert.Contains(t, printed, " secret: (hidden)\n")
	assert.Contains(t, printed, "max_bytes: 1048577B\n")

	// What is hidden must be filled in again, everything else stands.
	for _, secret := range []struct{ key, value string }{
		{"hash_key", hashKey}, {"auth.basic.users[0].password", password}, {"auth.jwt.secret", jwtSecret},
	} {
		refuses(t, printed, secret.key+": expected ")
		printed = strings.Replace(printed, "(hidden)", secret.value, 1)
	}
	assert.Equal(t, accepts(t, users+open), accepts(t, printed))
}

func TestCheckConfigWarnsOfRulesThatBlockHonestShoppers(t *testing.T) {
	rule := func(name, per, count, mode string) string {
		return fmt.Sprintf("{name: %s, per: %s, count: %s, window: 1h, block_over: 5, mode: %s}", name, per, count, mode)
	}
	printed := accepts(t, "rules: ["+rule("quiet", "ip", "cards", "enforce")+","+rule("one_card", "card", "ips", "shadow")+","+
		rule("one_mail", "email", "cards", "enforce")+","+rule("shadow_mail", "email", "attempts", "shadow")+"]")
	_, warnings, _ := strings.Cut(printed, "# ")
	lines := strings.Split("# "+warnings, "\n")
	require.Len(t, lines, 3, printed)
	assert.Regexp(t, `^# warning: rules\[1\] \(one_card\) .*card_id`, lines[0])
	assert.Regexp(t, `^# warning: rules\[2\] \(one_mail\) .*shadow`, lines[1])
	assert.Empty(t, lines[2])
	accepts(t, printed) // the warnings are remarks
}

func TestSecretIsHiddenHoweverItIsPrinted(t *testing.T) {
	s := config.Settings{HashKey: marker}
	s.Auth.JWT.Secret = marker
	s.Auth.Basic.Users = []config.User{{Password: marker}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assert.NotContains(t, fmt.Sprintf(format, s), marker)
		assert.NotContains(t, fmt.Sprintf(format, s.HashKey), fmt.Sprintf("%x", marker))
	}
	for _, form := range []string{"canister", "json"} {
		var out strings.Builder
		logger, closeLog, _ := logging.New(&out, nil, "INFO", form)
		logger.Info("m", "key", s.HashKey, "settings", s)
		closeLog()
		line := out.String()
		assert.Contains(t, line, config.Hidden, form)
		assert.NotContains(t, line, marker, form)
	}
	assert.Empty(t, config.Secret("").String(), "there is nothing to hide")
}

func TestVersionIsOneLine(t *testing.T) {
	stdout, stderr, code := command("version")
	assert.Equal(t, 0, code)
	assert.Empty(t, stderr)
	assert.Regexp(t, `^fraudcheck [^\n]*go1\.[^\n]*\n$`, stdout)
}
