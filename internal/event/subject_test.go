package event

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
)

func TestSubjectsAreCutAsTheyCount(t *testing.T) {
	hashes := map[uint64]bool{}
	for _, tt := range []struct {
		address string
		bits    int
		want    string
	}{
		{"203.0.113.7", 48, "203.0.113.7"}, {"2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::"}, {"2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"},
		{"2001:db8:1:2:ffff:4:5:6", 78, "2001:db8:1:2:fffc::"}, {"2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"}, {"", 64, "ff00::"},
	} {
		plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, tt.bits)
		require.NoError(t, err)
		e := Event{Attempt: new(velocity.Attempt), Decision: &velocity.Decision{Plan: plan}}
		if tt.address != "" {
			e.Attempt.Address = netip.MustParseAddr(tt.address)
		}
		subject, hash := e.Subject()
		assert.Equal(t, tt.want, netip.AddrFrom16(subject).Unmap().String(), "/%d", tt.bits)
		again, hashAgain := e.Subject()
		assert.Equal(t, subject, again)
		assert.Equal(t, hash, hashAgain)
		hashes[hash] = true
	}
	assert.Len(t, hashes, 6)
}
