package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A tokenIssuer signs with Ed25519, under a name.
type tokenIssuer struct {
	kid     string
	private ed25519.PrivateKey
}

func newTokenIssuer(t *testing.T, kid string) tokenIssuer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return tokenIssuer{kid, private}
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i tokenIssuer) jwk() string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":%q,"x":%q}`, i.kid, raw64(i.private.Public().(ed25519.PublicKey)))
}

func (i tokenIssuer) pem(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(i.private.Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// token is for the shop, from a checker, good for an hour.
func (i tokenIssuer) token() string {
	claims := fmt.Sprintf(`{"aud":"shop","sub":"checkout-7","roles":"checker","exp":%d}`, time.Now().Add(time.Hour).Unix())
	text := raw64([]byte(`{"alg":"EdDSA","kid":"`+i.kid+`"}`)) + "." + raw64([]byte(claims))
	return text + "." + raw64(ed25519.Sign(i.private, []byte(text)))
}

func keySet(issuers ...tokenIssuer) string {
	var keys []string
	for _, i := range issuers {
		keys = append(keys, i.jwk())
	}
	return `{"keys":[` + strings.Join(keys, ",") + "]}\n"
}

// replaceFile puts another content in its place at once.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".next", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".next", path))
}

func (p *program) checksAs(t *testing.T, token string) int {
	t.Helper()
	return p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", "Bearer "+token).status
}

func TestTheKeysOfTokensAreReloaded(t *testing.T) {
	t.Parallel()
	testbed.SkipShort(t, "the program looks at its files once a second")
	old, present, next := newTokenIssuer(t, "old"), newTokenIssuer(t, "present"), newTokenIssuer(t, "next")
	file := writeFile(t, "keys.json", keySet(old, present))
	p := start(t, keyed+"listen: 127.0.0.1:0\nauth: {jwt: {client_id: shop, jwks_file: "+file+"}}\n")
	assert.Empty(t, p.stdout.String(), "no credential is made beside it")
	statuses := func() []int {
		return []int{p.checksAs(t, old.token()), p.checksAs(t, present.token()), p.checksAs(t, next.token())}
	}
	oldToken := old.token()
	require.Equal(t, http.StatusOK, p.checksAs(t, oldToken))
	require.Equal(t, []int{200, 200, 401}, statuses())

	replaceFile(t, file, keySet(present, next))
	p.signal(t, syscall.SIGHUP)
	p.await(t, p.stderr, `Configuration reloaded`)
	assert.Equal(t, http.StatusUnauthorized, p.checksAs(t, oldToken), "its key is gone, and what was known of it")
	require.Equal(t, []int{401, 200, 200}, statuses())

	private := strings.Replace(keySet(next), `"x":`, `"d":"`+raw64(next.private.Seed())+`","x":`, 1)
	replaceFile(t, file, private)
	p.await(t, p.stderr, `ERROR .*Configuration not reloaded, the old one stays: \S+:\d+: auth\.jwt\.jwks_file: wrong value; expected keys\[0\] without the private member d\n`)
	require.Equal(t, []int{401, 200, 200}, statuses())
	assert.NotContains(t, p.stderr.String(), raw64(next.private.Seed()))

	replaceFile(t, file, keySet(next)) // without a signal
	p.await(t, p.stderr, `(?s)Configuration reloaded.*Configuration reloaded`)
	require.Equal(t, []int{401, 401, 200}, statuses())
	metrics, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	assert.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="ok"} 2`)
	assert.Contains(t, metrics.body, `fraudcheck_config_reloads_total{result="error"} 1`)
}

// A file that is only wrong for now is looked at again, also when the configuration
// that names it was not taken for it.
func TestAFileThatIsWrongAtFirstIsTakenLater(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	issuer := newTokenIssuer(t, "one")
	r := startReloading(t, guarded)
	keys := filepath.Join(t.TempDir(), "keys.json")
	r.rewrite(guarded+"  jwt: {client_id: shop, jwks_file: "+keys+"}\n", `the old one stays: \S+:\d+: auth\.jwt\.jwks_file: cannot read \S+/keys\.json: no such file`)
	require.Equal(t, http.StatusUnauthorized, r.checksAs(t, issuer.token()))
	replaceFile(t, keys, keySet(issuer))
	r.await(t, r.stderr, `Configuration reloaded`)
	require.Equal(t, http.StatusOK, r.checksAs(t, issuer.token()))
}

func TestAPublicKeyLetsItsTokensIn(t *testing.T) {
	issuer := newTokenIssuer(t, "any")
	file := writeFile(t, "issuer.pem", issuer.pem(t))
	const open = keyed + "listen: 127.0.0.1:0\n"
	p := start(t, open+"auth: {jwt: {client_id: shop, public_key_file: "+file+", algorithms: [EdDSA]}}\n")
	assert.Equal(t, http.StatusOK, p.checksAs(t, issuer.token()))
	assert.Equal(t, http.StatusUnauthorized, p.checksAs(t, newTokenIssuer(t, "any").token()))
	assert.Equal(t, http.StatusUnauthorized, p.checksAs(t, signed(t, issuer.pem(t), map[string]any{
		"aud": "shop", "roles": "checker", "exp": time.Now().Add(time.Hour).Unix(),
	})), "what is public is no secret")

	for settings, want := range map[string]string{
		"public_key_file: " + file + ", algorithms: [HS256]":                  "auth.jwt.algorithms: expected only EdDSA",
		"public_key_file: " + file + ", jwks_file: " + file:                   "auth.jwt.jwks_file: expected only one of secret, public_key_file and jwks_file",
		"public_key_file: " + file + ", secret: " + strings.Repeat("QUJD", 9): "auth.jwt.public_key_file: expected only one of",
		"jwks_file: " + file: "auth.jwt.jwks_file: expected a JWK Set",
		"public_key_file: " + t.TempDir() + "/hunter2-hunter2-": "auth.jwt.public_key_file: cannot read it in ",
		"jwks_file: " + t.TempDir() + "/hunter2-hunter2-":       "auth.jwt.jwks_file: cannot read it in ",
	} {
		refuses(t, open+"auth: {jwt: {client_id: shop, "+settings+"}}\n", want)
	}
	said := accepts(t, open+"auth: {jwt: {client_id: shop, public_key_file: "+file+"}}\n")
	assert.Contains(t, said, "algorithms:\n            - EdDSA\n", "what would run")
	assert.NotContains(t, said, "warning")
}

func TestCheckConfigWarnsOfShortSecrets(t *testing.T) {
	const jwt = "auth: {jwt: {client_id: shop, encoding: clear, secret: hunter2-hunter2-hunter2"
	assert.Contains(t, accepts(t, jwt+"}}"), "# warning: auth.jwt.secret has fewer than the 32 bytes that HS256 should have (RFC 7518)\n")
	long := accepts(t, jwt+"-hunter2-hunter2, algorithms: [HS256, HS512]}}")
	assert.NotContains(t, long, "HS256 should")
	assert.Contains(t, long, "# warning: auth.jwt.secret has fewer than the 64 bytes that HS512 should have (RFC 7518)\n")
}
