package main

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A file that cannot be read whole refuses the reload, and nothing of it goes into force:
// neither the good rules beside it nor the half of the file that could be read.
func TestAFileThatCannotBeReadWholePutsNothingInForce(t *testing.T) {
	t.Parallel()
	first := newIdentity(t, "first", tomorrow())
	issuer, stranger := newTokenIssuer(t, "one"), newTokenIssuer(t, "other")
	users := func(hash string) string { return "# ours\ndesk:" + bcryptHash + "\nother:" + hash + "\n" }
	good := map[string]string{
		"cert.pem": first.certificate, "key.pem": first.key, "users": users(bcryptHash), "keys.json": keySet(issuer),
	}
	paths := make(map[string]string)
	for name, text := range good {
		paths[name] = writeFile(t, name, text)
	}
	const newRules = "rules: [{name: newcomer, per: ip, count: attempts, window: 1h, block_over: 1}]\nlists: {block: [{net: 203.0.113.0/24}]}\n"
	text := strings.Replace(guarded, "basic: {", "basic: {users_file: "+paths["users"]+", ", 1) +
		"  jwt: {client_id: shop, jwks_file: " + paths["keys.json"] + "}\n" +
		"tls: {cert_file: " + paths["cert.pem"] + ", key_file: " + paths["key.pem"] + "}\n"
	r := startReloading(t, text+rules("1000"))
	client := clientTrusting(t, first)
	call := func(authorization string) (status int, a answer) {
		t.Helper()
		ask, err := http.NewRequest("POST", "https://"+r.addr+"/v1/check", strings.NewReader(attempt("203.0.113.7", "4242")))
		require.NoError(t, err)
		ask.Header.Set("Authorization", authorization)
		response, err := client.Do(ask)
		require.NoError(t, err)
		a, err = readAnswer(response)
		require.NoError(t, err)
		return a.status, a
	}
	token := issuer.token()

	refused := func(t *testing.T, key string, inject func()) {
		t.Helper()
		before := len(r.stderr.String())
		inject()
		r.signal(t, syscall.SIGHUP)
		said := regexp.MustCompile(`not reloaded, the old one stays: [^\n]*` + regexp.QuoteMeta(key) + `[^\n]*\n`)
		require.Eventually(t, func() bool { return said.MatchString(r.stderr.String()[before:]) }, prompt, testbed.PollInterval)
		client.CloseIdleConnections() // the next handshake shows the certificate in force
		for _, authorization := range []string{basic("checkout", password), basic("desk", password), basic("other", password), "Bearer " + token} {
			status, a := call(authorization)
			require.Equal(t, http.StatusOK, status, a.body)
			assert.Equal(t, "allow", a.Decision)
			require.Len(t, a.Rules, 1)
			assert.Equal(t, "cards_per_ip", a.Rules[0].Name)
		}
		status, _ := call("Bearer " + stranger.token())
		assert.Equal(t, http.StatusUnauthorized, status)
	}
	for _, file := range []struct{ name, key, halfWritten string }{
		{"users", "auth.basic.users_file", users(bcryptHash[:40])},
		{"keys.json", "auth.jwt.jwks_file", keySet(issuer, stranger)[:150]},
		{"cert.pem", "tls.cert_file", first.certificate[:200]},
		{"key.pem", "tls.key_file", first.key[:100]},
	} {
		path := paths[file.name]
		for fault, inject := range map[string]func(){
			"half written": func() { replaceFile(t, path, file.halfWritten) },
			"empty":        func() { replaceFile(t, path, "") },
			"removed":      func() { require.NoError(t, os.Remove(path)) },
			"a FIFO":       func() { replaceByFIFO(t, path) },
			"a folder":     func() { require.NoError(t, os.Remove(path)); require.NoError(t, os.Mkdir(path, 0o700)) },
			"too large": func() {
				replaceFile(t, path, good[file.name])
				require.NoError(t, os.Truncate(path, 50<<20))
			},
		} {
			t.Run(file.name+" "+fault, func(t *testing.T) {
				refused(t, file.key, func() {
					inject()
					replaceFile(t, r.file, text+newRules)
				})
			})
			replaceFile(t, r.file, text+rules("1000")) // first: the program looks by itself, too
			require.NoError(t, os.RemoveAll(path))
			replaceFile(t, path, good[file.name])
		}
	}
	for fault, half := range map[string]string{"half written": text[:len(text)-30], "empty": "", "blanks": "\n\n"} {
		t.Run("configuration "+fault, func(t *testing.T) {
			refused(t, r.file, func() { replaceFile(t, r.file, half) })
		})
	}
	r.rewrite(text+newRules, `Configuration reloaded`)
	require.Eventually(t, func() bool { // that line may be of a reload that was on its way
		_, a := call(basic("desk", password))
		return strings.Contains(a.body, `"reasons":["list"]`)
	}, prompt, testbed.PollInterval)
}

// The last user of a file can be removed, though an empty file is no such wish.
func TestTheLastUserOfAFileCanBeRemoved(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	t.Parallel()
	users := writeFile(t, "users", "desk:"+bcryptHash+"\n")
	p := start(t, strings.Replace(guarded, "basic: {", "basic: {users_file: "+users+", ", 1))
	stdout, stderr, code := command("user", "remove", "desk", "--users-file", users)
	require.Zero(t, code, stderr)
	require.Equal(t, "removed\n", stdout)
	p.await(t, p.stderr, `Configuration reloaded`)
	a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", basic("desk", password))
	assert.Equal(t, http.StatusUnauthorized, a.status)
	_, stderr, code = command("user", "remove", "desk", "--users-file", users)
	assert.Equal(t, 1, code, stderr)
}
