package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckConfigWarnsOfProbableMistakes(t *testing.T) {
	const rule = "{name: a, per: ip, count: cards, window: 1h, block_over: 5, mode: "
	const alike = "rules: [" + rule + "enforce}, {name: b, per: ip, count: cards, window: 1h, "
	users := writeFile(t, "users", "desk:"+bcryptHash+":bind_ip\nany:"+bcryptHash+"\n")
	for text, want := range map[string]string{
		"rules: [" + rule + "shadow}]":                                                                      "rules: none is in mode enforce, so none blocks",
		"rules: [" + rule + "shadow, hold: 1h}]":                                                            "rules[0] (a) has a hold that has no effect in mode: shadow: only an enforced rule begins one",
		"lists: {allow: [{net: 0.0.0.0/0}]}":                                                                "lists.allow[0].net holds every IPv4 address: no rule blocks any",
		"lists: {allow: [{net: 10.0.0.1}, {net: \"::/0\"}]}":                                                "lists.allow[1].net holds every IPv6 address: no rule blocks any",
		"lists: {block: [{net: 10.0.0.1, until: \"2020-01-31T00:00:00Z\"}]}":                                "lists.block[0].until is past: the entry has no effect",
		"hash_key: " + hashKey + "\nstore: {kind: memcached}":                                               "auth names no caller: each instance makes a credential of its own, and no other takes it",
		"hash_key: " + hashKey + "\nstore: {kind: memcached, budget: 100ms}":                                "store.budget is longer than limits.answer (80ms), which ends it",
		"store: {budget: 200ms}":                                                                            "store.budget is longer than limits.answer (80ms), which ends it",
		"hash_key: " + hashKey + "\nlimits: {answer: 40ms}\nstore: {kind: memcached}":                       "store.budget is longer than limits.answer (40ms), which ends it",
		"listen: unix:/tmp/x\nauth: {networks: [10.0.0.0/8]}":                                               "auth.networks: a caller over the unix socket of listen has no IP address, so none can call there",
		"listen: unix:/tmp/x\nauth: {basic: {users: [{username: a, password: b, networks: [10.0.0.0/8]}]}}": "auth.basic.users[0].networks: a caller over the unix socket of listen has no IP address, so this user can never call there",
		"listen: unix:/tmp/x\nauth: {basic: {users: [{username: a, password: b, bind_ip: true}]}}":          "auth.basic.users[0].bind_ip: a caller over the unix socket of listen has no IP address, so this user can never log in there",
		"listen: unix:/tmp/x\nauth: {basic: {users_file: USERS}}":                                           "auth.basic.users_file: a caller over the unix socket of listen has no IP address, so 1 user with networks or bind_ip can never call or log in there",
		alike + "block_over: 5}]":                                                                           "rules[1] (b) decides nothing that rules[0] (a) does not: both count the same over the same window",
		alike + "block_over: 4}]":                                                                           "rules[0] (a) decides nothing that rules[1] (b) does not: both count the same over the same window",
		alike + "block_over: 9, review_over: 6}]":                                                           "rules[1] (b) decides nothing that rules[0] (a) does not: both count the same over the same window",
		alike + "block_over: 9, review_over: 4}]":                                                           "",
		alike + "block_over: 9, hold: 24h}]":                                                                "",
		alike + "block_over: 9, retention: idle}]":                                                          "",
		alike + "block_over: 4, mode: shadow}]":                                                             "",
		"hash_key: /run/secrets/fraudcheck_hash_key_of_the_shop":                                            "hash_key looks like a path: hash_key_file names the file of a key",
		"hash_key: secrets/of/the/shop/fraudcheck/hash.key":                                                 "hash_key looks like a path: hash_key_file names the file of a key",
		"hash_key: /iOqVv0zT4kW9x2LrJc8pN7sYbE3mUdHfGa5QtRwZlo=":                                            "",
		"auth: {networks: [10.0.0.0/8]}":                                                                    "",
		"limits: {answer: 40ms}":                                                                            "",
		"rules: [" + rule + "shadow}, {name: b, " + rule[len("{name: a, "):] + "enforce}]":                  "",
		"lists: {allow: [{net: 10.0.0.0/8, until: \"2999-01-31T00:00:00Z\"}]}":                              "",
		"lists: {block: [{net: 0.0.0.0/0}]}":                                                                "",
		"hash_key: " + hashKey + "\nstore: {kind: memcached}\n" + strings.SplitN(guarded, hashKey, 2)[1]:    "",
	} {
		text = strings.Replace(text, "USERS", users, 1)
		printed := accepts(t, text)
		if want == "" {
			for _, unlike := range []string{"rules: none", "hash_key looks", "rules[0] (a) decides", "rules[1] (b) decides", "lists.", "auth names", "auth.networks", "store.budget"} {
				assert.NotContains(t, printed, "# warning: "+unlike, text)
			}
			continue
		}
		assert.Contains(t, printed, "# warning: "+want+"\n", text)
	}
}

// serve refuses it; check-config says the same, as a warning.
func TestTheFolderOfASocketHasToBeThere(t *testing.T) {
	file := writeFile(t, "f", "")
	for folder, why := range map[string]string{"/none": "no such file or directory", file: "not a directory"} {
		config := writeFile(t, "c.yaml", "drain: 1s\nlisten: unix:"+folder+"/check.sock\noperator_listen: 127.0.0.1:0\n")
		says := config + ":2: listen: cannot make the socket in " + folder + ": " + why + "\n"
		stdout, stderr, code := command("serve", "--config", config)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Equal(t, "fraudcheck: "+says, stderr)
		stdout, stderr, code = configCheck(t, "--config", config)
		assert.Zero(t, code, stderr)
		assert.Contains(t, stdout, "# warning: "+says)
	}
	assert.NotContains(t, accepts(t, "listen: unix:"+t.TempDir()+"/check.sock\n"), "cannot make")
}

// serve may be another user than check-config. Nobody can make a file in this folder, not
// even root.
func TestASocketFolderThatCannotBeWrittenIsAWarning(t *testing.T) {
	assert.Contains(t, accepts(t, "listen: unix:/proc/self/check.sock\n"), ": listen: cannot make the socket in /proc/self: ")
}

// Nobody listens at port 1: the store fails at once.
func TestOnFailureDecidesWithoutAStore(t *testing.T) {
	for value, want := range map[string]string{"local": "allow", "allow": "allow", "block": "block"} {
		t.Run(value, func(t *testing.T) {
			p := start(t, guarded+"store: {kind: memcached, on_failure: "+value+", memcached: {servers: ['127.0.0.1:1']}}\n")
			a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"))
			require.Equal(t, http.StatusOK, a.status)
			assert.Equal(t, want, a.Decision, a.body)
			assert.True(t, a.Degraded)
			assert.Equal(t, value != "local", strings.Contains(a.body, `"reasons":["store_failure"]`), a.body)
		})
	}
}
