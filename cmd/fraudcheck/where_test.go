package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
)

// networked is guarded with a user more, and says from where both may ask.
const networked = `
listen: 127.0.0.1:0
hash_key: ` + hashKey + `
trusted_proxies: [127.0.0.1]
auth:
  networks: [192.0.2.0/24, "!192.0.2.9", "2001:db8::/32"]
  basic:
    users:
      - {username: checkout, password: ` + password + `}
      - {username: desk, password: ` + analystPassword + `, roles: [analyst], networks: [192.0.2.7]}
`

// from makes a call of the checkout's, through a proxy that saw it come from there.
func (p *program) from(t *testing.T, forwarded string) answer {
	t.Helper()
	return p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "X-Forwarded-For", forwarded)
}

func TestCallersComeFromTheNetworks(t *testing.T) {
	p := start(t, networked)
	for forwarded, want := range map[string]string{
		"192.0.2.1":                      "allow",
		"203.0.113.9, 192.0.2.1":         "allow",
		"[2001:db8::1]:4711":             "allow",
		"192.0.2.9":                      "network_refused",
		"192.0.2.1, 203.0.113.9":         "network_refused",
		"203.0.113.9":                    "network_refused",
		"192.0.2.1, unknown":             "network_refused",
		"":                               "network_refused",
		strings.Repeat("192.0.2.1,", 99): "network_refused",
	} {
		a := p.from(t, forwarded)
		assert.Equal(t, want, a.Decision+a.Code, forwarded)
		assert.Equal(t, want == "allow", a.status == http.StatusOK, forwarded)
	}
	desk := func(forwarded string) answer {
		a, err := p.try(p.operators, "DELETE", "/v1/addresses/203.0.113.7", "",
			"Authorization", basic("desk", analystPassword), "X-Forwarded-For", forwarded)
		require.NoError(t, err)
		return a
	}
	assert.Equal(t, http.StatusOK, desk("192.0.2.7").status)
	assert.Equal(t, "network_refused", desk("192.0.2.1").Code, "where others may ask from")
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		a, err := p.try(p.operators, "GET", path, "", "Authorization", "", "X-Forwarded-For", "203.0.113.9")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, a.status, path)
	}
	p.await(t, p.stderr, `\[192\.0\.2\.1-\S{6}\] +Response: 200 allow 203\.0\.113\.0/24 \(\d+ms\) basic checkout request=`)
	p.await(t, p.stderr, `\[203\.0\.113\.9-\S{6}\] +Response: 403 network_refused \(\d+ms\) basic checkout request=`)
	p.await(t, p.stderr, `\[192\.0\.2\.7-\S{6}\] +DELETE /v1/addresses/\{ip\}\n`)
	p.await(t, p.stderr, `\[192\.0\.2\.7-\S{6}\] +Response: 200 \(\d+ms\) basic desk request=`)
}

func TestReloadPutsNetworksAndProxiesInForce(t *testing.T) {
	r := startReloading(t, networked)
	require.Equal(t, "network_refused", r.from(t, "198.51.100.7").Code)
	r.rewrite(strings.Replace(networked, "[192.0.2.0/24", "[198.51.100.7", 1), `reloaded \(1 rule\)\n`)
	require.Equal(t, "allow", r.from(t, "198.51.100.7").Decision)
	r.rewrite(strings.Replace(networked, "[127.0.0.1]", "[192.0.2.200]", 1), `(?s)(reloaded.*){2}`)
	require.Equal(t, "network_refused", r.from(t, "192.0.2.1").Code, "nobody's word is taken any more")
	r.rewrite(guarded, `(?s)(reloaded.*){3}`)
	require.Equal(t, "allow", r.from(t, "203.0.113.9").Decision)
	require.NotContains(t, r.stderr.String(), "needs a restart")
}

func TestReloadOfAProgramWithACredentialOfItsOwn(t *testing.T) {
	const unguarded = "listen: 127.0.0.1:0\n"
	r := startReloading(t, unguarded)
	credential := r.await(t, r.stdout, `(?m)^  username  (\S+)\n  password  (\S+)$`)
	check := func() answer {
		return r.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", basic(credential[1], credential[2]))
	}
	require.Equal(t, "allow", check().Decision)
	r.rewrite(unguarded+"auth: {networks: [192.0.2.0/24]}\n", `reloaded \(1 rule\)\n`)
	require.Equal(t, "network_refused", check().Code)
}

func TestGuessingIsSlowed(t *testing.T) {
	p := start(t, strings.Replace(networked, "  networks:", "  # networks:", 1))
	guess := func(forwarded string) answer {
		return p.send(t, "POST", "/v1/check", attempt("203.0.113.7", "4242"), "Authorization", basic("checkout", "guess"), "X-Forwarded-For", forwarded)
	}
	var a answer
	for n := 0; a.Code != "too_many_failures"; n++ {
		require.Less(t, n, 100, "tries at once")
		a = guess("203.0.113.9")
	}
	assert.Equal(t, http.StatusTooManyRequests, a.status)
	assert.Regexp(t, `^[1-5]$`, a.header.Get("Retry-After"))
	assert.Equal(t, "credentials_invalid", guess("198.51.100.7").Code)
	assert.Equal(t, "allow", p.from(t, "203.0.113.9").Decision, "who is right is answered")
	metrics, err := p.try(p.operators, "GET", "/metrics", "")
	require.NoError(t, err)
	assert.Contains(t, metrics.body, `fraudcheck_auth_total{result="too_many_failures",scheme="basic"} 1`)
}

func TestWrongNetworksAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"auth: {networks: [10.0.0.1, hunter2]}":                                          "auth.networks[1]: expected an address, or a network",
		"auth: {networks: [10.0.0.1/8]}":                                                 "auth.networks[0]: expected an address, or a network without host bits",
		"auth: {networks: [10.0.0.0/8, \"!10.0.0.0/8\"]}":                                "auth.networks[1]: expected a network that is not listed yet",
		"auth: {networks: [!10.0.0.1 ]}":                                                 "auth.networks[0]: expected text; put what begins with ! in quotes",
		"auth: {basic: {users: [{username: a, password: b, networks: [\"!hunter2\"]}]}}": "auth.basic.users[0].networks[0]: expected an address, or a network",
		"trusted_proxies: [\"!10.0.0.1\"]":                                               "trusted_proxies[0]: expected an address, or a network",
		"trusted_proxies: [hunter2]":                                                     "trusted_proxies[0]: expected an address, or a network",
	} {
		refuses(t, text, want)
	}
	p, err := configure(&flags{Config: writeFile(t, "right.yaml", guarded+"trusted_proxies: [0.0.0.0/0]\n")}, config.FilesAndPipes)
	require.NoError(t, err)
	require.Contains(t, p.warnings, "trusted_proxies holds every address: a caller comes from wherever it says")
}
