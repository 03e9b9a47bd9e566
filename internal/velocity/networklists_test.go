package velocity

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
	require.Equal(t, 0, twice.First)
	_, err = NewLists([]Entry{entry, entry})
	require.Error(t, err, "also in one list")
	other.Repeats = true
	_, err = NewLists([]Entry{entry, other})
	require.Error(t, err, "a file repeats its own list only")
}

// Of an entry that a file repeats, the one that ends later decides.
func TestAFileRepeatsEntriesOfItsList(t *testing.T) {
	entry := Entry{Net: netip.MustParsePrefix("198.51.100.0/24"), Outcome: Allow, Note: "configured"}
	ending, ended, repeats := entry, entry, entry
	ending.Until = time.UnixMilli(int64(testStart) + 2000)
	ended.Until = time.UnixMilli(int64(testStart) + 1000)
	repeats.Repeats, repeats.Note = true, "repeated"
	endingToo := ended
	endingToo.Repeats = true
	for _, c := range []struct {
		entries []Entry
		note    string
	}{
		{[]Entry{entry, repeats}, "configured"},
		{[]Entry{repeats, entry}, "repeated"},
		{[]Entry{ended, repeats}, "repeated"},
		{[]Entry{repeats, ended}, "repeated"},
		{[]Entry{ending, endingToo}, "configured"},
		{[]Entry{endingToo, ending}, "configured"},
	} {
		l, err := NewLists(c.entries)
		require.NoError(t, err)
		found := l.find(netip.MustParseAddr("198.51.100.7"), testStart+1500)
		require.NotNil(t, found)
		require.Equal(t, c.note, found.Note)
	}
}

// However many entries there are, of both versions of IP.
func TestALookUpInTheListsAllocatesNothing(t *testing.T) {
	entries := []Entry{{Net: netip.MustParsePrefix("2001:db8::/120"), Outcome: Block}, {Net: netip.MustParsePrefix("0.0.0.0/0"), Outcome: Allow}}
	for n := range 5000 {
		entries = append(entries, Entry{Net: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}), 32), Outcome: Block})
	}
	l, err := NewLists(entries)
	require.NoError(t, err)
	v4, v6, none := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::7"), netip.Addr{}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if l.find(v4, 0) == nil || l.find(v6, 0) == nil || l.find(none, 0) != nil {
			panic("not found")
		}
	}))
}

func TestAListDecidesBeforeAFailureDoes(t *testing.T) {
	block := Block
	d := Decision{Degraded: true, StoreFailed: true}
	d.judge(nil, &Entry{Outcome: Allow}, &block)
	require.Equal(t, Allow, d.Outcome)
	require.Equal(t, []string{"list"}, d.Reasons)
	d.judge(nil, nil, &block)
	require.Equal(t, Block, d.Outcome)
	require.Equal(t, []string{"store_failure"}, d.Reasons)
}

// The most specific of the networks that hold an address decides, as a look at every entry
// would find it.
func TestTheMostSpecificNetworkDecides(t *testing.T) {
	addresses := rapid.Custom(func(t *rapid.T) netip.Addr {
		last := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 4, 4).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "IPv4") {
			return netip.AddrFrom4([4]byte(last))
		}
		return netip.AddrFrom16([16]byte{0: 0x20, 1: last[0], 7: last[1], 8: last[2], 15: last[3]})
	})
	rapid.Check(t, func(t *rapid.T) {
		var entries []Entry
		for _, a := range rapid.SliceOfN(addresses, 0, 12).Draw(t, "entries") {
			bits := rapid.SampledFrom([]int{0, 1, 8, 9, 24, 31, 32, 63, 64, 65, 127, 128}).Draw(t, "bits")
			network, err := a.Prefix(min(bits, a.BitLen()))
			require.NoError(t, err)
			entries = append(entries, Entry{Net: network, Repeats: true})
		}
		l, err := NewLists(entries)
		require.NoError(t, err)
		a := addresses.Draw(t, "address")
		longest := -1
		for _, e := range entries {
			if e.Net.Contains(a) {
				longest = max(longest, e.Net.Bits())
			}
		}
		found := l.find(a, 0)
		require.Equal(t, longest >= 0, found != nil)
		if found != nil {
			require.Equal(t, longest, found.Net.Bits())
			require.True(t, found.Net.Contains(a))
		}
	})
}
