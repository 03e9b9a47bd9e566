package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const keyed = "hash_key: " + hashKey + "\n"

func TestMemcachedServersAreRefusedByTheOneThatIsWrong(t *testing.T) {
	for _, wrong := range []string{
		"", "hunter2", "127.0.0.1", "127.0.0.1:", "127.0.0.1:hunter2", "127.0.0.1:65536", "::1:11211", "[::1]",
		"tcp://hunter2:11211", "hunter2/memcached.sock",
	} {
		for _, kind := range []string{"memory", "memcached"} {
			refuses(t, keyed+fmt.Sprintf("store: {kind: %s, memcached: {servers: ['127.0.0.1:1', %q]}}", kind, wrong),
				"store.memcached.servers[1]: expected ")
		}
		refusesArgs(t, "store.memcached.servers[1]: expected ", "check-config", "--memcached-servers=127.0.0.1:1,"+wrong)
		refusesArgs(t, "store.memcached.servers[0]: expected ", "--memcached-servers="+wrong)
	}
	refuses(t, nested("store.memcached.servers", "['hunter2:1', 'a:1', 'hunter2:1']"), "store.memcached.servers[2]: expected a server that is not listed yet")
	refusesArgs(t, "store.memcached.servers[1]: expected a server that is not listed yet", "check-config", "--memcached-servers", "hunter2:1,hunter2:1")
	refuses(t, keyed+"store: {kind: memcached, memcached: {servers: []}}", "store.memcached.servers: expected at least one server")
	accepts(t, "store: {memcached: {servers: []}}") // they are not used

	for _, right := range []string{"127.0.0.1:11211", "[::1]:11211", "cache-1.internal:11211", "localhost:11211", "/run/memcached.sock"} {
		out := accepts(t, keyed+fmt.Sprintf("store: {kind: memcached, memcached: {servers: [%q, 'b:1']}}", right))
		assert.Equal(t, "["+right+" b:1]", effective(t, out, "store.memcached.servers"))
	}
}

// "a:1, b:1" would be one server, which cannot be reached.
func TestMemcachedServersHoldNoBlanks(t *testing.T) {
	for _, wrong := range []string{" 127.0.0.1:11211", "127.0.0.1 :11211", "127.0.0.1\t:11211", "a\nb:11211"} {
		refuses(t, nested("store.memcached.servers", fmt.Sprintf("['127.0.0.1:1', %q]", wrong)), "store.memcached.servers[1]: expected ")
		refusesArgs(t, "store.memcached.servers[1]: expected ", "check-config", "--memcached-servers=127.0.0.1:1,"+wrong)
		refusesArgs(t, "listen: expected ", "check-config", "--listen="+wrong)
	}
}

func TestMemcachedServersByFlagBeforeEnvironmentBeforeFile(t *testing.T) {
	file := nested("store.memcached.servers", "['a:1', 'a:2']")
	servers := func(text string, args ...string) string {
		return effective(t, accepts(t, text, args...), "store.memcached.servers")
	}
	assert.Equal(t, "[127.0.0.1:11211]", servers(""))
	assert.Equal(t, "[a:1 a:2]", servers(file))
	t.Setenv("FRAUDCHECK_MEMCACHED_SERVERS", "b:1")
	assert.Equal(t, "[b:1]", servers(file))
	assert.Equal(t, "[c:1 c:2 /c]", servers(file, "--memcached-servers", "c:1,c:2,/c"))

	t.Setenv("FRAUDCHECK_MEMCACHED_SERVERS", marker)
	refusesArgs(t, "store.memcached.servers[0]: expected ", "check-config")
	refusesArgs(t, "store.memcached.servers[0]: expected ", "serve")
}

func TestStoreByFlagBeforeEnvironmentBeforeFile(t *testing.T) {
	const file = keyed + "store: {kind: memcached}"
	kind := func(text string, args ...string) string {
		return effective(t, accepts(t, text, args...), "store.kind")
	}
	assert.Equal(t, "memory", kind(""))
	assert.Equal(t, "memcached", kind(file))
	assert.Equal(t, "memory", kind(file, "--store", "memory"))
	t.Setenv("FRAUDCHECK_STORE", "memory")
	assert.Equal(t, "memory", kind(file))
	assert.Equal(t, "memcached", kind(file, "--store", "memcached"))
}

