package callers_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

// behindAProxy has the door believe the tests' own address, at a time that stands
// still.
func behindAProxy(t testing.TB, callers ...string) func(*doortest.Setup) {
	policy := doortest.NewPolicy(t, callers, []string{"127.0.0.0/8"})
	return func(s *doortest.Setup) {
		s.Guard.Replace(policy)
		s.Guard.Now = func() time.Time { return doortest.Morning }
	}
}

func forwardedFor(address string) string { return "X-Forwarded-For: " + address }

func TestTheAddressBehindAProxyIsTheCallers(t *testing.T) {
	d := open(t, behindAProxy(t, "192.0.2.0/24", "!192.0.2.9"))
	l := d.Dial(t)
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
			before := len(d.all.Log.Lines())
			a := l.Ask(doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, forwardedFor(tt.forwarded)))
			require.Equal(t, tt.status, a.Status, a.Body)
			if tt.status == 403 {
				doortest.RequireProblem(t, a, 403, "network_refused", "")
			}
			lines := d.all.Log.Lines()[before:]
			require.Len(t, lines, 2)
			for _, line := range lines {
				assert.Equal(t, tt.shown, line.Attrs["tag"][:len(line.Attrs["tag"])-7])
			}
			assert.Equal(t, "checkout", lines[1].Attrs["caller"], "who was refused is known")
		})
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		assert.Equal(t, 200, l.Ask(doortest.Raw("GET "+path, "", forwardedFor("198.51.100.7"))).Status, "open to everybody")
	}
	a := l.Ask(doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, forwardedFor("192.0.2.1"), forwardedFor("198.51.100.7")))
	doortest.RequireProblem(t, a, 403, "network_refused", "")
}

func TestGuessersAreToldToWait(t *testing.T) {
	d := open(t, behindAProxy(t))
	guess := func(address string) doortest.Answer {
		return d.Ask(t, doortest.Raw("POST /v1/check", nine, doortest.Basic("checkout", "guess"), forwardedFor(address)))
	}
	doortest.RequireThrottled(t, func() doortest.Answer { return guess("203.0.113.9") })
	doortest.RequireProblem(t, guess("198.51.100.7"), 401, "credentials_invalid", "")
	assert.Equal(t, 200, d.Ask(t, doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, forwardedFor("203.0.113.9"))).Status, "who is right is answered")
	lines := d.all.Log.Lines()
	found := false
	for _, line := range lines[:len(lines)-2] {
		assert.Empty(t, line.Attrs["caller"], "what a stranger sent is no name")
		found = found || line.Attrs["code"] == "too_many_failures" && line.Attrs["scheme"] == "basic"
	}
	assert.True(t, found)
}

func TestOnAUnixSocketThereIsNoAddress(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "door"))
	require.NoError(t, err)
	d := open(t, func(s *doortest.Setup) { s.On(ln) }, behindAProxy(t, "127.0.0.1"))
	doortest.RequireProblem(t, d.Ask(t, doortest.Raw("POST /v1/check", someCard, doortest.AsCheckout, forwardedFor("127.0.0.1"))), 403, "network_refused", "")
	assert.Regexp(t, `^unix-[A-Za-z0-9_-]{6}$`, d.all.Log.Lines()[0].Attrs["tag"])
}
