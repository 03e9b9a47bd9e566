package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each mistake and the whole message of it. DIR is the folder of the configuration.
func TestEveryMistakeIsAnsweredWithFileLineAndKey(t *testing.T) {
	const rule = "rules:\n  - name: a\n    per: ip\n    count: cards\n"
	for _, tt := range []struct{ name, text, want string }{
		{"a wrong type", "limits:\n  read: fast\n", "DIR/f.yaml:2: limits.read: wrong value; expected a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day), from 10ms to 1h"},
		{"out of range", "ipv6_prefix: 12", "DIR/f.yaml:1: ipv6_prefix: wrong value; expected a whole number, from 48 to 128"},
		{"a name that is not one of a few", "\nlog: {level: LOUD}", "DIR/f.yaml:2: log.level: wrong value; expected one of DISABLED, DEBUG, INFO, WARNING, ERROR, CRITICAL"},
		{"nothing after the colon", "\nlisten:\ndrain: 1s", "DIR/f.yaml:2: listen: missing; expected text such as 127.0.0.1:8080"},
		{"set twice", "drain: 1s\n# a remark\ndrain: 2s", "DIR/f.yaml:3: drain: set twice, first in line 1"},

		{"a mistyped key", "lisen: 127.0.0.1:80", "DIR/f.yaml:1: lisen: unknown setting; did you mean listen?"},
		{"a mistyped key below others", "limits:\n  reed: 1s", "DIR/f.yaml:2: limits.reed: unknown setting; did you mean limits.read?"},
		{"a mistyped key in a list", rule + "    windw: 1h", "DIR/f.yaml:5: rules[0].windw: unknown setting; did you mean rules[0].window?"},
		{"a key in the wrong place", "max_conns: 7", "DIR/f.yaml:1: max_conns: unknown setting; did you mean store.memcached.max_conns?"},
		{"a key like no other", "log: {colour: red}", "DIR/f.yaml:1: log.colour: unknown setting; there are level, format, path, days, max_bytes, ip"},
		{"a key that may be a secret", "log: {level:hunter2}", "DIR/f.yaml:1: log: unknown setting, not shown; a name is followed by a colon and a blank; there are level, format, path, days, max_bytes, ip"},

		{"wrong indentation", "listen: 127.0.0.1:1\nlimits:\n  read: 1s\n  write: 1s\n   idle: 1s\n", "DIR/f.yaml:5: not well-formed YAML: mapping values are not allowed in this context; mend the indentation, or put a value that holds a colon in quotes"},
		{"a line that is indented less", "listen: 127.0.0.1:1\nlimits:\n  read: 1s\n  write: 1s\n idle: 1s\ndrain: 1s\n", "DIR/f.yaml:5: not well-formed YAML: did not find expected key; mend the indentation"},
		{"a mapping where a value is", "store:\n  kind: memory\n  budget: 1s: 2s\n", "DIR/f.yaml:3: not well-formed YAML: mapping values are not allowed in this context; mend the indentation, or put a value that holds a colon in quotes"},
		{"a tab", "limits:\n\tread: 1s\n", "DIR/f.yaml:2: not well-formed YAML: found character that cannot start any token; indent with blanks, not with tabs"},
		{"an anchor that nobody set", "listen: 127.0.0.1:1\ndrain: *hunter2\n", "DIR/f.yaml:2: not well-formed YAML: unknown anchor (not shown) referenced; put what begins with a mark such as ! & * % @ in quotes"},
		{"a ! without quotes", "auth:\n  networks:\n    - 10.0.0.0/8\n    - !10.1.0.0/16\n", `DIR/f.yaml:4: auth.networks[1]: wrong value; expected text; put what begins with ! in quotes, as in "!10.0.0.0/8"`},
		{"two documents", "drain: 1s\n---\ndrain: 2s\n", "DIR/f.yaml:2: expected one YAML document"},
		{"no mapping", "- drain\n", "DIR/f.yaml:1: expected a mapping of settings: on each line a name, a colon, a blank and the value"},

		{"a rule without a window", rule + "    block_over: 5\n", "DIR/f.yaml:2: rules[0].window: missing; expected whole seconds from 1s to 720h"},
		{"a rule with a wrong window", rule + "    block_over: 5\n    window: 1ms\n", "DIR/f.yaml:6: rules[0].window: wrong value; expected whole seconds from 1s to 720h"},
		{"no rule", "drain: 1s\nrules: []", "DIR/f.yaml:2: rules: wrong value; expected at least one rule"},
		{"a network in a list", "lists:\n  allow:\n    - net: 10.0.0.1\n    - note: b\n    - net: 10.0.0.1/8\n", "DIR/f.yaml:4: lists.allow[1].net: missing; expected an address, or a network without host bits such as 198.51.100.0/24"},
		{"a network twice", "lists:\n  allow:\n    - net: 10.0.0.1\n  block:\n    - net: 10.0.0.1\n", "DIR/f.yaml:5: lists.block[0].net: wrong value; expected a network that is not listed yet, in either list"},
		{"a user without a password", "auth:\n  basic:\n    users:\n      - username: a\n        password: b\n      - username: c\n", "DIR/f.yaml:6: auth.basic.users[1].password: missing; expected at least one character"},
		{"a proxy", "trusted_proxies:\n  - 10.0.0.1\n  - nowhere\n", "DIR/f.yaml:3: trusted_proxies[1]: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24"},
		{"an origin", "cors:\n  origins:\n    - https://a.example\n    - a.example\n", "DIR/f.yaml:4: cors.origins[1]: wrong value; expected an origin as browsers send it: http or https, host, and the port unless it is the usual one, as in https://shop.example:8443"},
		{"a token's secret", "auth:\n  jwt:\n    client_id: shop\n", "DIR/f.yaml:2: auth.jwt.secret: missing; expected a secret, or one of public_key_file and jwks_file"},
		{"a key without its certificate", "tls:\n  key_file: k\n", "DIR/f.yaml:1: tls.cert_file: missing; expected a certificate, where tls.key_file is set"},
		{"TLS in front without a proxy", "\ntls:\n  in_front: true\n", "DIR/f.yaml:3: trusted_proxies: missing; expected the proxies that end TLS, where tls.in_front is true"},
		{"times that do not fit", "auth:\n  tokens:\n    refresh_ttl: 1m\n", "DIR/f.yaml:2: auth.tokens.ttl: wrong value; expected at most auth.tokens.refresh_ttl"},
		{"memcached without a hash key", "drain: 1s\nstore:\n  kind: memcached\n", "DIR/f.yaml:3: hash_key_file: missing; expected a hash key, the same on all instances, where store.kind is memcached"},
		{"a server", "store: {memcached: {servers: ['a:1',\n  b]}}\n", "DIR/f.yaml:2: store.memcached.servers[1]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"},

		{"a file that is not there", "hash_key_file: sub/hash.key\n", "DIR/f.yaml:1: hash_key_file: cannot read DIR/sub/hash.key: no such file or directory"},
		{"a file whose name may be a secret", "hash_key_file: dGhlIHNlY3JldCBpdHNlbGY\n", "DIR/f.yaml:1: hash_key_file: cannot read it in DIR: no such file or directory"},
		{"a file in a folder that is not there", "\nhash_key_file: none/hash.key\n", "DIR/f.yaml:2: hash_key_file: cannot read it: no such file or directory"},
		{"a file that is a folder", "hash_key_file: sub\n", "DIR/f.yaml:1: hash_key_file: cannot read DIR/sub: is a directory"},
		{"a file with a mistake", "auth: {basic: {users_file: users}}\n", "DIR/users:2: auth.basic.users_file: wrong value; expected a bcrypt hash or an argon2id string after the name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "users"), []byte("# ours\na:secret\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "f.yaml"), []byte(tt.text), 0o600))
			stdout, stderr, code := command("check-config", "--config", filepath.Join(dir, "f.yaml"))
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Equal(t, "fraudcheck: "+tt.want+"\n", strings.ReplaceAll(stderr, dir, "DIR"))
		})
	}
}

