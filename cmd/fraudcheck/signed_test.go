package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
	"fraudcheck/internal/testbed"
)

var (
	checkoutSigns = base64.StdEncoding.EncodeToString([]byte("checkout-signs-with-this-32-byte"))
	analystSigns  = base64.StdEncoding.EncodeToString([]byte("the-analyst-signs-with-these-bytes"))
)

// signing configures two users who sign and have no password, and one who has both.
var signing = `
listen: 127.0.0.1:0
hash_key: ` + hashKey + `
auth:
  basic:
    users:
      - {username: checkout, password: ` + password + `, signing_key: "` + checkoutSigns + `"}
      - {username: analyst, signing_key: "` + analystSigns + `", roles: [analyst]}
`

// A seal is what a request was signed with, to look at the answer with.
type seal struct{ key, signature string }

func contentDigest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func (s *seal) mac(base string) string {
	key, _ := base64.StdEncoding.DecodeString(s.key)
	m := hmac.New(sha256.New, key)
	m.Write([]byte(base))
	return ":" + base64.StdEncoding.EncodeToString(m.Sum(nil)) + ":"
}

// signedBy are the header fields of a request by user, made now, that has a digest
// of its body.
func signedBy(user, key, nonce, method, path, body string) (s seal, header []string) {
	s = seal{key: key}
	params := fmt.Sprintf(`("@method" "@path" "content-digest");created=%d;nonce="%s";keyid="%s"`, time.Now().Unix(), nonce, user)
	s.signature = "s=" + s.mac(fmt.Sprintf("\"@method\": %s\n\"@path\": %s\n\"content-digest\": %s\n\"@signature-params\": %s", method, path, contentDigest(body), params))
	return s, []string{"Authorization", "", "Content-Digest", contentDigest(body), "Signature-Input", "s=" + params, "Signature", s.signature}
}

// requireSealed requires an answer signed for this request.
func (s *seal) requireSealed(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, contentDigest(a.body), a.header.Get("Content-Digest"))
	params, found := strings.CutPrefix(a.header.Get("Signature-Input"), `s=("@status" "content-digest" "signature";req);created=`)
	require.True(t, found, a.header)
	params = `("@status" "content-digest" "signature";req);created=` + params
	require.Equal(t, "s="+s.mac(fmt.Sprintf("\"@status\": %d\n\"content-digest\": %s\n\"signature\";req: %s\n\"@signature-params\": %s",
		a.status, contentDigest(a.body), s.signature, params)), a.header.Get("Signature"))
}

func requireUnsealed(t *testing.T, a answer) {
	t.Helper()
	for _, name := range []string{"Content-Digest", "Signature-Input", "Signature"} {
		require.Empty(t, a.header.Get(name), name)
	}
}

