package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReadyAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "tcp 127.0.0.1:8080", "0.0.0.0:8080": "tcp 127.0.0.1:8080", ":8080": "tcp 127.0.0.1:8080", "[::]:8080": "tcp 127.0.0.1:8080",
		"[2001:db8::1]:8080": "tcp [2001:db8::1]:8080", "unix:/run/fraudcheck/check.sock": "unix /run/fraudcheck/check.sock",
	} {
		network, address := readyAddress(listen)
		assert.Equal(t, want, network+" "+address, listen)
	}
}

func TestHealthcheckAsksTheRunningInstance(t *testing.T) {
	t.Parallel()
	healthy := func(config, listen string) (int, string) {
		path := writeFile(t, "config.yaml", config)
		for range 10 { // a busy machine may answer nothing in time
			_, stderr, code := command("healthcheck", "--config", path, "--listen", listen)
			if !strings.Contains(stderr, "deadline") {
				return code, stderr
			}
		}
		return -1, "no answer in time"
	}

	plain := start(t, guarded)
	code, stderr := healthy(guarded, plain.addr)
	assert.Zero(t, code, stderr)

	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	onSocket := launch(t, guarded, "--listen", socket)
	onSocket.await(t, onSocket.stderr, `Listening on `+socket)
	code, stderr = healthy(guarded, socket)
	assert.Zero(t, code, stderr)

	withCertificate, _ := withTLS(t, newIdentity(t, "first", tomorrow()))
	other, _ := withTLS(t, newIdentity(t, "other", tomorrow()))
	secure := start(t, withCertificate)
	code, stderr = healthy(withCertificate, secure.addr)
	assert.Zero(t, code, stderr)
	code, stderr = healthy(other, secure.addr)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "another certificate than tls.cert_file")
	code, _ = healthy(guarded, secure.addr)
	assert.Equal(t, 1, code, "it speaks TLS, and this configuration does not")

	draining := start(t, guarded+"drain_delay: 30s\n")
	draining.signal(t, syscall.SIGTERM)
	draining.await(t, draining.stderr, `Unready`)
	code, stderr = healthy(guarded, draining.addr)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "503")

	gone := plain.addr
	plain.signal(t, syscall.SIGTERM)
	_, _ = plain.exitCode(t)
	code, stderr = healthy(guarded, gone)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "refused")
	_, stderr, code = command("healthcheck", "--config", writeFile(t, "config.yaml", "lisen: 1\n"))
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "lisen")
}