// What only serve finds: it would use the file or the address.
func TestASettingThatCannotBeUsedIsNamedByTheStart(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	for _, tt := range []struct{ text, want string }{
		{"listen: " + busy.Addr().String(), "f.yaml:1: listen: listen tcp " + busy.Addr().String() + ": bind: address already in use"},
		{"drain: 1s\nlog:\n  path: f.yaml", "f.yaml:3: log.path: cannot create the folder: mkdir DIR/f.yaml: not a directory"},
		{"store:\n  memory:\n    snapshot_file: none/snapshot\nhash_key: " + hashKey,
			"f.yaml:3: store.memory.snapshot_file: cannot create a file in DIR/none: no such file or directory"},
	} {
		file := writeFile(t, "f.yaml", tt.text+"\n")
		args := []string{"--operator-listen=127.0.0.1:0", "--config", file}
		if !strings.HasPrefix(tt.text, "listen") {
			args = append(args, "--listen=127.0.0.1:0")
		}
		_, stderr, code := command(args...)
		assert.Equal(t, 1, code)
		_, message, _ := strings.Cut(strings.ReplaceAll(stderr, filepath.Dir(file), "DIR"), "/")
		assert.Equal(t, tt.want+"\n", message)
	}
}

func TestAMistakeInAFlagOrVariableNamesIt(t *testing.T) {
	for _, tt := range []struct{ variable, value, flag, want string }{
		{"", "", "--listen=nowhere", "--listen: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"},
		{"FRAUDCHECK_LISTEN", "nowhere", "", "FRAUDCHECK_LISTEN: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"},
		{"FRAUDCHECK_LISTEN", "127.0.0.1:1", "--listen=nowhere", "--listen: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"},
		{"FRAUDCHECK_LOG_LEVEL", "loud", "", "FRAUDCHECK_LOG_LEVEL: log.level: wrong value; expected one of DISABLED, DEBUG, INFO, WARNING, ERROR, CRITICAL"},
		{"", "", "--store=memcached", "--store: hash_key_file: missing; expected a hash key, the same on all instances, where store.kind is memcached"},
		{"", "", "--memcached-servers=a:1,b", "--memcached-servers: store.memcached.servers[1]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"},
		{"FRAUDCHECK_HASH_KEY_FILE", "/none/hash.key", "", "FRAUDCHECK_HASH_KEY_FILE: hash_key_file: cannot read it: no such file or directory"},
		{"", "", "--config=/none/f.yaml", "--config: cannot read /none/f.yaml: no such file or directory"},
		{"FRAUDCHECK_CONFIG", "/none/f.yaml", "", "FRAUDCHECK_CONFIG: cannot read /none/f.yaml: no such file or directory"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if tt.variable != "" {
				t.Setenv(tt.variable, tt.value)
			}
			args := []string{"check-config"}
			if tt.flag != "" {
				args = append(args, tt.flag)
			}
			_, stderr, code := command(args...)
			assert.Equal(t, 1, code)
			assert.Equal(t, "fraudcheck: "+tt.want+"\n", stderr)
		})
	}
}

func TestFilesAreLookedForBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hash.key"), []byte(hashKey), 0o600))
	config := filepath.Join(dir, "f.yaml")
	require.NoError(t, os.WriteFile(config, []byte("hash_key_file: hash.key\n"), 0o600))
	elsewhere := filepath.Join(t.TempDir(), "link.yaml")
	require.NoError(t, os.Symlink(config, elsewhere))
	_, stderr, code := command("check-config", "--config", elsewhere)
	assert.Equal(t, 1, code, "the folder is that of the link")
	assert.Contains(t, stderr, "link.yaml:1: hash_key_file: cannot read "+filepath.Dir(elsewhere)+"/hash.key: ")

	t.Chdir(filepath.Dir(dir))
	stdout, stderr, code := command("check-config", "--config", filepath.Join(filepath.Base(dir), "f.yaml"))
	require.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "hash_key_file: "+filepath.Join(dir, "hash.key")+"\n")

	_, stderr, code = command("check-config", "--hash-key-file", "hash.key")
	assert.Equal(t, 1, code, "a flag's name is relative to the current folder")
	assert.Contains(t, stderr, "--hash-key-file: hash_key_file: cannot read "+filepath.Dir(dir)+"/hash.key: no such file")
	t.Chdir(dir)
	accepts(t, "", "--hash-key-file", "hash.key")
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	for name, want := range map[string]string{
		"FRAUDCHECK_LISTN":           "# warning: environment variable FRAUDCHECK_LISTN is unknown; did you mean FRAUDCHECK_LISTEN?\n",
		"FRAUDCHECK_COLOUR":          "# warning: environment variable FRAUDCHECK_COLOUR is unknown\n",
		"FRAUDCHECK_SERVICE_HOST":    "",
		"FRAUDCHECK_PORT":            "",
		"FRAUDCHECK_PORT_80_TCP":     "",
		"FRAUDCHECK_OPERATOR_LISTEN": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "127.0.0.1:1")
			printed := accepts(t, "")
			if want == "" {
				assert.NotContains(t, printed, "environment variable")
			} else {
				assert.Contains(t, printed, want)
			}
		})
	}
}