// Instances whose keys differ would not know one another's records.
func TestMemcachedNeedsAHashKey(t *testing.T) {
	const want = "hash_key_file: expected a hash key, the same on all instances"
	refuses(t, nested("store.kind", "memcached"), want)
	refuses(t, "hash_key: ''\nstore: {kind: memcached}", want)
	refusesArgs(t, want, "check-config", "--store=memcached")
	refusesArgs(t, want, "--store=memcached")
	accepts(t, "", "--store=memcached", "--hash-key-file", writeFile(t, "hash.key", hashKey))
}

func TestJWTIsRefusedByTheSettingThatIsWrong(t *testing.T) {
	const good = "client_id: shop, secret: c2l4dGVlbi1ieXRlcy4uLg"
	for jwt, key := range map[string]string{
		"client_id: shop":                                                                           "secret",
		"secret: c2l4dGVlbi1ieXRlcy4uLg":                                                            "client_id",
		"client_id: '', secret: c2l4dGVlbi1ieXRlcy4uLg":                                             "client_id",
		"client_id: shop, secret: c2l4dGVlbi1ieXRlcy4":                                              "secret", // 14 bytes
		"client_id: shop, encoding: clear, secret: hunter2-hunter2":                                 "secret", // 15
		"client_id: shop, secret: 'hunter2 hunter2 hunter2 hunter2'":                                "secret",
		"client_id: shop, secret: +/hunter2hunter2hunter2hunter2+/":                                 "secret",
		"client_id: shop, encoding: base64std, secret: -_hunter2hunter2hunter2hunter2-_":            "secret",
		good + ", encoding: hunter2":                                                                "encoding",
		good + ", encoding: base64":                                                                 "encoding",
		good + ", algorithms: []":                                                                   "algorithms",
		good + ", algorithms: [none]":                                                               "algorithms[0]",
		good + ", algorithms: [HS256, RS256]":                                                       "algorithms",
		good + ", algorithms: [HS256, RS384]":                                                       "algorithms[1]",
		good + ", algorithms: [HS256, hunter2]":                                                     "algorithms[1]",
		good + ", algorithms: [hs256]":                                                              "algorithms[0]",
		good + ", roles_claim: ''":                                                                  "roles_claim",
		good + ", role_map: {desk: hunter2}":                                                        "role_map",
		good + ", role_map: {desk: analyst, root: Operator}":                                        "role_map",
		good + ", role_map: {hunter2: checker, hunter2: analyst}":                                   "role_map",
		good + ", role_map: {desk: [checker, analyst]}":                                             "role_map",
		good + ", role_map: {? [hunter2] : checker}":                                                "role_map",
		"client_id: shop, encoding: clear, secret: ''":                                              "secret",
		"client_id: shop, secret: (hidden)":                                                         "secret",
		"client_id: shop, encoding: base64std, secret: 'aHVudGVyMmh1bnRlcjJodW50ZXIy\nhunter2'":     "secret",
		"client_id: shop, encoding: base64std, secret: 'aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==='": "secret",
	} {
		refuses(t, "auth: {jwt: {"+jwt+"}}", "auth.jwt."+key+": expected ")
	}
	for _, jwt := range []string{
		good, "client_id: shop, secret: c2l4dGVlbi1ieXRlcy4uLg==", good + ", role_map: {desk: analyst, root: operator, '': checker}",
		"client_id: shop, encoding: clear, secret: hunter2-hunter2+", good + ", issuer: https://issuer.example, roles_claim: groups",
	} {
		assert.NotContains(t, accepts(t, "auth: {jwt: {"+jwt+"}}"), marker)
	}
}

// With JWT configured there are callers: no credential is made.
func TestJWTAloneMakesNoCredential(t *testing.T) {
	t.Parallel()
	p := start(t, keyed+"listen: 127.0.0.1:0\nauth: {jwt: {client_id: shop, secret: "+strings.Repeat("QUJD", 8)+"}}")
	a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"))
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.Equal(t, `Bearer realm="fraudcheck"`, a.header.Get("WWW-Authenticate"))
	assert.Empty(t, p.stdout.String())
}