func TestSignedRequestsAtBothDoors(t *testing.T) {
	p := start(t, signing)
	made := 0
	ask := func(user, key, method, path, body string) (answer, *seal) {
		t.Helper()
		door := p.addr
		if strings.HasPrefix(path, "/v1/addresses") || strings.HasPrefix(path, "/v1/subjects") {
			door = p.operators
		}
		made++
		s, header := signedBy(user, key, fmt.Sprintf("both-doors-%08d", made), method, path, body)
		a, err := p.try(door, method, path, body, header...)
		require.NoError(t, err)
		return a, &s
	}
	const read, network = "/v1/subjects/read", `{"per":"network","value":"203.0.113.7"}`
	large := attempt("203.0.113.7", "4242") + strings.Repeat(" ", 9000)
	for _, tt := range []struct {
		name, user, key, method, path, body string
		status                              int
		code                                string
	}{
		{"a check", "checkout", checkoutSigns, "POST", "/v1/check", attempt("203.0.113.7", "4242"), 200, ""},
		{"an analyst checks", "analyst", analystSigns, "POST", "/v1/check", attempt("203.0.113.7", "4242"), 403, "role_missing"},
		{"a body that is no attempt", "checkout", checkoutSigns, "POST", "/v1/check", "{}", 400, "field_missing"},
		{"no body", "checkout", checkoutSigns, "POST", "/v1/check", "", 400, "field_missing"},
		{"a large body", "checkout", checkoutSigns, "POST", "/v1/check", large, 413, "body_too_large"},
		{"a look", "analyst", analystSigns, "GET", "/v1/addresses/203.0.113.7", "", 200, ""},
		{"another subject", "analyst", analystSigns, "POST", read, network, 200, ""},
		{"a subject that is none", "analyst", analystSigns, "POST", read, "{}", 400, "field_missing"},
		{"a large body at the other door", "analyst", analystSigns, "POST", read, large, 413, "body_too_large"},
		{"a checker looks", "checkout", checkoutSigns, "GET", "/v1/addresses/203.0.113.7", "", 403, "role_missing"},
		{"forgetting", "analyst", analystSigns, "DELETE", "/v1/addresses/203.0.113.7", "", 200, ""},
	} {
		a, s := ask(tt.user, tt.key, tt.method, tt.path, tt.body)
		require.Equal(t, tt.status, a.status, "%s: %s", tt.name, a.body)
		assert.Equal(t, tt.code, a.Code, tt.name)
		s.requireSealed(t, a)

		// With another's key nobody is told more than that.
		a, _ = ask(tt.user, base64.StdEncoding.EncodeToString([]byte(hashKey)), tt.method, tt.path, tt.body)
		require.Equal(t, 401, a.status, tt.name)
		assert.Equal(t, "credentials_invalid", a.Code, tt.name)
		assert.Equal(t, `Basic realm="fraudcheck", charset="UTF-8", Bearer realm="fraudcheck"`, a.header.Get("WWW-Authenticate"))
		requireUnsealed(t, a)
	}

	for door, path := range map[string]string{p.addr: "/v1/check", p.operators: read} {
		s, header := signedBy("analyst", analystSigns, "twice-"+path+"------", "POST", path, network)
		first, err := p.try(door, "POST", path, network, header...)
		require.NoError(t, err)
		s.requireSealed(t, first)
		again, err := p.try(door, "POST", path, network, header...)
		require.NoError(t, err)
		require.Equal(t, 401, again.status)
		assert.Equal(t, "token_invalid", again.Code)
		requireUnsealed(t, again)

		_, header = signedBy("analyst", analystSigns, "other-"+path+"------", "POST", path, network)
		a, err := p.try(door, "POST", path, strings.Replace(network, "7", "8", 1), header...)
		require.NoError(t, err)
		require.Equal(t, 401, a.status, "another body")

		for i := 2; i < len(header); i += 2 { // any of the fields twice
			_, header := signedBy("analyst", analystSigns, "lines-"+path+"------", "POST", path, network)
			r, err := http.NewRequest("POST", "http://"+door+path, strings.NewReader(network))
			require.NoError(t, err)
			for j := 2; j < len(header); j += 2 {
				r.Header.Add(header[j], header[j+1])
			}
			r.Header.Add(header[i], header[i+1])
			response, err := p.client.Do(r)
			require.NoError(t, err)
			a, err := readAnswer(response)
			require.NoError(t, err)
			require.Equal(t, 401, a.status, header[i])
			requireUnsealed(t, a)
		}

		header[1] = basic("checkout", password)
		a, err = p.try(door, "POST", path, network, header...)
		require.NoError(t, err)
		require.Equal(t, 401, a.status)
		assert.Equal(t, "authorization_malformed", a.Code, "which would be meant?")
	}

	a := p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"))
	require.Equal(t, 200, a.status, "who has both may use the password")
	requireUnsealed(t, a)
	a = p.send(t, "POST", "/v1/check", "", "Authorization", basic("analyst", ""))
	require.Equal(t, 401, a.status, "who has only a key may not")

	a, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	for _, line := range []string{
		`fraudcheck_auth_total{result="ok",scheme="signature"} 10`,
		`fraudcheck_auth_total{result="role_missing",scheme="signature"} 3`,
		`fraudcheck_auth_total{result="credentials_invalid",scheme="signature"} 13`,
		`fraudcheck_auth_total{result="token_invalid",scheme="signature"} 4`,
		`fraudcheck_auth_total{result="authorization_malformed",scheme="signature"} 6`,
	} {
		assert.Contains(t, a.body, line)
	}
	for _, secret := range []string{checkoutSigns, analystSigns, "both-doors-", "twice-", "sig1", "checkout-signs"} {
		assert.NotContains(t, p.stderr.String(), secret)
	}
}

func TestANonceIsGoodOnceOnAllInstances(t *testing.T) {
	t.Parallel()
	memcached := testbed.StartMemcached(t)
	shared := signing + "limits: {answer: 20s}\nstore: {kind: memcached, budget: 10s, memcached: {servers: [\"" + memcached.Addr + "\"]}}\n"
	a, b := start(t, shared), start(t, shared)
	const path = "/v1/check"
	body := attempt("203.0.113.7", "4242")
	_, header := signedBy("checkout", checkoutSigns, "seen-everywhere-1", "POST", path, body)
	require.Equal(t, 200, a.send(t, "POST", path, body, header...).status)
	for _, p := range []*program{a, b} {
		again := p.send(t, "POST", path, body, header...)
		require.Equal(t, 401, again.status)
		assert.Equal(t, "token_invalid", again.Code)
	}

	memcached.Kill() // then each instance knows its own
	_, header = signedBy("checkout", checkoutSigns, "seen-everywhere-2", "POST", path, body)
	require.Equal(t, 200, a.send(t, "POST", path, body, header...).status)
	require.Equal(t, 401, a.send(t, "POST", path, body, header...).status)
	require.Equal(t, 200, b.send(t, "POST", path, body, header...).status)
}

