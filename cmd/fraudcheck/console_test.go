package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheConsoleIsAtTheOperatorsPort(t *testing.T) {
	t.Parallel()
	p := start(t, guarded)
	get := func(path string, header ...string) answer {
		a, err := p.try(p.operators, "GET", path, "", header...)
		require.NoError(t, err)
		return a
	}
	shell := get("/console")
	require.Equal(t, 200, shell.status)
	assert.Equal(t, "text/html; charset=utf-8", shell.header.Get("Content-Type"))
	assert.Equal(t, "no-cache", shell.header.Get("Cache-Control"))
	policy := shell.header.Get("Content-Security-Policy")
	for _, directive := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'",
		"frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
	} {
		assert.Contains(t, policy, directive)
	}
	assert.NotContains(t, policy, "unsafe")
	for _, path := range []string{"/console/", "/console/blocked", "/console/address/203.0.113.7", "/console/address/2001:db8::1"} {
		assert.Equal(t, shell.body, get(path).body, path)
	}
	assert.Equal(t, 304, get("/console", "If-None-Match", shell.header.Get("ETag")).status)

	asset := regexp.MustCompile(`src="(/console/a/[a-z2-7]{16}/app\.js)"`).FindStringSubmatch(shell.body)
	require.NotNil(t, asset)
	script := get(asset[1])
	assert.Equal(t, 200, script.status)
	assert.Equal(t, "text/javascript; charset=utf-8", script.header.Get("Content-Type"))
	assert.Equal(t, "public, max-age=31536000, immutable", script.header.Get("Cache-Control"))
	assert.Equal(t, 404, get("/console/a/aaaaaaaaaaaaaaaa/app.js").status, "another version's")
	assert.Contains(t, get("/metrics").body, `fraudcheck_http_requests_total{code="200",route="/console/a/{hash}/{file}"} 1`)

	// A browser asks for a password in a window of its own where an answer names Basic.
	assert.Equal(t, `Bearer realm="fraudcheck"`, get("/v1/me", "Authorization", "", "Sec-Fetch-Dest", "empty").header.Get("WWW-Authenticate"))
	assert.Contains(t, get("/v1/me", "Authorization", "").header.Get("WWW-Authenticate"), "Basic ")
	assert.Contains(t, get("/v1/me", "Authorization", "", "Sec-Fetch-Dest", "document").header.Get("WWW-Authenticate"), "Basic ")

	a, err := p.try(p.addr, "GET", "/console", "")
	require.NoError(t, err)
	assert.Equal(t, 404, a.status, "not at the callers' port")
}
