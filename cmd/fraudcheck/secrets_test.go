package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const randomSecret = "pV3nJ0m6wq3n8yXcQk2v7Zt4Rb9Lh1Ds5Fg6Jk0Mx2U" // base64url of 32 bytes

// warningsOf are the warnings of check-config, without the one of clear passwords.
func warningsOf(t *testing.T, text string) (warnings []string) {
	t.Helper()
	for line := range strings.Lines(accepts(t, text)) {
		warning, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# warning: ")
		if ok && !strings.Contains(warning, ".encryption is clear: ") {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

func TestCheckConfigWarnsOfSecretsThatOthersMayKnow(t *testing.T) {
	user := func(name, settings string) string {
		return "auth: {basic: {users: [{username: " + name + ", " + settings + "}]}}\n"
	}
	jwt := func(secret, encoding string) string {
		return "auth: {jwt: {client_id: shop, encoding: " + encoding + ", secret: " + secret + "}}\n"
	}
	const zeros, rfc7515 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	for _, tt := range []struct{ name, text, want string }{
		{"a hash key of zeros", "hash_key: '" + strings.Repeat("0", 64) + "'", "hash_key is the same bytes over and over: it can be guessed"},
		{"a hash key of zeros in base64", "hash_key: " + zeros, "hash_key is the same bytes over and over: it can be guessed"},
		{"a hash key in a file", "hash_key_file: " + writeFile(t, "hash.key", strings.Repeat("abcd", 8)+"\n"), "hash_key_file is the same bytes over and over: it can be guessed"},
		{"the example of jwt.io", jwt("a-string-secret-at-least-256-bits-long", "clear"), "auth.jwt.secret is a published example: anybody may know it"},
		{"the example of RFC 7515", jwt(rfc7515, "base64url"), "auth.jwt.secret is a published example: anybody may know it"},
		{"the same, padded, as a hash key", "hash_key: " + rfc7515 + "==", "hash_key is a published example: anybody may know it"},
		{"the example of RFC 9421", user("a", "signing_key: uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="), "auth.basic.users[0].signing_key is a published example: anybody may know it"},
		{"one secret for two things", "hash_key: " + randomSecret + "\n" + jwt(randomSecret, "base64url"), "auth.jwt.secret is the same as hash_key: who knows one has the other"},
		{"one secret, spelled otherwise", "hash_key: " + randomSecret + "\n" + user("a", "signing_key: "+randomSecret+"="), "auth.basic.users[0].signing_key is the same as hash_key: who knows one has the other"},
		{"one password for two users", "auth: {basic: {users: [{username: a, password: " + password + "}, {username: b, password: " + password + "}]}}", "auth.basic.users[1].password is the same as auth.basic.users[0].password: who knows one has the other"},
		{"a common password", user("a", "password: Dragon12!"), "auth.basic.users[0].password is among the passwords that are guessed first"},
		{"the user's name", user("checkout-backend", "password: Checkout-Backend2026"), "auth.basic.users[0].password is the user's name: it is guessed first"},
		{"the example of jwt.io in a file", "auth: {jwt: {client_id: shop, encoding: clear, secret_file: " + writeFile(t, "s", "a-string-secret-at-least-256-bits-long\n") + "}}", "auth.jwt.secret_file is a published example: anybody may know it"},
		{"a previous secret of zeros", "auth: {jwt: {client_id: shop, secret: " + randomSecret + ", previous_secret_file: " + writeFile(t, "s", zeros) + "}}", "auth.jwt.previous_secret_file is the same bytes over and over: it can be guessed"},
		{"a signing key in a file, used for two things", "hash_key: " + randomSecret + "\n" + user("a", "signing_key_file: "+writeFile(t, "k", randomSecret)), "auth.basic.users[0].signing_key_file is the same as hash_key: who knows one has the other"},
		{"good ones", "hash_key: " + randomSecret + "\n" + user("a", "password: "+password), ""},
		{"a hash", user("a", `encryption: argon2id, password: "`+argonHash+`"`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			warnings := warningsOf(t, tt.text)
			if tt.want == "" {
				assert.Empty(t, warnings)
				return
			}
			assert.Equal(t, []string{tt.want}, warnings)
		})
	}
}

func TestCheckConfigWarnsOfFilesThatOthersMayReadOrChange(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	files := map[string]string{"hash.key": randomSecret, "cert.pem": i.certificate, "key.pem": i.key, "users": "desk:" + bcryptHash + "\n",
		"keys.json": keySet(newTokenIssuer(t, "any")), "f.yaml": "hash_key_file: hash.key\ntls: {cert_file: cert.pem, key_file: key.pem}\nauth: {basic: {users_file: users}, jwt: {client_id: shop, jwks_file: keys.json}}\n"}
	for name, text := range files {
		require.NoError(t, os.WriteFile(path(name), []byte(text), 0o600))
	}
	check := func() string {
		stdout, stderr, code := configCheck(t, "--config", path("f.yaml"))
		require.Zero(t, code, stderr)
		return stdout
	}
	require.NotContains(t, check(), "# warning: ")
	for key, name := range map[string]string{"hash_key_file": "hash.key", "tls.key_file": "key.pem", "auth.basic.users_file": "users"} {
		require.NoError(t, os.Chmod(path(name), 0o644))
		assert.Contains(t, check(), "# warning: "+key+" can be read by every user of this machine: chmod o-r\n")
		require.NoError(t, os.Chmod(path(name), 0o640))
	}
	for key, name := range map[string]string{"the configuration": "f.yaml", "auth.jwt.jwks_file": "keys.json", "auth.basic.users_file": "users"} {
		require.NoError(t, os.Chmod(path(name), 0o666))
		assert.Contains(t, check(), "# warning: "+key+" can be changed by every user of this machine: chmod o-rw\n")
		require.NoError(t, os.Chmod(path(name), 0o644))
	}
	require.NoError(t, os.Chmod(path("users"), 0o640))
	require.NotContains(t, check(), "# warning: ", "without a secret in it, others may read the configuration")
	require.NoError(t, os.WriteFile(path("f.yaml"), []byte("hash_key: "+randomSecret), 0o644))
	assert.Contains(t, check(), "# warning: the configuration can be read by every user of this machine: chmod o-r\n")
}

func TestCheckConfigWarnsOfFilesOfSecretsThatOthersMayRead(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	keys := map[string]string{"auth.jwt.secret_file": "s", "auth.jwt.previous_secret_file": "p", "auth.basic.users[0].signing_key_file": "k"}
	for i, name := range []string{"k", "s", "p"} {
		require.NoError(t, os.WriteFile(path(name), []byte(randomSecret[i:]+randomSecret[:i]), 0o600))
	}
	text := "auth: {jwt: {client_id: shop, encoding: clear, secret_file: " + path("s") + ", previous_secret_file: " + path("p") + "}, basic: {users: [{username: a, signing_key_file: " + path("k") + "}]}}"
	require.Empty(t, warningsOf(t, text))
	for key, name := range keys {
		require.NoError(t, os.Chmod(path(name), 0o644))
		assert.Equal(t, []string{key + " can be read by every user of this machine: chmod o-r"}, warningsOf(t, text))
		require.NoError(t, os.Chmod(path(name), 0o600))
	}
}

func TestCheckConfigWarnsOfALogFolderThatServeRefuses(t *testing.T) {
	file := writeFile(t, "file", "")
	assert.Regexp(t, `^\S+:1: log\.path: .*not a (folder|directory)`, strings.Join(warningsOf(t, "log: {path: "+file+"/log}"), "\n"))
	folder := t.TempDir()
	assert.Empty(t, warningsOf(t, "log: {path: "+folder+"/none/yet}"))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left, "trying it leaves nothing")
	for _, text := range []string{"log: {path: /proc/x}", "decision_log: {path: /proc/x}"} { // root may write there, and can make nothing
		assert.Regexp(t, `(?m)^\S+:1: \w+\.path: cannot write to /proc: `, strings.Join(warningsOf(t, text), "\n"))
	}
	assert.Regexp(t, `^\S+:1: listen: cannot make the socket in /proc: `, strings.Join(warningsOf(t, "listen: unix:/proc/x"), "\n"))
	if os.Getuid() != 0 {
		assert.Regexp(t, `log\.path: cannot write to /: permission denied`, strings.Join(warningsOf(t, "log: {path: /none}"), "\n"))
	}
}

func TestAReloadWarnsOfAHashKeyThatNeedsARestart(t *testing.T) {
	key := writeFile(t, "hash.key", hashKey+"\n")
	text := strings.Replace(guarded, "hash_key: "+hashKey, "hash_key_file: "+key, 1)
	r := startReloading(t, text)
	reload := func(n int) string {
		r.signal(t, syscall.SIGHUP)
		r.await(t, r.stderr, fmt.Sprintf(`(?s)(Configuration reloaded.*){%d}`, n))
		return r.stderr.String()
	}
	require.NoError(t, os.WriteFile(key, []byte(hashKey+"\r\n"), 0o600))
	require.NotContains(t, reload(1), "hash_key_file holds")
	require.NoError(t, os.WriteFile(key, []byte(randomSecret), 0o600))
	require.Regexp(t, `WARNING .*hash_key_file holds another key than the one in force, and needs a restart\n`, reload(2))
	require.NoError(t, os.Remove(key))
	require.Regexp(t, `WARNING .*fraudcheck\.yaml:3: hash_key_file: cannot read `+regexp.QuoteMeta(key)+`: no such file or directory; the next start would be refused\n`, reload(3))
	require.NotContains(t, r.stderr.String(), randomSecret)
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))
}
