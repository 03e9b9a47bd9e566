package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A proxy that ends TLS passes plain HTTP on; 127.0.0.1 stands for it, and 127.0.0.2 for
// somebody who reaches the port past it.
func TestAProxyInFrontEndsTLS(t *testing.T) {
	const proxied = guarded + "trusted_proxies: [127.0.0.1]\n"
	r := startReloading(t, proxied)
	past := &http.Client{Timeout: prompt, Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext,
	}}
	t.Cleanup(past.CloseIdleConnections)
	proxy := &r.client
	loginVia := func(client *http.Client, scheme string) (status int, cookie string) {
		t.Helper()
		ask, err := http.NewRequest("POST", "http://"+r.addr+"/v1/login", strings.NewReader(""))
		require.NoError(t, err)
		ask.SetBasicAuth("checkout", password)
		ask.Header.Set("Origin", scheme+"://"+r.addr)
		response, err := client.Do(ask)
		require.NoError(t, err)
		a, err := readAnswer(response)
		require.NoError(t, err)
		return a.status, a.header.Get("Set-Cookie")
	}
	plain := func(client *http.Client) {
		t.Helper()
		status, cookie := loginVia(client, "http")
		assert.Equal(t, http.StatusOK, status)
		assert.Regexp(t, `^fraudcheck_session=`, cookie)
		assert.NotContains(t, cookie, "Secure")
		status, _ = loginVia(client, "https")
		assert.Equal(t, http.StatusForbidden, status)
	}
	plain(proxy)
	plain(past)

	r.rewrite(proxied+"tls: {in_front: true}\n", `Configuration reloaded`)
	assert.NotContains(t, r.stderr.String(), "needs a restart")
	status, cookie := loginVia(proxy, "https")
	assert.Equal(t, http.StatusOK, status)
	assert.Regexp(t, `^__Host-fraudcheck_session=.*; Secure$`, cookie)
	status, _ = loginVia(proxy, "http")
	assert.Equal(t, http.StatusForbidden, status, "a page without TLS is of another origin")
	plain(past)

	// The cookie is taken back under the name that it was given.
	cookie, _, _ = strings.Cut(cookie, ";")
	assert.Equal(t, http.StatusOK, r.send(t, "GET", "/v1/me", "", "Authorization", "", "Cookie", cookie).status)
	a := r.send(t, "POST", "/v1/logout", "", "Authorization", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	assert.Equal(t, http.StatusNoContent, a.status)
	assert.Regexp(t, `^__Host-fraudcheck_session=; .*; Secure; Max-Age=0$`, a.header.Get("Set-Cookie"))
}
