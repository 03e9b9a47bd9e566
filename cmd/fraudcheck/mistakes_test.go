package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What people write who did not read the manual, and the whole message of it: it is to be
// mended in ten seconds. DIR is the folder of the configuration.
func TestAMistakeIsAnsweredWithWhatMendsIt(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a port alone", "listen: 8080\n", "DIR/f.yaml:1: listen: wrong value; expected text such as 127.0.0.1:8080"},
		{"a port with a letter", "listen: :8080x\n", "DIR/f.yaml:1: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"},
		{"no blank after the colon", "listen:127.0.0.1:80\n", "DIR/f.yaml:1: expected a mapping of settings: on each line a name, a colon, a blank and the value"},
		{"an equals sign", "listen = 127.0.0.1:80\n", "DIR/f.yaml:1: expected a mapping of settings: on each line a name, a colon, a blank and the value"},
		{"a duration without its unit", "drain: 5\n", "DIR/f.yaml:1: drain: wrong value; expected a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day), from 0s to 1h"},
		{"a duration in words", "drain: 5 seconds\n", "DIR/f.yaml:1: drain: wrong value; expected a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day), from 0s to 1h"},
		{"a duration in days", "rules:\n  - {name: a, per: ip, count: cards, window: 1d, block_over: 5}\n", "DIR/f.yaml:2: rules[0].window: wrong value; expected a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day)"},
		{"a size in GB", "store: {memory: {max_bytes: 1GB}}\n", "DIR/f.yaml:1: store.memory.max_bytes: wrong value; expected a size in KiB, MiB, GiB or TiB, such as 64MiB, from 1MiB to 1TiB"},
		{"a fraction of a size", "store: {memory: {max_bytes: 1.5GiB}}\n", "DIR/f.yaml:1: store.memory.max_bytes: wrong value; expected a size in KiB, MiB, GiB or TiB, such as 64MiB, from 1MiB to 1TiB"},
		{"a size with a blank", "store: {memory: {max_bytes: 64 MiB}}\n", "DIR/f.yaml:1: store.memory.max_bytes: wrong value; expected a size in KiB, MiB, GiB or TiB, such as 64MiB, from 1MiB to 1TiB"},
		{"a size that is too small", "store: {memory: {max_bytes: 64}}\n", "DIR/f.yaml:1: store.memory.max_bytes: wrong value; expected a size in KiB, MiB, GiB or TiB, such as 64MiB, from 1MiB to 1TiB"},
		{"a store that there is not", "store: {kind: redis}\n", "DIR/f.yaml:1: store.kind: wrong value; expected one of memory, memcached"},
		{"a store that is nearly right", "store: {kind: memcache}\n", "DIR/f.yaml:1: store.kind: wrong value; expected one of memory, memcached; did you mean memcached?"},
		{"a value in place of a mapping", "store: memcached\n", "DIR/f.yaml:1: store: wrong value; expected settings in braces or on lines of their own, such as {kind: ...}, of kind, on_failure, budget, memory, memcached"},
		{"a value in place of a list", "store: {kind: memcached, memcached: {servers: 127.0.0.1:11211}}\nhash_key: staple-0123456789-0123456789-0123456789\n", "DIR/f.yaml:1: store.memcached.servers: wrong value; expected a list, in brackets or with each entry on a line after a dash"},
		{"a server without a port", "store: {kind: memcached, memcached: {servers: [10.0.0.1]}}\nhash_key: staple-0123456789-0123456789-0123456789\n", "DIR/f.yaml:1: store.memcached.servers[0]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"},
		{"a server as an URL", "store: {memcached: {servers: ['tcp://a:1']}}\n", "DIR/f.yaml:1: store.memcached.servers[0]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"},
		{"a server twice", "store: {memcached: {servers: ['a:1','a:1']}}\n", "DIR/f.yaml:1: store.memcached.servers[1]: wrong value; expected a server that is not listed yet"},
		{"two servers in one entry", "store: {memcached: {servers: ['a:1,b:1']}}\n", "DIR/f.yaml:1: store.memcached.servers[0]: wrong value; expected host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"},
		{"a subject that there is not", "rules:\n  - {name: a, per: address, count: cards, window: 1h, block_over: 5}\n", "DIR/f.yaml:2: rules[0].per: wrong value; expected one of ip, network, card, email, device, cart, account"},
		{"a subject that is nearly right", "rules:\n  - {name: a, per: cards, count: cards, window: 1h, block_over: 5}\n", "DIR/f.yaml:2: rules[0].per: wrong value; expected one of ip, network, card, email, device, cart, account; did you mean card?"},
		{"an element that is nearly right", "rules:\n  - {name: a, per: ip, count: card, window: 1h, block_over: 5}\n", "DIR/f.yaml:2: rules[0].count: wrong value; expected one of ips, cards, emails, devices, accounts, attempts, declined_cards, declines, expiries; did you mean cards?"},
		{"a mode that there is not", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5, mode: block}\n", "DIR/f.yaml:2: rules[0].mode: wrong value; expected enforce or shadow"},
		{"a mode that is nearly right", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5, mode: enforced}\n", "DIR/f.yaml:2: rules[0].mode: wrong value; expected enforce or shadow; did you mean enforce?"},
		{"a retention that there is not", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5, retention: fixed}\n", "DIR/f.yaml:2: rules[0].retention: wrong value; expected sliding or idle"},
		{"a review stage above the block", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5, review_over: 7}\n", "DIR/f.yaml:2: rules[0].review_over: wrong value; expected 0 for no review stage, or a number below block_over"},
		{"a hold that is too long", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5, hold: 721h}\n", "DIR/f.yaml:2: rules[0].hold: wrong value; expected whole seconds from 0s to 720h"},
		{"a rule that never blocks", "rules:\n  - {name: a, per: ip, count: cards, window: 1h}\n", "DIR/f.yaml:2: rules[0].block_over: missing; expected a number from 1 to 4096"},
		{"a number in quotes", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: \"5\"}\n", "DIR/f.yaml:2: rules[0].block_over: wrong value; expected a whole number; without quotes"},
		{"a number with a point", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5.0}\n", "DIR/f.yaml:2: rules[0].block_over: wrong value; expected a whole number"},
		{"a rule without a name", "rules:\n  - {per: ip, count: cards, window: 1h, block_over: 5}\n", "DIR/f.yaml:2: rules[0].name: missing; expected 1 to 40 characters of a-z, 0-9 and _"},
		{"a rule with a name in upper case", "rules:\n  - {name: Cards-per-IP, per: ip, count: cards, window: 1h, block_over: 5}\n", "DIR/f.yaml:2: rules[0].name: wrong value; expected 1 to 40 characters of a-z, 0-9 and _"},
		{"two rules of one name", "rules:\n  - {name: a, per: ip, count: cards, window: 1h, block_over: 5}\n  - {name: a, per: card, count: attempts, window: 1h, block_over: 5}\n", "DIR/f.yaml:3: rules[1].name: wrong value; expected a name that rules[0] does not have"},
		{"rules that are no list", "rules: {name: a}\n", "DIR/f.yaml:1: rules: wrong value; expected a list, in brackets or with each entry on a line after a dash"},
		{"a rule that is a word", "rules: [cards_per_ip]\n", "DIR/f.yaml:1: rules[0]: wrong value; expected settings in braces or on lines of their own, such as {name: ...}, of name, per, count, window, review_over, block_over, retention, hold, mode"},
		{"rule for rules", "rule: []\n", "DIR/f.yaml:1: rule: unknown setting; did you mean rules?"},
		{"an end that is a day", "lists: {allow: [{net: 10.0.0.1, until: 2027-01-31}]}\n", "DIR/f.yaml:1: lists.allow[0].until: wrong value; expected a time such as 2027-01-31T00:00:00Z"},
		{"an end in words", "lists: {allow: [{net: 10.0.0.1, until: \"tomorrow\"}]}\n", "DIR/f.yaml:1: lists.allow[0].until: wrong value; expected a time such as 2027-01-31T00:00:00Z"},
		{"a list of addresses only", "lists: {allow: [10.0.0.1]}\n", "DIR/f.yaml:1: lists.allow[0]: wrong value; expected settings in braces or on lines of their own, such as {net: ...}, of net, until, note"},
		{"a network with host bits", "lists: {allow: [{net: 10.0.0.1/8}]}\n", "DIR/f.yaml:1: lists.allow[0].net: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24; did you mean 10.0.0.0/8?"},
		{"a network with stars", "lists: {allow: [{net: 10.0.*.*}]}\n", "DIR/f.yaml:1: lists.allow[0].net: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24"},
		{"a ! without quotes in brackets", "auth: {networks: [!10.0.0.0/8]}\n", "DIR/f.yaml:1: not well-formed YAML: did not find expected whitespace or line break; put what begins with a mark such as ! & * % @ in quotes"},
		{"a network that is a word", "auth: {networks: [any]}\n", `DIR/f.yaml:1: auth.networks[0]: wrong value; expected an address, or a network without host bits such as 198.51.100.0/24, with "!" before it to exclude it`},
		{"a tab after blanks", "limits:\n  \tread: 1s\n", "DIR/f.yaml:2: not well-formed YAML: found character that cannot start any token; indent with blanks, not with tabs"},
		{"a tab among lines with blanks", "limits:\n  read: 1s\n\twrite: 1s\n", "DIR/f.yaml:3: not well-formed YAML: found a tab character that violates indentation; indent with blanks, not with tabs"},
		{"a first line's value continued", "listen: 127.0.0.1:1\n drain: 1s\n", "DIR/f.yaml:2: not well-formed YAML: mapping values are not allowed in this context; mend the indentation, or put a value that holds a colon in quotes"},
		{"a quote that is not closed", "listen: \"127.0.0.1:1\ndrain: 1s\n", "DIR/f.yaml:1: not well-formed YAML: found unexpected end of stream; a quote that begins here is not closed"},
		{"a bracket that is not closed", "trusted_proxies: [10.0.0.1\ndrain: 1s\n", "DIR/f.yaml:1: not well-formed YAML: did not find expected ',' or ']'; close the bracket, or put a comma before this"},
		{"a brace that is not closed", "limits: {read: 1s\ndrain: 1s\n", "DIR/f.yaml:1: not well-formed YAML: did not find expected ',' or '}'; close the bracket, or put a comma before this"},
		{"a password that begins with @", "auth: {basic: {users: [{username: a, password: @hunter2}]}}\n", "DIR/f.yaml:1: not well-formed YAML: found character that cannot start any token; put what begins with a mark such as ! & * % @ in quotes"},
		{"a password that begins with %", "auth: {basic: {users: [{username: a, password: %hunter2}]}}\n", "DIR/f.yaml:1: not well-formed YAML: found character that cannot start any token; put what begins with a mark such as ! & * % @ in quotes"},
		{"a password of digits", "auth: {basic: {users: [{username: a, password: 12345678}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].password: wrong value; expected text; put it in quotes"},
		{"a name that YAML takes for a truth", "auth: {basic: {users: [{username: true, password: b}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].username: wrong value; expected text; put it in quotes"},
		{"a password that begins with #", "auth:\n  basic:\n    users:\n      - username: a\n        password: #hunter2\n", "DIR/f.yaml:5: auth.basic.users[0].password: missing; expected text; what follows # is a comment: put a value with # in quotes"},
		{"a password with a colon and a blank", "auth:\n  basic:\n    users:\n      - username: a\n        password: hunter: 2\n", "DIR/f.yaml:5: not well-formed YAML: mapping values are not allowed in this context; mend the indentation, or put a value that holds a colon in quotes"},
		{"an argon2id string as a clear password", "auth: {basic: {users: [{username: a, password: \"$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$R1OMUfftG2lm0EcRnxGvVBQDdZaVUZCnRZ53qLU7ZME\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].encryption: wrong value; expected argon2id: the password is a hash of that form"},
		{"a bcrypt hash as a clear password", "auth: {basic: {users: [{username: a, password: \"$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].encryption: wrong value; expected bcrypt: the password is a hash of that form"},
		{"a SHA-256 hash as a clear password", "auth: {basic: {users: [{username: a, password: \"5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].encryption: wrong value; expected sha256: the password is a hash of that form"},
		{"an MD5 hash of htpasswd as a clear password", "auth: {basic: {users: [{username: a, password: \"$apr1$abcdefgh$abcdefghijklmnopqrstuv\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].password: wrong value; expected a password, or with encryption argon2id what fraudcheck hash-password prints: this is a hash in a form that is not supported"},
		{"a SHA-1 hash of htpasswd as a clear password", "auth: {basic: {users: [{username: a, password: \"{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].password: wrong value; expected a password, or with encryption argon2id what fraudcheck hash-password prints: this is a hash in a form that is not supported"},
		{"a bcrypt hash as argon2id", "auth: {basic: {users: [{username: a, encryption: argon2id, password: \"$2y$04$Zr2KGNC2vQITg1LeTEami.SkxqzS.jWByTmBw9inzxP2JRRJTIbCa\"}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].encryption: wrong value; expected bcrypt: the password is a hash of that form"},
		{"a clear password as argon2id", "auth: {basic: {users: [{username: a, encryption: argon2id, password: hunter2}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].password: wrong value; expected an argon2id string such as $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH"},
		{"an encryption that is nearly right", "auth: {basic: {users: [{username: a, encryption: argon2, password: hunter2}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].encryption: wrong value; expected one of clear, sha256, bcrypt, argon2id; did you mean argon2id?"},
		{"a role that there is not", "auth: {basic: {users: [{username: a, password: x, roles: [admin]}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].roles[0]: wrong value; expected one of checker, analyst, operator"},
		{"a role that is no list", "auth: {basic: {users: [{username: a, password: x, roles: operator}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].roles: wrong value; expected a list, in brackets or with each entry on a line after a dash"},
		{"role for roles", "auth: {basic: {users: [{username: a, password: x, role: operator}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].role: unknown setting; did you mean auth.basic.users[0].roles?"},
		{"two users of one name", "auth: {basic: {users: [{username: a, password: x},{username: a, password: y}]}}\n", "DIR/f.yaml:1: auth.basic.users[1].username: wrong value; expected a name no other user has"},
		{"a name with a colon", "auth: {basic: {users: [{username: 'a:b', password: x}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].username: wrong value; expected at least one character and no colon"},
		{"users that are no list", "auth: {basic: {users: {a: x}}}\n", "DIR/f.yaml:1: auth.basic.users: wrong value; expected a list, in brackets or with each entry on a line after a dash"},
		{"users in the wrong place", "auth: {users: []}\n", "DIR/f.yaml:1: auth.users: unknown setting; did you mean auth.basic.users?"},
		{"user for username", "auth: {basic: {users: [{user: a, password: x}]}}\n", "DIR/f.yaml:1: auth.basic.users[0].user: unknown setting; did you mean auth.basic.users[0].username?"},
		{"a short secret of tokens", "auth: {jwt: {client_id: a, secret: c2hvcnQ}}\n", "DIR/f.yaml:1: auth.jwt.secret: wrong value; expected at least 16 bytes, once decoded"},
		{"a secret that is no base64", "auth: {jwt: {client_id: a, secret: 'not base 64!'}}\n", "DIR/f.yaml:1: auth.jwt.secret: wrong value; expected text in the encoding base64url"},
		{"the algorithm none", "auth: {jwt: {client_id: a, secret: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD, algorithms: [none]}}\n", "DIR/f.yaml:1: auth.jwt.algorithms[0]: wrong value; expected one of HS256, HS384, HS512, RS256, ES256, EdDSA"},
		{"an algorithm that takes no secret", "auth: {jwt: {client_id: a, secret: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD, algorithms: [RS256]}}\n", "DIR/f.yaml:1: auth.jwt.algorithms: wrong value; expected HS256, HS384 or HS512, as a secret is for"},
		{"tokens without an audience", "auth: {jwt: {secret: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD}}\n", "DIR/f.yaml:1: auth.jwt.client_id: missing; expected the audience (aud) that tokens are issued for"},
		{"keys in a file that is not there", "auth: {jwt: {client_id: a, jwks_file: keys.json}}\n", "DIR/f.yaml:1: auth.jwt.jwks_file: cannot read DIR/keys.json: no such file or directory"},
		{"keys that are no JSON", "auth: {jwt: {client_id: a, jwks_file: f.yaml}}\n", "DIR/f.yaml:1: auth.jwt.jwks_file: wrong value; expected a JWK Set: a JSON object with the list keys"},
		{"a public key that is no PEM", "auth: {jwt: {client_id: a, public_key_file: f.yaml}}\n", "DIR/f.yaml:1: auth.jwt.public_key_file: wrong value; expected PEM, of a public key or a certificate"},
		{"any origin", "cors: {origins: ['*']}\n", "DIR/f.yaml:1: cors.origins[0]: wrong value; expected an origin as browsers send it: http or https, host, and the port unless it is the usual one, as in https://shop.example:8443"},
		{"a short hash key", "hash_key: short\n", "DIR/f.yaml:1: hash_key: wrong value; expected at least 32 bytes: head -c 32 /dev/urandom | base64 makes such a key"},
		{"two hash keys", "hash_key: staple-0123456789-0123456789-0123456789\nhash_key_file: f.yaml\n", "DIR/f.yaml:2: hash_key_file: wrong value; expected only one of hash_key and hash_key_file"},
		{"a file in ~", "hash_key_file: ~/hash.key\n", "DIR/f.yaml:1: hash_key_file: cannot read it: no such file or directory; ~ is no home here: write the whole path"},
		{"a snapshot without a hash key", "store: {memory: {snapshot_file: s}}\n", "DIR/f.yaml:1: hash_key_file: missing; expected a hash key, the same at every start, where store.memory.snapshot_file is set"},
		{"a level in lower case", "log: {level: info}\n", "DIR/f.yaml:1: log.level: wrong value; expected one of DISABLED, DEBUG, INFO, WARNING, ERROR, CRITICAL; did you mean INFO?"},
		{"a level that is nearly right", "log: {level: WARN}\n", "DIR/f.yaml:1: log.level: wrong value; expected one of DISABLED, DEBUG, INFO, WARNING, ERROR, CRITICAL; did you mean WARNING?"},
		{"too few days", "log: {days: 0}\n", "DIR/f.yaml:1: log.days: wrong value; expected a whole number, from 1 to 3650"},
		{"one port for both", "listen: 127.0.0.1:8081\n", "DIR/f.yaml:1: operator_listen: wrong value; expected another address than listen has, such as 127.0.0.1:8082"},
		{"a port that is too high", "listen: 127.0.0.1:80800\n", "DIR/f.yaml:1: listen: wrong value; expected host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"},
		{"a prefix with a slash", "ipv6_prefix: /64\n", "DIR/f.yaml:1: ipv6_prefix: wrong value; expected a whole number, from 48 to 128"},
		{"a merge key", "<<: {drain: 1s}\n", "DIR/f.yaml:1: merge keys (<<) are not taken: write each setting where it belongs"},
		{"bytes that are no text", "\x00\x01", "DIR/f.yaml:1: not well-formed YAML: control characters are not allowed"},
		{"text that is no UTF-8", "# caf\xe9\ndrain: 1s\n", "DIR/f.yaml:2: not well-formed YAML: invalid trailing UTF-8 octet"},
		{"yes for true", "debug: {pprof: yes}\n", "DIR/f.yaml:1: debug.pprof: wrong value; expected true or false"},
		{"a comment of JavaScript", "{\"drain\": \"1s\" // x\n}\n", "DIR/f.yaml:1: not well-formed YAML: did not find expected ',' or '}'; close the bracket, or put a comma before this"},
		{"line ends of Windows", "drain: 1s\r\nlisen: x\r\n", "DIR/f.yaml:2: lisen: unknown setting; did you mean listen?"},
		{"a variable in place of a value", "hash_key: ${HASH_KEY}\n", "DIR/f.yaml:1: hash_key: wrong value; expected the value itself: variables are not replaced in this file"},
		{"a dash for an underscore", "operator-listen: 127.0.0.1:1\n", "DIR/f.yaml:1: operator-listen: unknown setting; did you mean operator_listen?"},
		{"a key in another case", "Listen: 127.0.0.1:1\n", "DIR/f.yaml:1: Listen: unknown setting; did you mean listen?"},
		{"a key in camel case", "hashKeyFile: x\n", "DIR/f.yaml:1: hashKeyFile: unknown setting; did you mean hash_key_file?"},
		{"a key with dots", "store.kind: memcached\n", "DIR/f.yaml:1: unknown setting with dots in its name; did you mean store: {kind: ...}?"},
		{"a certificate that is none", "tls: {cert_file: f.yaml, key_file: f.yaml}\n", "DIR/f.yaml:1: tls.cert_file: wrong value; expected PEM of a certificate, and of those that signed it"},
		{"a time that is too long", "auth: {tokens: {ttl: 48h}}\n", "DIR/f.yaml:1: auth.tokens.ttl: wrong value; expected a duration in h, m, s or ms, such as 500ms, 30s or 24h (one day), from 1s to 24h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "f.yaml"), []byte(tt.text), 0o600))
			stdout, stderr, code := command("check-config", "--config", filepath.Join(dir, "f.yaml"))
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Equal(t, "fraudcheck: "+tt.want+"\n", strings.ReplaceAll(stderr, dir, "DIR"))
		})
	}
}

// YAML takes a time without quotes for a timestamp.
func TestTheEndOfAListEntryNeedsNoQuotes(t *testing.T) {
	for _, until := range []string{"2999-01-31T00:00:00Z", `"2999-01-31T00:00:00Z"`, "2999-01-31T00:00:00+01:00"} {
		printed := accepts(t, "lists: {allow: [{net: 10.0.0.1, until: "+until+"}]}\n")
		assert.Contains(t, printed, `until: "`+strings.Trim(until, `"`)+`"`)
		assert.Equal(t, printed, accepts(t, printed))
	}
}
