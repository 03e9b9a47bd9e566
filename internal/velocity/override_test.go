package velocity

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// sealed is the mark of an override under the keys.
func sealed(k *Keys, key Key, o Override) *mark {
	return &mark{key: overrideKey, at: o.Since, data: k.sealOverride(key, overrideHeader(&o), o.By, o.Reason)}
}

var someOverride = Override{Outcome: Block, By: "ana", Reason: "shared office", Since: 1_800_000_000_000, Until: 1_800_000_060_000}

func TestAnOverrideIsReadAsItWasWritten(t *testing.T) {
	keys := testKeys(t)
	for _, o := range []Override{
		someOverride,
		{Outcome: Allow, By: "", Reason: "x", Since: 1, Until: latestTime},
		{Outcome: Allow, By: strings.Repeat("b", MaxOverrideBy), Reason: strings.Repeat("\U0001F600", MaxReason), Since: 5, Until: 6},
	} {
		m := sealed(keys, Key{1}, o)
		require.LessOrEqual(t, len(m.data), maxMarkData)
		got, ok := keys.openOverride(Key{1}, m)
		require.True(t, ok)
		require.Equal(t, o, got)
		if len(o.By) > 1 {
			require.NotContains(t, string(m.data), o.By)
			require.NotContains(t, string(m.data), o.Reason)
		}
	}
}

// Who set it and why is for those alone who have the hash key. The decision needs no key.
func TestWhoSetAnOverrideIsReadUnderItsOwnKeysOnly(t *testing.T) {
	keys := testKeys(t)
	others, err := NewKeys([]byte(strings.Repeat("x", MinHashKey)))
	require.NoError(t, err)
	m := sealed(keys, Key{1}, someOverride)
	bare := someOverride
	bare.By, bare.Reason = "", ""
	for name, read := range map[string]func() (Override, bool){
		"another record":   func() (Override, bool) { return keys.openOverride(Key{2}, m) },
		"another hash key": func() (Override, bool) { return others.openOverride(Key{1}, m) },
		"a changed byte": func() (Override, bool) {
			changed := *m
			changed.data = bytes.Clone(m.data)
			changed.data[len(changed.data)-1] ^= 1
			return keys.openOverride(Key{1}, &changed)
		},
	} {
		got, ok := read()
		require.True(t, ok, name)
		require.Equal(t, bare, got, name)
	}
	later := *m
	later.data = bytes.Clone(m.data)
	later.data[1]++ // until
	got, ok := keys.openOverride(Key{1}, &later)
	require.True(t, ok)
	require.Empty(t, got.By, "the end is authenticated too")
}

// Several instances carry an override over to another hash key: all must write the same.
func TestAnOverrideHasOneEncodingUnderEachKey(t *testing.T) {
	keys := testKeys(t)
	others, err := NewKeys([]byte(strings.Repeat("x", MinHashKey)))
	require.NoError(t, err)
	first, again := sealed(keys, Key{1}, someOverride), sealed(keys, Key{1}, someOverride)
	require.Equal(t, first.data, again.data)
	require.NotEqual(t, first.data, sealed(keys, Key{2}, someOverride).data)

	var r Record
	r.setMark(first)
	resealOverride(&r, keys, Key{1}, others, Key{3})
	require.Equal(t, sealed(others, Key{3}, someOverride).data, r.marks[0].data)
	resealOverride(&r, keys, Key{1}, keys, Key{1})
	require.Equal(t, sealed(others, Key{3}, someOverride).data, r.marks[0].data, "what cannot be read stays as it is")
	r.marks[0].data = []byte{stateRemoved}
	resealOverride(&r, others, Key{3}, keys, Key{1})
	require.Equal(t, []byte{stateRemoved}, r.marks[0].data)
}

