package velocity

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"198.51.100.0/24":     "198.51.100.0/24",
		"198.51.100.7":        "198.51.100.7/32",
		"::ffff:198.51.100.7": "198.51.100.7/32",
		"2001:db8::/32":       "2001:db8::/32",
		"2001:db8::1":         "2001:db8::1/128",
		"0.0.0.0/0":           "0.0.0.0/0",
		"198.51.100.7/24":     "",
		"198.51.100.0/33":     "",
		"198.51.100.0/024":    "",
		"198.51.100/24":       "",
		"::ffff:1.2.3.0/120":  "",
		"fe80::%eth0/64":      "",
		"":                    "",
	} {
		network, ok := ParseNetwork(text)
		require.Equal(t, want != "", ok, text)
		if ok {
			require.Equal(t, want, network.String())
		}
	}
}

func TestANetworkIsListedOnce(t *testing.T) {
	entry := Entry{Net: netip.MustParsePrefix("198.51.100.0/24"), Outcome: Allow}
	other := entry
	other.Outcome = Block
	_, err := NewLists([]Entry{entry, {Net: netip.MustParsePrefix("198.51.100.0/25")}, other})
	var twice *EntryError
	require.ErrorAs(t, err, &twice)
	require.Equal(t, 2, twice.Index)
}

func TestAListDecidesBeforeAFailureDoes(t *testing.T) {
	block := Block
	d := Decision{Degraded: true, StoreFailed: true}
	d.judge(&Entry{Outcome: Allow}, &block)
	require.Equal(t, Allow, d.Outcome)
	require.Equal(t, []string{"list"}, d.Reasons)
	d.judge(nil, &block)
	require.Equal(t, Block, d.Outcome)
	require.Equal(t, []string{"store_failure"}, d.Reasons)
}
