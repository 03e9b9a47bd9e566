package server_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/server"
)

// behindAProxy has the door believe the tests' own address, at a time that stands
// still.
func behindAProxy(t testing.TB, callers ...string) func(*server.Settings) {
	policy := newPolicy(t, callers, []string{"127.0.0.0/8"})
	return func(s *server.Settings) {
		s.Guard.Replace(policy)
		s.Guard.Now = func() time.Time { return morning }
	}
}

func forwardedFor(address string) string { return "X-Forwarded-For: " + address }

func TestTheAddressBehindAProxyIsTheCallers(t *testing.T) {
	d := open(t, behindAProxy(t, "192.0.2.0/24", "!192.0.2.9"))
	l := d.dial(t)
	tests := []struct {
		forwarded string
		status    int
		shown     string
	}{
		{"192.0.2.1", 200, "192.0.2.1"},
		{"198.51.100.7, 192.0.2.1:4711", 200, "192.0.2.1"},
		{"192.0.2.1, 198.51.100.7", 403, "198.51.100.7"},
		{"192.0.2.9", 403, "192.0.2.9"},
		{"[2001:db8::1]:443", 403, "2001:db8::1"},
		{"192.0.2.1, unknown", 403, "127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.forwarded, func(t *testing.T) {
			before := len(d.log.all())
			a := l.ask(raw("POST /v1/check", someCard, asCheckout, forwardedFor(tt.forwarded)))
			require.Equal(t, tt.status, a.status, a.body)
			if tt.status == 403 {
				requireProblem(t, a, 403, "network_refused", "")
			}
			lines := d.log.all()[before:]
			require.Len(t, lines, 2)
			for _, line := range lines {
				assert.Equal(t, tt.shown, line.attrs["tag"][:len(line.attrs["tag"])-7])
			}
			assert.Equal(t, "checkout", lines[1].attrs["caller"], "who was refused is known")
		})
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		assert.Equal(t, 200, l.ask(raw("GET "+path, "", forwardedFor("198.51.100.7"))).status, "open to everybody")
	}
	a := l.ask(raw("POST /v1/check", someCard, asCheckout, forwardedFor("192.0.2.1"), forwardedFor("198.51.100.7")))
	requireProblem(t, a, 403, "network_refused", "")
}

func TestGuessersAreToldToWait(t *testing.T) {
	d := open(t, behindAProxy(t))
	guess := func(address string) answer {
		return d.ask(t, raw("POST /v1/check", nine, basic("checkout", "guess"), forwardedFor(address)))
	}
	for range 60 {
		requireProblem(t, guess("203.0.113.9"), 401, "credentials_invalid", "")
	}
	a := guess("203.0.113.9")
	requireProblem(t, a, 429, "too_many_failures", "")
	assert.Equal(t, "5", a.header.Get("Retry-After"))
	requireProblem(t, guess("198.51.100.7"), 401, "credentials_invalid", "")
	assert.Equal(t, 200, d.ask(t, raw("POST /v1/check", someCard, asCheckout, forwardedFor("203.0.113.9"))).status, "who is right is answered")
	lines := d.log.all()
	for _, line := range lines[:len(lines)-2] {
		assert.Empty(t, line.attrs["caller"], "what a stranger sent is no name")
	}
	assert.Equal(t, "basic", lines[121].attrs["scheme"])
	assert.Equal(t, "too_many_failures", lines[121].attrs["code"])
}

func TestOnAUnixSocketThereIsNoAddress(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "door"))
	require.NoError(t, err)
	d := openOn(t, ln, behindAProxy(t, "127.0.0.1"))
	requireProblem(t, d.ask(t, raw("POST /v1/check", someCard, asCheckout, forwardedFor("127.0.0.1"))), 403, "network_refused", "")
	assert.Regexp(t, `^-[A-Za-z0-9_-]{6}$`, d.log.all()[0].attrs["tag"])
}