func TestAReloadChangesSigningKeysAndForgetsNoNonce(t *testing.T) {
	p := start(t, signing)
	const path = "/v1/check"
	body := attempt("203.0.113.7", "4242")
	_, header := signedBy("checkout", checkoutSigns, "before-the-reload", "POST", path, body)
	require.Equal(t, 200, p.send(t, "POST", path, body, header...).status)

	file := p.config
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(signing, analystSigns, checkoutSigns, 1)), 0o600))
	p.signal(t, syscall.SIGHUP)
	p.await(t, p.stderr, "Configuration reloaded")
	require.Equal(t, 401, p.send(t, "POST", path, body, header...).status)
	_, header = signedBy("analyst", analystSigns, "before-the-reload-2", "POST", path, body)
	require.Equal(t, 401, p.send(t, "POST", path, body, header...).status, "the old key")
	_, header = signedBy("analyst", checkoutSigns, "before-the-reload-3", "POST", path, body)
	require.Equal(t, 403, p.send(t, "POST", path, body, header...).status, "the new one")
}

func TestWrongSigningKeysStopTheStart(t *testing.T) {
	user := func(more string) string { return "auth: {basic: {users: [{username: a, " + more + "}]}}" }
	refuses(t, user("signing_key: hunter2"), "auth.basic.users[0].signing_key: expected base64 of at least 32 bytes")
	refuses(t, user(`signing_key: "`+strings.Repeat("hunter2-", 6)+`"`), "auth.basic.users[0].signing_key: expected ")
	refuses(t, user("encryption: clear"), "auth.basic.users[0].password: expected ")
	refuses(t, strings.Replace(user(`signing_key: "`+checkoutSigns+`"`), "username: a", "username: ß", 1), "auth.basic.users[0].username: expected ")
	shown := accepts(t, user(`signing_key: "`+checkoutSigns+`"`))
	assert.Contains(t, shown, "signing_key: "+config.Hidden)
	assert.NotContains(t, shown, checkoutSigns)
}

const signingPage = "../../docs/signing.md"

// block is the page's one block in that language.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile(signingPage)
	require.NoError(t, err)
	parts := strings.Split(string(text), "\n```"+language+"\n")
	require.Len(t, parts, 2)
	code, _, closed := strings.Cut(parts[1], "\n```\n")
	require.True(t, closed)
	return code + "\n"
}

func TestTheClientsInTheDocumentationWork(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "compiles and runs programs in other languages")
	config := strings.Replace(block(t, "yaml"), "SIGNING-KEY-IN-BASE64", `"`+checkoutSigns+`"`, 1)
	p := start(t, "listen: 127.0.0.1:0\n"+config)
	for _, client := range []struct {
		language, file string
		run            []string
	}{
		{"python", "signed.py", []string{"python3"}},
		{"go", "signed.go", []string{"go", "run"}},
	} {
		t.Run(client.language, func(t *testing.T) {
			if _, err := exec.LookPath(client.run[0]); err != nil {
				if os.Getenv("CI") != "" {
					require.NoError(t, err)
				}
				t.Skip(client.run[0] + " is not installed")
			}
			file := filepath.Join(t.TempDir(), client.file)
			require.NoError(t, os.WriteFile(file, []byte(block(t, client.language)), 0o600))
			ask := func(method, url, body, key string) (string, error) {
				args := append(client.run[1:len(client.run):len(client.run)], file, method, url, "checkout")
				cmd := exec.CommandContext(t.Context(), client.run[0], args...)
				cmd.Env = append(os.Environ(), "SIGNING_KEY="+key, "http_proxy=", "no_proxy=127.0.0.1")
				cmd.Stdin = strings.NewReader(body)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			said, err := ask("POST", "http://"+p.addr+"/v1/check", attempt("203.0.113.7", "4242"), checkoutSigns)
			require.NoError(t, err, said)
			assert.True(t, strings.HasPrefix(said, `200 {"decision":"allow"`), said)
			said, err = ask("POST", "http://"+p.addr+"/v1/check?ip=203.0.113.7&card_id=a%20b", "", checkoutSigns)
			require.NoError(t, err, said)
			assert.True(t, strings.HasPrefix(said, `200 {"decision":"allow"`), said)
			said, err = ask("GET", "http://"+p.operators+"/v1/addresses/203.0.113.7", "", checkoutSigns)
			require.NoError(t, err, said)
			assert.Contains(t, said, "403 ")
			assert.Contains(t, said, "role_missing")
			said, err = ask("POST", "http://"+p.addr+"/v1/check", attempt("203.0.113.7", "4242"), analystSigns)
			require.Error(t, err, said)
			assert.Contains(t, said, "credentials_invalid")
			said, err = ask("POST", liar(t, p)+"/v1/check", attempt("203.0.113.7", "4242"), checkoutSigns)
			require.Error(t, err, said)
			assert.Contains(t, said, `not signed: {"decision":"block"`)
		})
	}
	a := p.send(t, "POST", "/v1/check", "{}", "Authorization", "")
	assert.Equal(t, `Signature realm="fraudcheck"`, a.header.Get("WWW-Authenticate"), "nobody has a password")
}

// liar is the URL of somebody in between who hears allow and says block.
func liar(t *testing.T, p *program) string {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.addr})
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), "allow", "block", 1)))
		return err
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}