func TestAMarkOfAnUnknownFormIsNoOverrideInForce(t *testing.T) {
	keys := testKeys(t)
	for name, data := range map[string][]byte{
		"nothing":                    nil,
		"a removal":                  {stateRemoved},
		"a state of a later program": {3, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3},
		"an end cut off":             {stateAllow, 0xff},
		"no end":                     {stateBlock},
		"an end after all time":      {stateBlock, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		m := &mark{key: overrideKey, at: 1000, data: data}
		r := new(Record)
		r.setMark(m)
		_, inForce := r.override(1000)
		require.False(t, inForce, name)
		_, ok := keys.openOverride(Key{1}, m)
		require.False(t, ok, name)
	}
	short := &mark{key: overrideKey, data: []byte{stateBlock, 0x7f, 1, 2}}
	o, ok := keys.openOverride(Key{1}, short)
	require.True(t, ok)
	require.Equal(t, Override{Outcome: Block, Until: 0x7f}, o, "an encrypted part that is too short")
}

// overrideAt applies the change to the record at that time.
func overrideAt(t *testing.T, r *Record, now Time, data []byte) {
	plan := planOf(t, DefaultRule)
	var u Update
	u.begin(plan, plan.overridden(), Key{1}, now, override)
	u.override = data
	u.apply(r)
	require.True(t, u.changes())
}

// The analyst's last word holds, though the clock of the instance that took the one before
// is ahead, or both came within a millisecond.
func TestALaterChangeHoldsWhateverTheClocks(t *testing.T) {
	keys := testKeys(t)
	var r Record
	block := sealed(keys, Key{1}, someOverride)
	overrideAt(t, &r, 1_800_000_000_000, block.data)
	overrideAt(t, &r, 1_800_000_000_000, []byte{stateRemoved})
	_, inForce := r.override(1_800_000_000_000)
	require.False(t, inForce)
	overrideAt(t, &r, 1_799_999_990_000, block.data)
	outcome, inForce := r.override(1_799_999_990_000)
	require.True(t, inForce)
	require.Equal(t, Block, outcome)
	at := r.marks[0].at
	overrideAt(t, &r, 1_799_999_990_000, block.data)
	require.Equal(t, at, r.marks[0].at, "the same change again, as after a reply that was lost, changes nothing")
}

// An override that lasts longest is kept to its end, wherever it is kept.
func TestAnOverrideIsKeptToItsEnd(t *testing.T) {
	plan := planOf(t, DefaultRule)
	o := someOverride
	o.Until = o.Since + spanOf(MaxOverride)
	var r Record
	overrideAt(t, &r, o.Since, sealed(testKeys(t), Key{1}, o).data)
	require.GreaterOrEqual(t, o.Since+r.retain(plan.overridden()), o.Until)
	u := Update{plan: plan, subject: plan.overridden(), now: o.Since}
	require.Greater(t, Time(u.ends(&r))*1000, o.Until)
	require.Equal(t, rankMarked, u.rank(&r, make([]tally, 1)), "a full store keeps it longest")
	require.Equal(t, marked, u.urgency(&r), "a server that lost its memory is told it first")
	u.now = o.Until - 1
	u.prune(&r)
	_, inForce := r.override(o.Until - 1)
	require.True(t, inForce)
	_, inForce = r.override(o.Until)
	require.False(t, inForce)
}

func TestAReasonIsPrintableAndHoldsNoCardNumber(t *testing.T) {
	for reason, valid := range map[string]bool{
		"shared office, ticket 4711":           true,
		"Kassenbüro München – siehe #12":       true,
		"2026-11-28 12:30, called 0800 123":    true,
		"x":                                    true,
		strings.Repeat("ü", 200):               true,
		"order 12345678901":                    true,
		"":                                     false,
		"   ":                                  false,
		strings.Repeat("ü", 201):               false,
		"two\nlines":                           false,
		"a\x00b":                               false,
		"a\u2028b":                             false,
		"\u202eright to left":                  false,
		"bad \xff utf-8":                       false,
		"order 123456789012":                   false,
		"card 4111111111111111 of a friend":    false,
		"card 4111 1111 1111 1111 of a friend": false,
		"2026-11-28 4111-1111-1111-1111":       false,
		"４１１１１１１１１１１１１１１１":                         false,
		"c4111.1111.1111.1111d":                    false,
		"4111 1111 1111 1112 is no card's number":  true,
		"tickets 4111, 1111, 1111, 1111 are known": true,
	} {
		require.Equal(t, valid, ValidReason(reason), "%q", reason)
	}
	require.Equal(t, "ü", cutText("üü", 3))
	require.Equal(t, "üü", cutText("üü", 4))
	require.Equal(t, "", cutText("ü", 1))
}

func TestAnOverrideCostsACheckNoMemory(t *testing.T) {
	testbed.SkipRace(t, "an allocation budget")
	memory, err := NewMemory(MinMemoryBytes)
	require.NoError(t, err)
	c := NewChecker(planOf(t, DefaultRule), testKeys(t), memory)
	a := attemptFrom(1)
	_, shared := c.SetOverride(a, Override{Outcome: Block, By: "ana", Reason: "known", Until: 1000 + spanOf(time.Hour)}, 1000)
	require.True(t, shared)
	var d Decision
	check := func() { c.Check(a, 2000, nil, &d) }
	check()
	require.Equal(t, Block, d.Outcome)
	require.Equal(t, []string{"override"}, d.Reasons)
	require.Zero(t, testing.AllocsPerRun(100, check))
}

// The list forgets what leaves it, never the override.
func TestTheListOfOverridesIsBounded(t *testing.T) {
	memory, err := NewMemory(16 << 20)
	require.NoError(t, err)
	c := NewChecker(planOf(t, DefaultRule), testKeys(t), memory)
	until := Time(1_000_000) + spanOf(time.Hour)
	address := func(n int) *Attempt {
		return &Attempt{Address: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}
	}
	for n := range maxMet + 10 {
		c.SetOverride(address(n), Override{Outcome: Block, By: "ana", Reason: "known", Until: until}, Time(1_000_000+n))
	}
	all := c.Overrides(1_100_000)
	require.Len(t, all, maxMet)
	require.Equal(t, c.Subject(address(maxMet+9).Address), all[0].Subject, "the newest first")
	require.Equal(t, c.Subject(address(10).Address), all[maxMet-1].Subject)
	require.Equal(t, "known", all[0].Reason)
	require.NotNil(t, c.Inspect(address(0), []string{"ip"}, 1_100_000).Override)
	require.Empty(t, c.Overrides(until))
	require.Empty(t, c.overrides.of)
}
