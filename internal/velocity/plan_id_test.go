package velocity

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Instances of different versions compare these, so they stay as they are.
func TestPlansThatDecideAlikeHaveTheSameIDs(t *testing.T) {
	other := DefaultRule
	other.BlockOver++
	entry := func(net, note string, o Outcome) Entry {
		return Entry{Net: netip.MustParsePrefix(net), Outcome: o, Note: note}
	}
	ids := func(prefix int, rules []Rule, entries ...Entry) [2]string {
		p, err := NewPlan(rules, prefix)
		require.NoError(t, err)
		if entries != nil {
			lists, err := NewLists(entries)
			require.NoError(t, err)
			p = p.With(lists)
		}
		r, l := p.IDs()
		return [2]string{r, l}
	}
	alone := ids(64, []Rule{DefaultRule})
	assert.Equal(t, [2]string{"k5risk5u", "4oymiquy"}, alone)
	assert.NotEqual(t, alone[0], ids(56, []Rule{DefaultRule})[0])
	assert.NotEqual(t, alone[0], ids(64, []Rule{other})[0])
	a, b := entry("192.0.2.0/24", "x", Allow), entry("198.51.100.0/24", "", Block)
	both := ids(64, []Rule{DefaultRule}, a, b)
	assert.Equal(t, alone[0], both[0])
	assert.NotEqual(t, alone[1], both[1])
	assert.Equal(t, both, ids(64, []Rule{DefaultRule}, b, entry("192.0.2.0/24", "another note", Allow)))
	assert.NotEqual(t, both, ids(64, []Rule{DefaultRule}, b, entry("192.0.2.0/24", "x", Block)))
	ends := a
	ends.Until = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.NotEqual(t, both, ids(64, []Rule{DefaultRule}, b, ends))
}

func TestTheIDOfAHashKeyStandsInTheNamesOfRecords(t *testing.T) {
	keys, err := NewKeys([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	assert.Len(t, keys.ID(), 8)
	assert.True(t, strings.HasPrefix(keys.CanaryKey(), "fraudcheck:"+keys.ID()+":"))
}
