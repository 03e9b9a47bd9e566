package callers_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door"
	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
)

// guarded has the default rule and a collapse guard.
func guarded(t testing.TB) func(*doortest.Setup) {
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 64)
	require.NoError(t, err)
	return func(s *doortest.Setup) {
		s.Checker = newChecker(t, velocity.DefaultRule)
		s.Checker.Replace(plan.WithGuard(velocity.CollapseGuard{AtMost: velocity.Review}))
	}
}

// The checkout sends its own address, which a dual-stack listener shows as IPv4-mapped.
func TestAnAddressIsSuspectThatIsTheOtherEndOfTheConnection(t *testing.T) {
	p := open(t, guarded(t))
	from := func(peer, body, header string) string {
		q := &door.Request{In: door.Input{
			Method: []byte("POST"), Target: []byte("/v1/check"), Host: []byte("x"), Proto: []byte("HTTP/1.1"),
			ContentType: []byte("application/json"), Body: []byte(body), Peer: netip.MustParseAddr(peer),
			Head: fmt.Appendf(nil, "Host: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s\r\n\r\n", len(body), doortest.AsCheckout, header),
		}}
		p.all.CallersDoor.Serve(q)
		require.Equal(t, 200, q.Out.Status, string(q.Out.Body))
		return string(q.Out.Body)
	}
	for card := range 6 {
		answer := from("::ffff:203.0.113.7", cardBody("203.0.113.7", card), "X-Request-ID: a")
		assert.Contains(t, answer, `"suspect_subject":true`)
		assert.NotContains(t, answer, `"decision":"block"`)
	}
	assert.EqualValues(t, 6, counted(t, p, "fraudcheck_suspect_subject_total", map[string]string{"kind": "connection"}))
	answer := from("198.51.100.1", cardBody("203.0.113.7", 6), "X-Forwarded-For: 203.0.113.7")
	assert.Contains(t, answer, `{"decision":"block"`)
	assert.NotContains(t, answer, "suspect_subject")
}

func TestTheLogSaysThatAnAddressIsSuspect(t *testing.T) {
	p := open(t, guarded(t))
	for card := range 6 {
		p.Ask(t, check("10.0.0.5", card))
	}
	lines := p.all.Log.Lines()
	attrs := lines[len(lines)-1].Attrs
	assert.Equal(t, []string{"review", "cards_per_ip=6>5", "suspect_subject"}, []string{attrs["decision"], attrs["rules"], attrs["subject"]})
}
